"""What changed between two tables, and whether callers are better or worse protected by it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import StrEnum

from callguard.law.overrides import milder
from callguard.law.table import Table
from callguard.law.words import UNKNOWN, Jurisdiction, Source


class Direction(StrEnum):
    """What a change means for the person on the line."""

    STRICTER = "stricter"
    MILDER = "milder"
    NEITHER = "neither"  #: sources, notes, dates, names


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One key of one entry; ``(entry)`` for an entry that came or went."""

    code: str
    key: str
    before: str
    after: str
    direction: Direction


def difference(before: Table, after: Table) -> tuple[Change, ...]:
    """Every change from one table to another, by code and key."""
    codes = sorted(before.jurisdictions.keys() | after.jurisdictions.keys())
    return tuple(change for code in codes for change in _changes(before, after, code))


def _changes(before: Table, after: Table, code: str) -> Iterator[Change]:
    old, new = before.jurisdictions.get(code), after.jurisdictions.get(code)
    if old is None or new is None:
        # Without an entry of its own a place falls to the unknown one: that is what it is held against.
        was, becomes = old or before.jurisdictions[UNKNOWN], new or after.jurisdictions[UNKNOWN]
        yield Change(
            code=code,
            key="(entry)",
            before=_short(old),
            after=_short(new),
            direction=_direction(
                bool([*milder(was, becomes, new=True)]), bool([*milder(becomes, was, new=True)])
            ),
        )
        return
    easier = {key.split(".")[0] for key, _, _ in milder(old, new)}
    harder = {key.split(".")[0] for key, _, _ in milder(new, old)}
    for field in fields(Jurisdiction):
        was, becomes = getattr(old, field.name), getattr(new, field.name)
        if was != becomes:
            yield Change(
                code=code,
                key=field.name,
                before=_text(was),
                after=_text(becomes),
                direction=_direction(field.name in easier, field.name in harder),
            )


def _direction(easier: bool, harder: bool) -> Direction:
    # Both at once (one flag for another) is held to be milder, so that somebody looks.
    if easier:
        return Direction.MILDER
    return Direction.STRICTER if harder else Direction.NEITHER


def _short(entry: Jurisdiction | None) -> str:
    return f"{entry.rule}, {entry.form}" if entry else "(none)"


def _text(value: object) -> str:
    if isinstance(value, frozenset):
        return ", ".join(sorted(value)) or "(none)"
    if isinstance(value, tuple):
        return "; ".join(map(str, value)) or "(none)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or value == "":
        return "(none)"
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, Source):
        shown = ((field.name, getattr(value, field.name)) for field in fields(value))  # type: ignore[arg-type]
        return ", ".join(f"{name}: {item}" for name, item in shown if item not in (None, "")) or "(none)"
    return str(value)
