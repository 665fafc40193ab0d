"""Two controllers beside one PBX, a crowd that calls, some callers who are looked at, and what goes wrong."""

import asyncio
import os
import random
import shutil
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np

from callguard.errors import LabError
from callguard.lab.counting import AGENT, CALLER
from callguard.lab.wire import Wire
from tests.bench.calling import call as crowd_calls
from tests.capturing import Side, moment
from tests.pooling import pool_house
from tests.prove.call import longest_silence
from tests.prove.figures import at_least, at_most, exactly

RATE = int(os.environ.get("CALLGUARD_CROWD_RATE", "20"))  #: calls per second
CHECKED = 4  #: callers at any time of whom every frame is looked at
TALK = (6.0, 18.0)  #: seconds that these talk
CROWD_TALK = 6  #: seconds that everybody else is recorded
SILENCE_SECONDS = 10.0  #: the longest anybody may hear nothing
#: Speech this near to the start of the recorder or to the end of the call is not looked at: it is on its way.
EDGE = 0.1
#: A crowd call's recording may be shorter than its talk by what Asterisk's timers do on a busy machine.
SHORT = 0.5

CALLERS = (f"+1512774{number:04d}" for number in count())
NUMBERS = f"""
[lab-numbers]
exten => 100,1,Answer()
 same => n,Gosub(callguard,consent,1(sales))
 same => n,Queue(${{CALLGUARD_QUEUE}})
 same => n,Hangup()
exten => 102,1,Answer()
 same => n,Gosub(callguard,consent,1(asked,sales-unrecorded))
 same => n,Queue(${{CALLGUARD_QUEUE}})
 same => n,Hangup()
exten => 200,1,Answer()
 same => n,Gosub(callguard,consent,1(crowd,sales-unrecorded))
 same => n,MusicOnHold(default,{CROWD_TALK})
 same => n,Hangup()
"""
#: Somebody else at the manager interface, and what he says to get in.
SOMEBODY = "somebody"
CONF = {
    "manager.conf": f"""
[{SOMEBODY}]
secret = {SOMEBODY}
read = user
write = user
"""
}
NOTICE = {"purposes": ["tests"], "minimum_form": "notice"}
SETTINGS = {
    "site": {"name": "Us", "country": "US", "jurisdiction": "US-TX"},
    "queues": {
        "sales": NOTICE,
        "crowd": NOTICE | {"recorded": "sales", "unrecorded": "sales-unrecorded"},
        "asked": {
            "purposes": ["tests"],
            "minimum_form": "explicit",
            "recorded": "sales",
            "unrecorded": "sales-unrecorded",
        },
    },
    "dialogue": {"thank": "no"},
    "prompts": {
        "texts": {"en": {"announcement": "We record {purposes} {controller}"}},
        "purposes": {"tests": {"en": "tests", "fr": "tests"}},
    },
    "vault": {"look_back_seconds": "3", "block_seconds": "1"},
    "pause": {"drop_last_seconds": "2"},
    "log": {"level": "info"},
}
#: Outcomes with which a caller is recorded.
RECORDED = {"granted", "notified", "implied"}
#: Led on unrecorded by the dialplan, or by another controller.
RESCUED = "rescued"


