"""The controller is killed at random moments of recorded, paused and refused calls, and started again."""

import asyncio
import os
import random
import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from callguard.errors import LabError
from tests.capturing import CALLERS, SETTINGS, house, moment, talk
from tests.prove.figures import at_least, at_most, exactly
from tests.sealed import STRETCH, stretch

KILLS = int(os.environ.get("CALLGUARD_KILLS", "50"))
CALLS = 3  #: recorded calls at each kill, each with a pause of its own; one more is refused
HOUSES = 2  #: laboratories side by side
#: When the pause begins, how long it lasts, when the controller is killed, how long it is gone: seconds.
BEGIN, LENGTH, KILL, GONE = (1.5, 6.0), (1.0, 4.0), (0.3, 10.0), (0.2, 2.0)
#: How long calls go on afterwards, in seconds.
AFTER = 3.0
#: Speech this near to a key, a kill or an end is not looked at: a frame, and what Asterisk holds back.
EDGE = 0.1
#: From a resume key to the first sample that has to be there: the guard, and what its order takes.
RESUMED = 1.0
#: What may be recorded after a pause key that found no controller: the dialplan waits half a second for one.
UNHEARD = 0.6

QUEUES = {"sales": "sales-agent", "sales-unrecorded": "open-agent"}
NUMBERS = """
[lab-numbers]
exten => 100,1,Answer()
 same => n,Gosub(callguard,consent,1(sales))
 same => n,Queue(${CALLGUARD_QUEUE})
 same => n,Hangup()
exten => 102,1,Answer()
 same => n,Gosub(callguard,consent,1(asked,sales-unrecorded))
 same => n,Queue(${CALLGUARD_QUEUE})
 same => n,Hangup()
"""
ASKED = {
    "purposes": ["tests"],
    "minimum_form": "explicit",
    "recorded": "sales",
    "unrecorded": "sales-unrecorded",
}
SITE = SETTINGS | {"queues": SETTINGS["queues"] | {"asked": ASKED}}


@dataclass
class Told:
    """What all rounds told."""

    kills: int = 0
    calls: int = 0
    phases: Counter = field(default_factory=Counter)  #: in what state calls were when the controller died
    said: int = 0  #: consented frames
    missing: int = 0  #: of these, those that are not in the vault
    gaps: list[float] = field(default_factory=list)  #: the longest stretch of them in each call, in seconds
    leaked: list[float] = field(default_factory=list)  #: seconds after a pause key that are
    unheard: list[float] = field(default_factory=list)  #: the same, of keys that found no controller
    doubled: int = 0
    refused: int = 0
    problems: list[str] = field(default_factory=list)


async def figures(tell):
    """Some kills in each of several laboratories."""
    random.seed(4)
    told = Told()
    shares = [KILLS // HOUSES + (place < KILLS % HOUSES) for place in range(HOUSES)]
    await asyncio.gather(*(rounds(share, told, tell) for share in shares if share))
    for problem in told.problems:
        tell(f"[red]{problem}[/red]")
    tell(f"calls at the kill: {dict(told.phases)}")
    return [
        exactly("kills", told.kills, KILLS),
        exactly("recorded calls", told.calls, KILLS * CALLS, "calls"),
        exactly("rounds that went wrong", len(told.problems), 0),
        at_least("consented speech", told.said * 0.02, 1.0, "s"),
        at_most("longest stretch of it that is not in the vault", worst(told.gaps), STRETCH, "s"),
        at_most("share of it that is not in the vault", told.missing / max(1, told.said), 0.001, "of 1"),
        at_most("paused speech that is in the vault, worst call", worst(told.leaked), 0.02, "s"),
        at_most(
            "paused while no controller ran: speech after key-up, worst", worst(told.unheard), UNHEARD, "s"
        ),
        exactly("frames that are in a recording twice", told.doubled, 0),
        exactly("refused calls of which anything was kept", told.refused, 0),
    ]


def worst(values):
    return float(max(values, default=0.0))


async def rounds(share, told, tell):
    async with house(settings=SITE, numbers=NUMBERS, queues=QUEUES) as at:
        for _ in range(share):
            try:
                await one_kill(at, told)
            except* (LabError, TimeoutError) as errors:
                told.problems += [f"{type(error).__name__}: {error}" for error in errors.exceptions]
            await at.lab.world.settle()
            tell(f"killed {told.kills} times")


async def one_kill(at, told):
    """Some calls, one kill, and everything that came of it."""
    gone, back = asyncio.Event(), asyncio.Event()  #: the controller was killed; and is there again
    ready = [asyncio.Event() for _ in range(CALLS + 1)]
    work = [refused(at, ready[0], back), *(recorded_call(at, each, gone, back) for each in ready[1:])]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in work]
        async with asyncio.timeout(60):
            await asyncio.gather(*(each.wait() for each in ready))
        await asyncio.sleep(random.uniform(*KILL))
        await at.site.kill()
        killed = time.time()
        gone.set()
        await asyncio.sleep(random.uniform(*GONE))
        await at.site.start()
        started = time.time()
        back.set()
    who, *calls = [task.result() for task in tasks]
    told.kills += 1
    told.refused += at.site.call_of(who) in at.site.kept()
    for call, recorded, ended in calls:
        judge(told, call, recorded, killed, started, ended)


