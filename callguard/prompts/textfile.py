"""Reading a language file: YAML in which every scalar is text, with the line of every value kept.

YAML 1.1 would read a language code `no` as false and a key 1 as a number, so nothing is interpreted.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import yaml

from callguard.errors import PromptError

Place = tuple[str, ...]
_LARGEST = 256 * 1024  # bytes; a language file has about 8 KiB, so more is not one


def read(path: Path) -> tuple[object, dict[Place, int]]:
    """The content of the file as text, lists and mappings, and the line on which each place stands.

    Raises:
        PromptError: the file cannot be read, is not UTF-8 YAML, repeats a key or uses an alias.
    """
    try:
        raw = path.read_bytes()
        if len(raw) > _LARGEST:
            raise PromptError(
                f"{path}: {len(raw)} bytes is too large for a language file ({_LARGEST} at most)"
            )
        text = raw.decode("utf-8")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.CBaseLoader)):
            raise PromptError(f"{path}: aliases (*name) are not used in a language file; write the text out")
        node = yaml.compose(text, Loader=yaml.CBaseLoader)
    except OSError as error:
        raise PromptError(
            f"{path}: cannot be read ({error.strerror}); check that it exists and its mode"
        ) from error
    except UnicodeDecodeError as error:
        raise PromptError(f"{path}: is not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise PromptError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
    if node is None:
        raise PromptError(f"{path}: is empty; copy prompts/en.yaml and translate it")
    lines: dict[Place, int] = {}
    return _value(node, (), lines, path), lines


def _value(node: yaml.Node, place: Place, lines: dict[Place, int], path: Path) -> object:
    lines[place] = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*place, str(index)), lines, path) for index, item in enumerate(node.value)]
    mapping: dict[str, object] = {}
    for key, item in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise PromptError(f"{path} line {key.start_mark.line + 1}: a key must be a word")
        if key.value in mapping:
            raise PromptError(
                f"{path} line {key.start_mark.line + 1}: {key.value!r} stands here a second time"
            )
        mapping[key.value] = _value(item, (*place, key.value), lines, path)
        lines[(*place, key.value)] = key.start_mark.line + 1
    return mapping


def line_of(place: Iterable[object], lines: dict[Place, int]) -> int:
    """The line of the place, or of the nearest thing around it when the place itself is missing."""
    words = tuple(str(word) for word in place)
    while words and words not in lines:
        words = words[:-1]
    return lines.get(words, 1)
