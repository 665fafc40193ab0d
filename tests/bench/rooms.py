"""The rooms by themselves: figures beside something else in the same run."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from callguard.law import load_table
from tests.bench import ledger, speech
from tests.bench.seal import seal_throughput
from tests.prove import law
from tests.prove.figures import figure

#: Entries written and verified; a quick run takes a twentieth.
ENTRIES = 1_000_000


def room_figures(part: str, *, quick: bool) -> list[dict[str, Any]]:
    """The figures of one room."""
    match part:
        case "law":
            return list(law.cost(load_table(), _quiet))
        case "seal":
            found = seal_throughput(*((60, 1) if quick else (300, 3)))
            return [
                figure("raw AES-256-GCM", found.aes, "x real time per core", "-", True),
                figure("raw FLAC", found.flac, "x real time per core", "-", True),
                figure("sealing: FLAC, AES-256-GCM, fsync", found.seal, "x real time per core", "-", True),
                figure("that is, to raw FLAC", found.seal / found.flac, "x", "-", True),
            ]
        case "speech":
            return asyncio.run(speech.figures(quick=quick))
    Path("build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="callguard-bench-", dir="build") as directory:
        entries = ENTRIES // 20 if quick else ENTRIES
        return asyncio.run(ledger.figures(Path(directory).absolute(), _quiet, entries))


def _quiet(_: str) -> None:
    """Tell nobody."""
