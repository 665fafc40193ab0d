"""YAML text -> plain values that remember the line they stand on.

Every scalar stays text: the code ``NO`` is Norway and not a boolean, a version is not a float. A key
written twice is an error, because the reader of the file and the program would disagree about which one
counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import yaml

from callguard.errors import LawError

#: ``{"flags": ["a"]}`` as found at ``("flags", 0)``.
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong: where it stands, what it is, and what would be right."""

    file: str
    line: int  #: counted from 1; 0 when the value did not come from a file
    key: str
    what: str
    fix: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.key}: {self.what}; {self.fix}"


class LawTableError(LawError):
    """The table, or what a site changed in it, does not hold together. Nothing of it was taken over."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """A plain value with the line of each of its parts."""

    value: object
    file: str
    lines: Mapping[Path, int] = field(default_factory=dict)

    @property
    def mapping(self) -> Mapping[str, object]:
        """The value as a mapping; empty when it is something else."""
        return self.value if isinstance(self.value, dict) else {}

    def line(self, path: Path) -> int:
        """The line of the nearest part that was written down."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)

    def part(self, *path: str | int) -> Located:
        """One part, with its own lines."""
        value = self.value
        for step in path:
            value = value[step]  # type: ignore[index]
        depth = len(path)
        lines = {key[depth:]: line for key, line in self.lines.items() if key[:depth] == path}
        return Located(value=value, file=self.file, lines=lines)


def read(text: str, file: str) -> Located:
    """Parse one document.

    Raises:
        LawTableError: not YAML, or a key is given twice.
    """
    try:
        node = yaml.compose(text, Loader=yaml.CBaseLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else 1
        raise LawTableError(
            (
                Problem(
                    file=file,
                    line=line,
                    key="(file)",
                    what=f"not YAML: {error.problem or error.context}",
                    fix="mend the indentation, quote or bracket there",
                ),
            )
        ) from error
    except yaml.YAMLError as error:
        problem = Problem(
            file=file, line=1, key="(file)", what=f"not YAML: {error}", fix="save it as UTF-8 text"
        )
        raise LawTableError((problem,)) from error
    document = _Document(file)
    value = document.plain(node, ()) if node is not None else {}
    return Located(value=value, file=file, lines=document.lines)


class _Document:
    """One pass over the nodes of a file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Path, int] = {}
        self._met: set[int] = set()

    def plain(self, node: yaml.Node, path: Path) -> object:
        line = node.start_mark.line + 1
        if id(node) in self._met:
            # An alias may point at its own parent, and a reader of the file would not see what it repeats.
            raise self._wrong(line, str(path[-1]), "repeats another part (*alias)", "write it out")
        self._met.add(id(node))
        self.lines.setdefault(path, line)
        if isinstance(node, yaml.ScalarNode):
            return node.value
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item, (*path, place)) for place, item in enumerate(node.value)]
        mapping: dict[str, object] = {}
        for key, item in node.value:
            name, here = str(key.value), key.start_mark.line + 1
            if name in mapping:
                first = self.lines[(*path, name)]
                raise self._wrong(
                    here, name, f"given a second time (first on line {first})", "keep one of the two"
                )
            self.lines[(*path, name)] = here
            mapping[name] = self.plain(item, (*path, name))
        return mapping

    def _wrong(self, line: int, key: str, what: str, fix: str) -> LawTableError:
        return LawTableError((Problem(file=self.file, line=line, key=key, what=what, fix=fix),))
