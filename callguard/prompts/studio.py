"""Recordings by a human voice that replace the synthesiser, prompt by prompt.

`studio/<language>/<name>.wav` (any rate and format that libsndfile reads) with the words it says beside it in
`<name>.txt`. Where one prompt exists in several variants, `<name>.<anything>.wav` and `.txt` hold the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from callguard.errors import PromptError
from callguard.prompts.measure import measure, source_findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """A studio recording that says exactly the words of a prompt."""

    path: Path
    sha256: str  #: of the recording as delivered


def find_take(directory: Path, name: str, language: str, text: str) -> Take | None:
    """The recording of exactly these words, or None when the studio has none.

    Raises:
        PromptError: a recording stands without its words, or the one that fits cannot be used.
    """
    home = directory / "studio" / language
    if not home.is_dir():
        return None
    recordings = (p for p in home.iterdir() if p.suffix != ".txt" and p.name.partition(".")[0] == name)
    for path in sorted(recordings):
        words = path.with_suffix(".txt")
        if not words.is_file():
            raise PromptError(
                f"{path}: nothing tells what it says; write its words into {words.name}: {text}"
            )
        if _same(words.read_text(encoding="utf-8", errors="replace"), text):
            return _accepted(path, text)
    return None


def _accepted(path: Path, text: str) -> Take:
    try:
        found = measure(path)
        take = Take(path=path, sha256=sha256(path.read_bytes()).hexdigest())
    except (OSError, ValueError) as error:
        raise PromptError(f"{path}: {error}; export it again as WAV, 16 bit, 48000 Hz") from error
    if problems := source_findings(found, str(path), text):
        raise PromptError("\n".join(str(problem) for problem in problems))
    return take


def _same(written: str, wanted: str) -> bool:
    return " ".join(written.split()) == " ".join(wanted.split())
