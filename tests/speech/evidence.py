"""What the recogniser's ears say of clips of the corpus; slow, so it is spread over processes and kept."""

from __future__ import annotations

import ast
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import callguard.speech
from callguard.lab.audio import Samples
from callguard.speech.ears import AROUND, Limits
from callguard.speech.endpoint import LEAST, Endpointer, detector
from callguard.speech.english.evidence import Again, Evidence, Fit, View
from callguard.speech.english.listening import Ears
from callguard.speech.english.weighing import weigh
from callguard.speech.thresholds import Thresholds, judged
from callguard.speech.verdict import Meaning

from .corpus import Clip, audio, crowd_of
from .line import NARROW
from .voices import cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One clip, listened to. Without evidence there was nothing to judge: no speech, or too much of it."""

    clip: Clip
    evidence: Evidence | None

    def meaning(self, thresholds: Thresholds) -> Meaning:
        """What a site with these thresholds would take it for."""
        return judge(self.evidence, thresholds)


def judge(evidence: Evidence | None, thresholds: Thresholds) -> Meaning:
    """What evidence amounts to with these thresholds."""
    if evidence is None:
        return Meaning.UNCLEAR
    found = asdict(weigh(evidence))
    return judged(**found, thresholds=thresholds, engine="pocketsphinx", language="en").meaning


def hear(ears: Ears, pcm: bytes, rate: int = NARROW) -> Evidence | None:
    """What `callguard.speech.ears` would have made of it, without the clock."""
    limits = Limits()
    ends = Endpointer(detector(rate), limits.pause)
    ends.feed(pcm)
    if ends.began is None or ends.ended is None or ends.spoken < LEAST or not ends.over:
        return None
    if ends.ended - ends.began > limits.longest:
        return None
    first, last = max(0.0, ends.began - AROUND), ends.ended + AROUND
    return ears.listen(pcm[round(first * rate) * 2 : round(last * rate) * 2], rate)


_ears: Ears
_crowd: list[Samples]


def _prepare(clips: Sequence[Clip]) -> None:
    global _ears, _crowd
    _ears, _crowd = Ears(), crowd_of(clips)


def _hear(task: tuple[Clip, float | None, int]) -> dict[str, Any] | None:
    clip, snr, rate = task
    found = hear(_ears, audio(clip, snr=snr, rate=rate, crowd=_crowd), rate)
    return asdict(found) if found else None


def gathered(
    clips: Sequence[Clip],
    *,
    snr: float | None = None,
    rate: int = NARROW,
    processes: int = 2,
    crowd: Sequence[Clip] = (),
    tell: Callable[[str], Any] = lambda _: None,
) -> list[Heard]:
    """Every clip, listened to; kept beside the voices until engine or clips change."""
    path = _kept_at(clips, snr, rate)
    if not path.exists():
        # As for the product's workers: two processes with threads of their own would wait for each other.
        os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        tell(f"Listening to {len(clips)} clips{'' if snr is None else f' at {snr:g} dB'}")
        with ProcessPoolExecutor(
            processes, mp_context=get_context("spawn"), initializer=_prepare, initargs=(crowd or clips,)
        ) as pool:
            found = list(pool.map(_hear, [(clip, snr, rate) for clip in clips], chunksize=10))
        path.write_text(json.dumps(found), encoding="utf-8")
    return [
        Heard(clip=clip, evidence=_evidence(each))
        for clip, each in zip(clips, json.loads(path.read_text(encoding="utf-8")), strict=True)
    ]


def _kept_at(clips: Sequence[Clip], snr: float | None, rate: int) -> Path:
    told = json.dumps([[c.number, c.kind, c.words, c.speaker] for c in clips]) + f"{snr}|{rate}" + _engine()
    return cache() / f"evidence-{hashlib.sha256(told.encode()).hexdigest()[:24]}.json"


def _evidence(kept: dict[str, Any] | None) -> Evidence | None:
    if kept is None:
        return None
    again = Again(**kept["again"] | {name: Fit(**kept["again"][name]) for name in ("yes", "rival")})
    fits = {name: Fit(**kept[name]) for name in ("yes", "no", "rival")}
    return Evidence(**kept | fits | {"again": again, "views": tuple(View(**each) for each in kept["views"])})


def _engine() -> str:
    """Everything that evidence depends on, as one hash; how it is weighed is left out."""
    home = Path(callguard.speech.__file__).parent
    names = ["endpoint.py", "english/listening.py", "english/language.py", "english/phrases.py"]
    names += ["english/evidence.py", "english/telephone.py", "english/telephone.npz", "english/folding.py"]
    names += ["english/transcriber.py", "english/answers.py", "english/answers.npz", "english/spelling.py"]
    line = [Path(__file__).with_name(name) for name in ("line.py", "noises.py", "voices.py")]
    parts = [_meant(path) for path in (*(home / name for name in names), *line)]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _meant(path: Path) -> bytes:
    """A file without what does not matter: comments, docstrings and layout."""
    if path.suffix != ".py":
        return path.read_bytes()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:]
    return ast.dump(tree).encode()