@dataclass
class Told:
    """What all of it told."""

    faults: list[tuple[float, str]] = field(default_factory=list)  #: wall clock, and what it was
    crowd: int = 0  #: calls of the crowd
    dropped: int = 0  #: that did not end as they were to, or took too long
    outcomes: Counter = field(default_factory=Counter)
    kept_short: list[float] = field(default_factory=list)  #: seconds that recordings of the crowd lack
    unsealed: list[str] = field(default_factory=list)
    checked: Counter = field(default_factory=Counter)
    missing: list[float] = field(default_factory=list)  #: consented seconds that are not in the vault
    frames: int = 0  #: of 20 ms, that were to be there
    single: int = 0  #: of these, such as are missing alone: a busy Asterisk drops one, whoever steers it
    early: list[float] = field(default_factory=list)  #: seconds from before the consent that are
    refused: int = 0  #: calls of which anything was kept although the caller said no
    silences: list[float] = field(default_factory=list)
    late: list[str] = field(default_factory=list)  #: recordings that a fault kept from beginning at once
    problems: list[str] = field(default_factory=list)

    def near(self, begin, end):
        """Which faults were a few seconds before, and how long before that stretch (wall clock)."""
        found = [
            f"{begin - at:+.2f} to {end - at:+.2f} s after {what}"
            for at, what in self.faults
            if -2 < end - at < 15
        ]
        return ", ".join(found)

    def figures(self, calls, faults):
        """What it showed, of so many calls, and so many things that went wrong."""
        return [
            at_least("faults", len(self.faults), faults, "faults"),
            at_least("calls", self.crowd + sum(self.checked.values()), calls, "calls"),
            exactly("calls dropped, or led on too late", self.dropped, 0, "calls"),
            at_most(
                "longest silence anybody who was looked at heard", top(self.silences), SILENCE_SECONDS, "s"
            ),
            at_most("consented speech that is not in the vault, worst call", top(self.missing), 0.0, "s"),
            at_most("single frames that are missing, of all", self.single / max(self.frames, 1), 0.0005, ""),
            at_most("speech from before the consent, worst recording", top(self.early), 0.0, "s"),
            exactly("refused calls of which anything was kept", self.refused, 0, "calls"),
            at_most("what a recording of the crowd lacks, worst", top(self.kept_short), SHORT, "s"),
            exactly("recordings that are not sealed to their end", len(self.unsealed), 0),
            exactly("things that went wrong, and the ledger verifies", len(self.problems), 0),
        ]


async def under_faults(tell, name, *, seconds, disturb, faults, rate=RATE, checked=CHECKED):
    """A crowd that calls, some callers who are looked at, and what goes wrong meanwhile.

    Args:
        tell: told what happens.
        name: what the figures begin with.
        seconds: how long.
        disturb: does what goes wrong; given the house, what is told, when to end (monotonic), and ``tell``.
        faults: how many there have to be.
        rate: calls per second.
        checked: how many callers at any time are looked at frame by frame.
    """
    random.seed(6)
    told = Told()
    async with pool_house(SETTINGS, lease=5.0, lines=True, numbers=NUMBERS, conf=CONF) as house:
        until = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            group.create_task(crowd(house, told, rate, seconds))
            for place in range(checked):
                group.create_task(callers(house, told, until, refusing=place == 0))
            group.create_task(disturb(house, told, until, tell))
        tell(f"calls are over: {dict(told.checked)}; what was recorded is looked at")
        await settled(house, told)
        await the_crowd_is_kept(house, told)
        status, said = await house.site.command("ledger", "verify", check=False)
        if status:
            told.problems.append(f"ledger verify: {said[-500:]}")
        for each, site in house.sites.items():
            said = site.log.read_text(errors="replace")
            if "Traceback" in said:
                told.problems.append(f"{each}: {said[said.index('Traceback') - 300 :][:3000]}")
        found = told.figures(rate * seconds, faults)
        if not all(each["ok"] for each in found):
            tell(f"logs and ledger are kept in {keep(house, name)}")
    for problem in told.problems[:40]:
        tell(f"[red]{problem}[/red]")
    for each in told.late:
        tell(f"destroyed by a fault: {each}")
    tell(f"outcomes of the crowd: {dict(told.outcomes)}")
    if told.unsealed:
        tell(f"[red]not sealed: {told.unsealed[:5]}[/red]")
    return [each | {"name": f"{name}: {each['name']}"} for each in found]


def keep(house, name):
    """What is needed to find out what went wrong."""
    place = Path("build/prove") / f"{name}-kept"
    place.mkdir(parents=True, exist_ok=True)
    for each, site in house.sites.items():
        for path in (site.log, site.directory / "ledger.db"):
            if path.exists():
                shutil.copy(path, place / f"{each}-{path.name}")
    return place


