"""Exports: JSON lines that can be verified like the database itself, and CSV for a spreadsheet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from io import StringIO

from callguard.ledger.entry import Stored
from callguard.ledger.source import Source

#: The columns of a CSV export; ``body`` is the entry's body as JSON.
COLUMNS = ("position", "utc", "call", "kind", "by", "leaf", "body")

#: Cells that begin like this are taken for formulas by spreadsheets; caller names are hostile input.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def json_lines(source: Source) -> Iterator[str]:
    """A whole ledger, line by line without line ends.

    Each line that is an entry is exactly the text whose RFC 9162 leaf hash stands in the tree; the
    kept checkpoints and the signed edge follow. ``callguard ledger verify`` reads the result.
    """
    for row in source.rows():
        yield row.text
    for note in source.notes():
        yield json.dumps({"checkpoint": note}, separators=(",", ":"), ensure_ascii=False)
    edge = source.edge()
    if edge is not None:
        yield json.dumps({"head": edge.note}, separators=(",", ":"), ensure_ascii=False)


def csv_lines(entries: Iterable[Stored]) -> Iterator[str]:
    """Entries as CSV (RFC 4180) with a line of headings, line by line with line ends."""
    buffer = StringIO()
    table = csv.writer(buffer)
    table.writerow(COLUMNS)
    for entry in entries:
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        body = json.dumps(entry.content, ensure_ascii=False, sort_keys=True)
        moment = entry.utc.isoformat(timespec="microseconds")
        cells = (moment, entry.call, entry.kind, entry.by, entry.leaf.hex(), body)
        table.writerow([entry.position, *(_harmless(cell) for cell in cells)])
    yield buffer.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
