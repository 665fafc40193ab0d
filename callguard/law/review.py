"""What counsel should look at first: entries that are overdue, thinly sourced or disputed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from callguard.law.table import Table
from callguard.law.words import Confidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One entry that wants reading again. Nothing is wrong with the file."""

    code: str
    name: str
    what: str


def review(table: Table, today: date) -> tuple[Finding, ...]:
    """Entries that a lawyer should read again, the overdue ones first."""
    overdue, thin = [], []
    for entry in table.jurisdictions.values():
        if entry.review_by < today:
            overdue.append(
                Finding(code=entry.code, name=entry.name, what=f"was to be read again by {entry.review_by}")
            )
        elif entry.confidence is Confidence.LOW:
            thin.append(Finding(code=entry.code, name=entry.name, what="no primary text was read"))
    return (*overdue, *thin)