def top(values):
    return float(max(values, default=0.0))


async def crowd(house, told, rate, seconds):
    """Callers who hear the announcement, are recorded, and are hung up on."""
    calls = rate * seconds
    # The announcement, the talk, and no more silence than anybody may hear: then they count as lost.
    patience = round(3 + CROWD_TALK + SILENCE_SECONDS)
    tally, _ = await crowd_calls(
        sip=house.lab.pbx.ports.sip, number="200", rate=rate, calls=calls, patience=patience
    )
    told.crowd = calls
    told.dropped += calls - tally.good


async def callers(house, told, until, *, refusing):
    """One caller after the other, of whom every frame is looked at."""
    while time.monotonic() < until:
        caller = next(CALLERS)
        try:
            await (refused(house, told, caller) if refusing else consenting(house, told, caller))
        except (LabError, TimeoutError) as error:
            told.problems.append(f"{caller}: {type(error).__name__}: {error}")


async def answered(house, caller):
    """Who of the agents got the call: (name, phone)."""
    tasks = {
        asyncio.create_task(house.lab.world.agent(name).next_call(30, number=caller)): name
        for name in ("sales-agent", "open-agent")
    }
    done, late = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    return tasks[next(iter(done))], next(iter(done)).result()


async def consenting(house, told, caller):
    """Talks, counting, and stays on the line whatever happens to the controllers."""
    world = house.lab.world
    world.agent("sales-agent").says = AGENT
    phone = await world.call("100", caller_id=caller)
    try:
        await phone.answered()
        await phone.speak(CALLER)
        async with Wire(phone) as callers:
            who, agent = await answered(house, caller)
            async with Wire(agent) as agents:
                await asyncio.sleep(random.uniform(*TALK))
                if not phone.is_up:
                    told.dropped += 1
                    told.problems.append(f"{caller}: dropped")
                    return
                await phone.hang_up()
                await agent.ended()
            told.silences.append(longest_silence(*await phone.heard()))
            told.checked["recorded" if who == "sales-agent" else "led on unrecorded"] += 1
            if who == "sales-agent":
                await judge(house, told, caller, callers, agents)
    finally:
        if phone.is_up:
            await phone.hang_up()


async def judge(house, told, caller, callers, agents):
    """Everything that was said while it was recorded is in the vault, and nothing from before."""
    call = house.site.call_of(caller)
    consent = await house.site.until_entry("consent", call)
    samples = await house.site.recording(call, timeout=60)
    ended = callers.packets[-1].at
    # Elsewhere: between the controllers and Asterisk are lines of ours, which would stall meanwhile.
    sides = await asyncio.to_thread(sides_of, samples, callers, agents)
    for name, side in sides.items():
        sent, read = side.sent, side.read.numbers
        # The recorder starts when the verdict has reached the dialplan; both talk all the time from there on.
        first = side.times[np.isfinite(side.times)][:1]
        begin = first[0] if len(first) else moment(consent) + 1.0
        if begin > moment(consent) + 1.0 and name == "caller":
            late = f"{call}: recorded only {begin - moment(consent):.2f} s after the consent"
            # Asterisk cannot be told to begin while nothing arrives there: that such a fault destroys.
            at_fault = told.near(moment(consent), begin)
            (told.late if at_fault else told.problems).append(f"{late}, {at_fault or 'no fault near'}")
        wanted = (sent.times > begin + EDGE) & (sent.times < ended - EDGE)
        lost = sent.numbers[wanted & ~np.isin(sent.numbers, read)]
        alone = np.array([number - 1 not in lost and number + 1 not in lost for number in lost], bool)
        told.frames += int(wanted.sum())
        told.single += int(alone.sum())
        lost = lost[~alone]
        told.missing.append(0.02 * len(lost))
        if len(lost):
            when = sent.times[np.isin(sent.numbers, lost)]
            missing = f"{len(lost)} of {int(wanted.sum())} frames missing"
            told.problems.append(
                f"{call}: {name}: {missing}, {told.near(when[0], when[-1]) or 'no fault near'}"
            )
        before = side.times[side.times < moment(consent) - EDGE]
        told.early.append(float(0.02 * np.isfinite(before).sum()))


