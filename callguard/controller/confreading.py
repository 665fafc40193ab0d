"""Asterisk's configuration files, read as far as looking for a setting needs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: How deep files may include each other.
DEEPEST = 10

_SECTION = re.compile(r"\[([^\]]+)\](?:\(([^)]*)\))?")
_INCLUDE = re.compile(r"#(?:try)?include\s+[\"<]?([^\">]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One line that says something."""

    section: str
    key: str
    value: str
    where: str  #: file and line


def read_settings(path: Path) -> list[Setting]:
    """The settings of a file and of what it includes; of a file that cannot be read, none.

    A section that takes over a template is told the template's settings, under its own name and at the
    template's lines.
    """
    inherited: dict[str, list[str]] = {}
    own: dict[str, list[Setting]] = {}
    templates: set[str] = set()
    for kind, section, key, value, where in _lines(path, path.parent, "", 0):
        if kind == "section":
            names = [name.strip() for name in value.split(",")]
            if "!" in names:
                templates.add(section)
            inherited.setdefault(section, []).extend(name for name in names if name not in ("", "!", "+"))
            own.setdefault(section, [])
        else:
            own.setdefault(section, []).append(Setting(section=section, key=key, value=value, where=where))
    return [
        setting
        for section in own
        if section not in templates
        for setting in _with_templates(section, own, inherited, 0)
    ]


def _with_templates(
    section: str, own: dict[str, list[Setting]], inherited: dict[str, list[str]], depth: int
) -> Iterator[Setting]:
    for template in inherited.get(section, []) if depth < DEEPEST else []:
        for setting in _with_templates(template, own, inherited, depth + 1):
            yield Setting(section=section, key=setting.key, value=setting.value, where=setting.where)
    yield from own.get(section, [])


def _lines(path: Path, root: Path, section: str, depth: int) -> Iterator[tuple[str, str, str, str, str]]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    commented = False
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if commented or line.startswith(";--"):
            # A comment of several lines: ";--" to "--;".
            commented = "--;" not in line
            continue
        line = re.split(r"(?<!\\);", line, maxsplit=1)[0].strip()
        if included := _INCLUDE.match(line):
            if depth < DEEPEST:
                for other in _files(included[1].strip(), root):
                    yield from _lines(other, root, section, depth + 1)
        elif head := _SECTION.match(line):
            section = head[1].strip()
            yield "section", section, "", head[2] or "", ""
        elif "=" in line:
            key, _, value = line.partition("=")
            yield "setting", section, key.strip(), value.removeprefix(">").strip(), f"{path}:{number}"


def _files(name: str, root: Path) -> list[Path]:
    """The files that an include names; it may hold wildcards."""
    if name.startswith("/"):
        return sorted(Path("/").glob(name.lstrip("/")))
    return sorted(root.glob(name))
