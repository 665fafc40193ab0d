"""Whether searching finds what it should: the terms in the database against those of the entries."""

from __future__ import annotations

import json
from collections.abc import Iterator

from callguard.ledger.entry import SEARCHABLE, terms_of
from callguard.ledger.findings import Finding, Wrong
from callguard.ledger.source import Row, Source

#: What an entry that can be searched has somewhere in its text.
_MARKS = tuple(f'"{name}":' for name in SEARCHABLE)


def check_index(source: Source) -> Iterator[Finding]:
    """Compare; the details are worked out only if the sums differ.

    The sums add up a keyed hash of every term (Python's own, with a key of this very process), so
    they are equal if and only if the terms are, whatever their order.
    """
    if not source.has_marks:
        return
    written = sum(hash(mark) for row in source.rows() for mark in _terms(row))
    stored = sum(hash(mark) for mark in source.marks())
    if written != stored:
        yield from _differences(source)


def _differences(source: Source) -> Iterator[Finding]:
    stored = set(source.marks())
    for row in source.rows():
        for mark in _terms(row):
            if mark in stored:
                stored.remove(mark)
            else:
                detail = f"a search for {mark[1]} does not find it"
                yield Finding(wrong=Wrong.INDEX, position=row.position, detail=detail)
    for _, field, position in sorted(stored, key=lambda mark: mark[2]):
        detail = f"a search for {field} finds it although it does not say so"
        yield Finding(wrong=Wrong.INDEX, position=position, detail=detail)


def _terms(row: Row) -> Iterator[tuple[str, str, int]]:
    if not any(mark in row.text for mark in _MARKS):
        return
    for name, value in terms_of(json.loads(row.text)["body"].items()):
        yield value, name, row.position
