"""``python -m tests.speech.fit [PROCESSES]``: fit ``weights.json``, and tell what thresholds cost.

Confidence is shown as each voice sees it that was left out of the fit, so that the thresholds that are chosen
from it are not those of voices that are known. The held-out side is not looked at.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import numpy as np

from callguard.speech.english.weighing import WEIGHTS, candidates, figures
from callguard.speech.thresholds import BARE, HALF, NO, PHRASE

from .corpus import Kind, alike, corpus, drill
from .evidence import Heard, gathered
from .line import NARROW
from .voices import WIDE

#: Kind of answer -> clips that are rightly taken for it; the first is what it is there for.
RIGHT = {
    PHRASE: (Kind.PHRASE, Kind.BARE),
    HALF: (Kind.PHRASE, Kind.BARE),
    BARE: (Kind.BARE, Kind.PHRASE),
    NO: (Kind.NO,),
}
#: One clip wrongly accepted weighs as much as so many that are wrongly asked again.
FALSE_WEIGHS = 4.0
RIDGE = 5.0
#: dB of speech over noise, samples per second, and that every so manieth clip is used (prime to the number
#: of voices).
LINES = ((None, NARROW, 1), (20.0, NARROW, 3), (None, WIDE, 2))
#: The same for words that sound alike: as many in noise as it takes to see what noise does to them.
LINES_OF_ALIKE = ((None, NARROW, 1), (20.0, NARROW, 2))
#: Not weighed by: over a telephone it is "yep", and a fit that has to tell them apart gives up both.
SAME = "yet"
SHOWN = (0.99, 0.98, 0.97, 0.95, 0.93, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5)


def fitted(given: np.ndarray, right: np.ndarray) -> list[float]:
    """Logistic regression by Newton's method; the ridge keeps it from trusting one figure alone."""
    mean, deviation = given.mean(axis=0), given.std(axis=0) + 1e-6
    design = np.c_[(given - mean) / deviation, np.ones(len(given))]
    weigh, ridge = np.where(right, 1.0, FALSE_WEIGHS), np.r_[np.full(given.shape[1], RIDGE), 0.0]
    weights = np.zeros(design.shape[1])
    for _ in range(60):
        chance = 1 / (1 + np.exp(-np.clip(design @ weights, -40, 40)))
        slope = design.T @ (weigh * (chance - right)) + ridge * weights
        bend = (design * (weigh * chance * (1 - chance))[:, None]).T @ design + np.diag(ridge + 1e-9)
        weights -= np.linalg.solve(bend, slope)
    plain = weights[:-1] / deviation
    return [*map(float, plain), float(weights[-1] - plain @ mean)]


def weighed(processes: int) -> list[Heard]:
    """The whole weighing side, listened to."""
    plain = corpus(held_out=False)
    sides = ((plain, LINES), (drill(), LINES), (alike(), LINES_OF_ALIKE))
    return [
        each
        for clips, lines in sides
        for level, rate, share in lines
        for each in gathered(
            clips[::share], snr=level, rate=rate, crowd=plain, processes=processes, tell=print
        )
        if each.clip.words != SAME
    ]


def main(processes: int) -> None:
    heard = weighed(processes)
    kept = {}
    for kind, good in RIGHT.items():
        chosen = [each for each in heard if each.evidence and kind in candidates(each.evidence)]
        given = np.array([figures(kind, each.evidence) for each in chosen if each.evidence])
        right = np.array([each.clip.kind in good for each in chosen])
        kept[kind] = fitted(given, right)
        confidence = np.zeros(len(chosen))
        speakers = np.array([each.clip.speaker for each in chosen])
        for speaker in set(speakers):
            out = speakers == speaker
            weights = fitted(given[~out], right[~out])
            confidence[out] = 1 / (1 + np.exp(-(given[out] @ weights[:-1] + weights[-1])))
        show(kind, chosen, confidence, right, [each for each in heard if each.clip.kind is good[0]])
    WEIGHTS.write_text(
        json.dumps({kind: [round(w, 4) for w in weights] for kind, weights in kept.items()}, indent=1) + "\n"
    )


def show(
    kind: str, chosen: Sequence[Heard], confidence: np.ndarray, right: np.ndarray, all_good: Sequence[Heard]
) -> None:
    out = sys.stdout.write
    out(f"{kind}: {len(chosen)} candidates, {int(right.sum())} right, of {len(all_good)}\n")
    meant = np.array([each.clip.kind is all_good[0].clip.kind for each in chosen])
    for threshold in SHOWN:
        over = confidence >= threshold
        out(f"  {threshold:.2f}: {int((over & meant).sum()) / len(all_good):6.1%} found, ")
        out(f"{int((over & ~right).sum())} wrong\n")
    for at in np.argsort(-confidence):
        if not right[at] and confidence[at] > 0.3:
            clip, evidence = chosen[at].clip, chosen[at].evidence
            assert evidence
            out(f"    {confidence[at]:.3f} {clip.kind}: {clip.words!r} by {clip.speaker}, heard as ")
            told = [
                (evidence.no if kind == NO else evidence.yes).words,
                *(view.text for view in evidence.views),
            ]
            out(f"{told}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
