"""Marks: what happened at which sample of a recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


class Marked(Protocol):
    """What the vault needs of a mark that it is given."""

    @property
    def serial(self) -> int:
        """Counts the marks of a recording: one that arrives twice after a crash is kept once."""

    @property
    def kind(self) -> str:
        """``pause``, ``erased``, ``gap``, ``tone``, ``party``, ``announcement``, ``answer``, ..."""

    @property
    def start(self) -> int:
        """The first sample that it is about."""

    @property
    def end(self) -> int | None:
        """The first sample after it; ``None`` for a moment."""

    @property
    def detail(self) -> Mapping[str, str]:
        """More, in words: never a key that a party pressed, never a card digit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A mark as it is read from the vault."""

    serial: int
    kind: str
    start: int
    end: int | None = None
    detail: Mapping[str, str] = field(default_factory=dict)


def told(mark: Marked) -> dict[str, Any]:
    """A mark as JSON."""
    return {
        "serial": mark.serial,
        "kind": mark.kind,
        "start": mark.start,
        "end": mark.end,
        "detail": dict(mark.detail),
    }


def heard(content: Mapping[str, Any]) -> Mark:
    """Undo `told`."""
    return Mark(
        serial=content["serial"],
        kind=content["kind"],
        start=content["start"],
        end=content["end"],
        detail=content["detail"],
    )
