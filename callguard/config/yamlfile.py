"""YAML read so that nothing is guessed: every scalar stays the text that was typed.

Decided 2026-11: PyYAML's safe loader turns the country code NO into False, +1415 into a number
and 12:30 into 750, and lets the last of two equal keys win. Here text stays text, pydantic turns
it into what a key declares, and a repeated key is an error. ruamel.yaml lost: it still turns
telephone numbers into integers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from callguard.errors import ConfigError

#: Where a value stands: keys and list positions from the top.
Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A YAML file: its values as text, lists and mappings, and the line each of them stands on."""

    name: str
    values: Any
    lines: dict[Place, int] = field(default_factory=dict)

    def line(self, place: Place) -> int:
        """The line of a value, or of the nearest thing around it that exists (1 is the first)."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read(path: Path) -> Document:
    """Read a YAML file.

    Raises:
        ConfigError: it cannot be read, is not UTF-8, not YAML, or repeats a key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; `callguard init` writes one") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}; save the file as UTF-8") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; check its owner and mode") from error
    return parse(text, str(path))


def parse(text: str, name: str) -> Document:
    """Read YAML text; ``name`` is what errors call it.

    Raises:
        ConfigError: see ``read``.
    """
    try:
        node = yaml.compose(text, Loader=yaml.CBaseLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        hint = "check indentation, and put text with ':' or '#' in quotes"
        raise ConfigError(
            f"{name}{where}: not valid YAML: {error.problem or error.context}; {hint}"
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: not valid YAML: {error}; remove unprintable characters") from error
    lines: dict[Place, int] = {}
    values = None if node is None else _value(node, (), lines, name)
    return Document(name=name, values=values, lines=lines)


def _value(node: yaml.Node, place: Place, lines: dict[Place, int], name: str) -> Any:
    lines[place] = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        # An empty value ("key:") is nothing, not empty text; "key: ''" is empty text.
        return None if node.value == "" and node.style is None else node.value
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*place, index), lines, name) for index, item in enumerate(node.value)]
    values: dict[str, Any] = {}
    for key, item in node.value:
        where = f"{name}:{key.start_mark.line + 1}"
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError(f"{where}: a key must be plain text; put it in quotes")
        if key.value in values:
            first = lines[(*place, key.value)]
            raise ConfigError(f"{where}: '{key.value}' stands already on line {first}; remove one of them")
        values[key.value] = _value(item, (*place, key.value), lines, name)
        lines[(*place, key.value)] = key.start_mark.line + 1
    return values
