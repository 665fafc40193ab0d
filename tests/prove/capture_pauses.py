"""Pauses by hot key, measured frame by frame: alone, and while others are recorded."""

import asyncio
import os
import random
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from tests.capturing import Found, house, talk
from tests.crowds import HOUSE, crowd
from tests.prove.figures import at_least, at_most, exactly, figure

PAUSES = int(os.environ.get("CALLGUARD_PAUSES", "200"))
CROWD = int(os.environ.get("CALLGUARD_CROWD", "60"))  #: other recorded calls, during half of the pauses
TALKERS = 5  #: calls that are measured at once
EACH = 10  #: pauses of one call
#: Speech before, in and after a pause, in seconds; at random, so that keys fall anywhere in a frame.
TALK, SILENT = (2.0, 3.0), (1.0, 3.0)


@dataclass
class Measured:
    """What all measured calls told."""

    found: list[Found] = field(default_factory=list)
    wrong: Counter = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def want(self, truth, what, detail=""):
        """Note a problem unless ``truth``."""
        if not truth:
            self.wrong[what] += 1
            self.problems.append(f"{what}: {detail}")


async def figures(tell):
    """Half of the pauses alone, half of them in a crowd."""
    random.seed(1)
    async with house(tell=tell, **HOUSE) as at:
        quiet = await measure(at, PAUSES // 2, tell)
        async with crowd(at, CROWD, tell):
            busy = await measure(at, PAUSES - PAUSES // 2, tell)
    for problem in quiet.problems + busy.problems:
        tell(f"[red]{problem}[/red]")
    return report(quiet, "alone") + report(busy, f"with {CROWD} other recorded calls") + together(quiet, busy)


async def measure(house, pauses, tell):
    """So many pauses, several calls at once."""
    measured = Measured()
    left = pauses
    while left > 0:
        shares = [min(EACH, max(0, left - EACH * place)) for place in range(TALKERS)]
        tell(f"{sum(shares)} pauses on {sum(map(bool, shares))} calls, {pauses - left} of {pauses} done")
        await asyncio.gather(*(one(house, share, measured) for share in shares if share))
        left -= sum(shares)
    return measured


async def one(house, pauses, measured):
    """One call, and what is in its recording."""
    async with talk(house) as call:
        done = 0
        for _ in range(pauses):
            await asyncio.sleep(random.uniform(*TALK))
            try:
                await call.pause()
                await asyncio.sleep(random.uniform(*SILENT))
                await call.resume()
            except TimeoutError:
                break
            done += 1
        await asyncio.sleep(random.uniform(*TALK))
        said = [entry["body"]["reason"] for entry in call.told("capture.stopped")]
        measured.want(done == pauses and not said, "pauses that ended the recording", f"{call.call}: {said}")
        recorded = await call.over()
    presses, resumes = call.presses("*4")[:done], call.presses("*6")[:done]
    found = [recorded.pause(*press, resume[1]) for press, resume in zip(presses, resumes, strict=True)]
    measured.found += found
    for each in found:
        whole = each.silences == 1 and each.late is not None and each.early is not None
        measured.want(whole, "pauses that are not one stretch of zeros", f"{call.call}: {each}")
    proven = [entry["body"] for entry in call.told("capture.verified")]
    measured.want(len(proven) == done, "pauses that were not proven", f"{call.call}: {len(proven)} of {done}")
    for body in proven:
        true = any(each.start <= body["offset"] and body["until"] <= each.end for each in found)
        measured.want(true, "proofs that are not true", f"{call.call}: {body['offset']} to {body['until']}")
    measured.want(not recorded.sounding_keys(), "recordings with the sound of a key", call.call)
    measured.want(recorded.crosstalk() == 0, "recordings with crosstalk", call.call)
    # The queue looks for a free agent once a second; until then the customer hears music.
    begin = int(recorded.agent.read.starts[0])
    whole = recorded.caller.read.ambiguous() + recorded.agent.read.ambiguous(begin)
    measured.want(whole <= 2 * pauses, "recordings with speech that cannot be read", f"{call.call}: {whole}")
    keys = call.caller.keys or await call.heard_keys()
    measured.want(not keys, "callers who heard a hot key", f"{call.call}: {keys}")


def report(measured, when):
    """The figures of one half."""
    late, after_down, early = (
        np.array([value for each in measured.found if (value := getattr(each, name)) is not None]) * 1000
        for name in ("late", "late_after_down", "early")
    )
    if not len(late):
        return [figure(f"{when}: pauses that can be read", 0, "pauses", "> 0", False)]
    count = len(measured.found)
    return [
        at_least(f"{when}: pauses measured", count, PAUSES // 2, "pauses"),
        figure(f"{when}: last recorded speech after key-up, p50", np.median(late), "ms", "", True),
        at_most(f"{when}: last recorded speech after key-up, p99", np.percentile(late, 99), 20.0, "ms"),
        figure(f"{when}: last recorded speech after key-up, worst", late.max(), "ms", "", True),
        figure(f"{when}: last recorded speech after key-down, p50", np.median(after_down), "ms", "", True),
        figure(
            f"{when}: last recorded speech after key-down, p99", np.percentile(after_down, 99), "ms", "", True
        ),
        at_least(f"{when}: first recorded speech after the resume key-up, soonest", early.min(), 0.0, "ms"),
    ]


WRONG = (
    "pauses that ended the recording",
    "pauses that are not one stretch of zeros",
    "pauses that were not proven",
    "proofs that are not true",
    "recordings with the sound of a key",
    "recordings with crosstalk",
    "recordings with speech that cannot be read",
    "callers who heard a hot key",
)


def together(*halves):
    """What must not happen at all."""
    silent = sum(
        each.silences != 1 or each.late is None or each.late > 0.1 for half in halves for each in half.found
    )
    wrong = sum((half.wrong for half in halves), Counter())
    return [
        exactly("pauses that were confirmed and were none (silent failures)", silent, 0, "pauses"),
        *(exactly(what, wrong[what], 0) for what in WRONG),
    ]
