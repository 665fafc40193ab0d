"""YAML read so that nothing is guessed: every scalar stays the text that was typed.

Decided 2026-11: PyYAML's safe loader turns the country code NO into False, +1415 into a number
and 12:30 into 750, and lets the last of two equal keys win. Here text stays text, pydantic turns
it into what a key declares, and a repeated key is an error. ruamel.yaml lost: it still turns
telephone numbers into integers.

Decided 2026-11: anchors and aliases are refused. A file of ours needs none, one that names itself never
ends, and ten lines of them make more values than fit into memory. Counting them lost: a limit to explain.
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

    def value(self, place: Place) -> Any:
        """The value that stands there, None when there is none."""
        found = self.values
        for part in place:
            try:
                found = found[part]
            except (KeyError, IndexError, TypeError):
                return None
        return found


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
        raise ConfigError(_unreadable(error, text, name)) from error
    except yaml.reader.ReaderError as error:
        raise ConfigError(_unprintable(error, text, name)) from error
    except (RecursionError, yaml.YAMLError) as error:
        raise ConfigError(f"{name}: not YAML that can be read; `callguard init` shows the form") from error
    except UnicodeEncodeError as error:
        raise ConfigError(f"{name}: half a character at {error.start}; save the file as UTF-8") from error
    reading = _Reading(name=name)
    try:
        values = None if node is None else reading.value(node, ())
    except RecursionError:
        raise ConfigError(f"{name}: nested too deeply; no section of ours needs it") from None
    return Document(name=name, values=values, lines=reading.lines)


def _unreadable(error: yaml.MarkedYAMLError, text: str, name: str) -> str:
    mark = error.problem_mark or error.context_mark
    said = f"{error.context or ''} {error.problem or ''}"
    if "quoted scalar" in said and error.context_mark is not None:
        return f"{name}:{error.context_mark.line + 1}: a quote is opened and never closed; close it"
    if mark is None:
        return f"{name}: not valid YAML: {said.strip()}; check its indentation"
    where = f"{name}:{mark.line + 1}"
    line = next(iter(text.splitlines()[mark.line :]), "")
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return f"{where}: the line is indented with a tab; YAML wants spaces, so replace it"
    if "another document" in said:
        return f"{where}: a second document begins; remove the line '---'"
    if "alias" in said:
        return f"{where}: text that begins with '*' has to stand in quotes, such as '*'"
    hint = "check the indentation, and put text with ':' or '#' in quotes"
    return f"{where}: not valid YAML ({error.problem}); {hint}"


def _unprintable(error: yaml.reader.ReaderError, text: str, name: str) -> str:
    line = text.count("\n", 0, max(text.find(chr(error.character)), 0)) + 1
    return f"{name}:{line}: an unprintable character (U+{error.character:04X}); remove it"


@dataclass(slots=True)
class _Reading:
    """One pass over the nodes of a file."""

    name: str
    lines: dict[Place, int] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)

    def value(self, node: yaml.Node, place: Place) -> Any:
        line = node.start_mark.line + 1
        if id(node) in self.seen:
            raise ConfigError(
                f"{self.name}:{line}: stands in the file once and is used twice ('&' and '*'); write it out "
                "where it is used"
            )
        self.seen.add(id(node))
        self.lines[place] = line
        if isinstance(node, yaml.ScalarNode):
            # An empty value ("key:") is nothing, not empty text; "key: ''" is empty text.
            return None if node.value == "" and not node.style else node.value
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*place, index)) for index, item in enumerate(node.value)]
        values: dict[str, Any] = {}
        for key, item in node.value:
            where = f"{self.name}:{key.start_mark.line + 1}"
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError(f"{where}: a key must be plain text; put it in quotes")
            if key.value in values:
                first = self.lines[(*place, key.value)]
                raise ConfigError(
                    f"{where}: '{key.value}' stands already on line {first}; remove one of them"
                )
            values[key.value] = self.value(item, (*place, key.value))
            # A section is found at its key, not where its first value begins.
            self.lines[(*place, key.value)] = key.start_mark.line + 1
        return values