async def refused(at, ready, back):
    """A caller who says no, and talks."""
    who = next(CALLERS)
    phone = await at.lab.world.call("102", caller_id=who, record=False)
    await phone.answered()
    await phone.speak(440.0)
    await at.site.until(who, "asking", "listening", asked=1)
    await phone.press("2")
    await at.lab.world.agent("open-agent").next_call(40, number=who)
    ready.set()
    await back.wait()
    await asyncio.sleep(AFTER)
    await phone.hang_up()
    return who


async def recorded_call(at, ready, gone, back):
    """A call with a pause in it; the agent looks at the lamp and presses again where it went unheard."""
    async with talk(at) as call:
        await asyncio.sleep(0.5)
        ready.set()
        await asyncio.sleep(random.uniform(*BEGIN))
        await call.agent.press("*4")
        await asyncio.sleep(random.uniform(*LENGTH))
        await call.agent.press("*6")
        await asyncio.sleep(1.5)
        await gone.wait()
        await back.wait()
        await asyncio.sleep(1.0)
        if await capture_of(at, call.call) == "paused":
            await call.agent.press("*6")
        await asyncio.sleep(AFTER)
        recorded = await call.over()
        return call, recorded, call.callers.packets[-1].at


async def capture_of(at, call):
    """What the controller says of a recording."""
    return next((each["capture"] for each in await at.site.calls() if each["call"] == call), "")


def judge(told, call, recorded, killed, started, ended):
    """Compare what was said with what is in the vault."""
    told.calls += 1
    ((_, paused),) = call.presses("*4")
    resumes = [up for _, up in call.presses("*6")]
    # The controller hears keys a moment before it says that it runs.
    heard = call.told("capture.confirmed") or call.told("capture.resumed")
    unheard = killed - EDGE < paused < started and not heard
    told.phases["before" if killed < paused else "in" if killed < resumes[0] else "after"] += 1
    if unheard:
        told.phases["pressed while it was gone"] += 1
    # Of two resume keys the first went unheard.
    spans = [(0.0, paused - EDGE)]
    if not unheard:
        spans.append((resumes[-1] + RESUMED, ended - EDGE))
    late = 0.0
    for name in ("caller", "agent"):
        side = getattr(recorded, name)
        sent, read = side.sent, side.read.numbers
        wanted = np.zeros(len(sent.numbers), bool)
        for begin, end in spans:
            wanted |= (sent.times > begin) & (sent.times < end)
        lost = sent.numbers[wanted & ~np.isin(sent.numbers, read)]
        told.said += np.count_nonzero(wanted)
        told.missing += len(lost)
        told.gaps.append(stretch(lost))
        if told.gaps[-1] > STRETCH:
            when = sent.times[np.isin(sent.numbers, lost)] - killed
            keys = ", ".join(f"{up - killed:+.2f}" for up in (paused, *resumes))
            told.problems.append(
                f"{call.call}: {name}: {len(lost)} frames are missing, said {when[0]:+.2f} to {when[-1]:+.2f}"
                f" s after the kill; keys at {keys}, started {started - killed:+.2f}, ended "
                f"{ended - killed:+.2f}: " + "; ".join(story(call, killed))
            )
        told.doubled += len(read) - len(np.unique(read))
        until = ended if unheard else resumes[0]
        said = side.times[(side.times > paused) & (side.times < until)]
        late = max(late, max(said, default=paused) - paused)
    (told.unheard if unheard else told.leaked).append(late)


def story(call, killed):
    """What the ledger says of the recording, in seconds after the kill."""
    for entry in call.house.site.entries(call.call):
        if entry["kind"].startswith(("capture", "hold", "fault")):
            body = entry["body"]
            yield (
                f"{moment(entry) - killed:+.2f} {entry['kind']} "
                f"{body.get('offset', '')}-{body.get('until', '')} "
                f"{body.get('reason', '')}{body.get('detail', '')}"
            )