def sides_of(samples, callers, agents):
    """What either party said, and what of it stands in the recording."""
    return {
        "caller": Side(CALLER.read(samples[0]), callers.speech(CALLER)),
        "agent": Side(AGENT.read(samples[1]), agents.speech(AGENT)),
    }


async def refused(house, told, caller):
    """Says no, or is led on by somebody else than was asking; nothing of what is said is kept."""
    phone = await house.lab.world.call("102", caller_id=caller)
    try:
        await phone.answered()
        await phone.speak(440.0)
        pressing = asyncio.create_task(press_no(house, phone, caller))
        try:
            await answered(house, caller)
        finally:
            pressing.cancel()
            await asyncio.gather(pressing, return_exceptions=True)
        await asyncio.sleep(random.uniform(*TALK) / 2)
        if not phone.is_up:
            told.dropped += 1
            told.problems.append(f"{caller}: dropped")
            return
        await phone.hang_up()
        told.silences.append(longest_silence(*await phone.heard()))
        told.checked["not consented"] += 1
        kept = await asyncio.to_thread(house.site.kept)
        told.refused += any(call in kept for call in house.site.calls_of(caller))
    finally:
        if phone.is_up:
            await phone.hang_up()


async def press_no(house, phone, caller):
    """Half of them press it as soon as they are asked; the others say nothing."""
    if random.random() < 0.5:
        return
    while True:
        for site in house.sites.values():
            if not site.is_running:
                continue
            try:
                found = [each for each in await site.calls() if each["caller"] == caller and each["asked"]]
            except Exception:  # noqa: BLE001 - it was killed while it was asked
                continue
            if found:
                await phone.press("2")
                return
        await asyncio.sleep(0.2)


async def settled(house, told, timeout=60.0):
    """Wait until everything is sealed and the spool is empty."""
    try:
        async with asyncio.timeout(timeout):
            while any(house.site.spool.glob("*.sln")):
                await asyncio.sleep(0.2)
    except TimeoutError:
        told.unsealed += [path.name for path in house.site.spool.glob("*.sln")]


async def the_crowd_is_kept(house, told):
    """Of every call of the crowd that was led to its recorder, all of the talk is in the vault."""
    calls, sealed, begun = {}, Counter(), set()
    for each in await asyncio.to_thread(house.site.entries):
        body = each["body"]
        if each["kind"] == "call.arrived" and body["queue"] == "crowd":
            calls[each["call"]] = ""
        elif each["kind"] == "routed" and each["call"] in calls:
            calls[each["call"]] = body["outcome"]
        elif each["kind"] == "rescued" and each["call"] in calls:
            calls[each["call"]] = RESCUED  # the order to hand it on never reached Asterisk
        elif each["kind"] == "capture.started" or body.get("captured_ms"):
            begun.add(each["call"])
        elif each["kind"] == "capture.stopped" and body.get("sha256") and each["call"] in calls:
            sealed[each["call"]] += body["offset"] / body["rate"]
    told.outcomes.update(calls.values())
    told.unsealed += await asyncio.to_thread(house.site.opened().unfinished)
    for call, outcome in calls.items():
        if outcome not in RECORDED:
            continue
        if call not in sealed:
            # Where nobody lived to hand a caller on, Asterisk did, and recorded nothing.
            told.unsealed += [call] if call in begun else []
            continue
        told.kept_short.append(max(0.0, CROWD_TALK - sealed[call]))
        if CROWD_TALK - sealed[call] > SHORT:
            told.problems.append(f"{call}: {sealed[call]:.2f} s of {CROWD_TALK} s")
