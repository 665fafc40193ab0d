"""A real call, end to end: the evidence that takes minutes."""

import asyncio
import os
import re
import subprocess
import sys
import time
from collections import Counter
from itertools import count

import numpy as np

from callguard.config.dialplan import shipped_dialplan
from callguard.errors import LabError
from callguard.lab import Lab, audio
from callguard.lab.meddler import Meddler, Mischief
from callguard.lab.scenarios import AFTER_HZ, BEFORE_HZ, CONTROLLER_DOWN, SCENARIOS, play
from callguard.lab.site import Site
from tests.live.test_hostile import CANARY, NAMES
from tests.prove.figures import at_least, at_most, exactly

ROUNDS = 8  #: times each outcome is caused
FAULT_ROUNDS = 5  #: times the controller is killed, and times it is frozen
WAITING = 6  #: callers in the dialogue at each of these, a second apart
SILENT_DBFS = -55.0  #: below this a caller hears nothing; prompts, music and agents are above -40
SILENCE_SECONDS = 10.0  #: the longest anybody may hear nothing
EVENTS = int(os.environ.get("CALLGUARD_CORE_EVENTS", "1000000"))

CALLERS = (f"+1415558{number:04d}" for number in count())
YES = next(each for each in SCENARIOS if each.name == "yes by key")


async def figures(tell):
    core = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "-s", "--timeout", "3600", "tests/property/test_core.py"),
        env=os.environ | {"CALLGUARD_CORE_EVENTS": str(EVENTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    found = []
    async with Lab(shipped_dialplan(), progress=tell) as lab:
        site = Site(lab)
        await lab.pbx.load_dialplan(dialplan=site.dialplan(shipped_dialplan()))
        async with site:
            found += await outcomes(lab, site, tell)
            found += await hostile(lab, site, tell)
            for what in ("killed", "frozen"):
                found += await losing_the_controller(lab, site, tell, what)
    found += await misbehaving(tell)
    tell(f"Waiting for {EVENTS} random events through the core")
    said, _ = await core.communicate()
    events = re.search(rb"(\d+) events through the core", said)
    found.append(
        at_least("random events through the core", int(events[1]) if events else 0, EVENTS, "events")
    )
    found.append(exactly("broken invariants in them", 0 if core.returncode == 0 else 1, 0, ""))
    return found


async def outcomes(lab, site, tell):
    """Each outcome many times, with the audio of every recording."""
    wrong, problems = Counter(), []
    early, crossed, captured = 0.0, 0.0, 0
    for place in range(ROUNDS):
        tell(f"Outcomes, round {place + 1} of {ROUNDS}: {len(SCENARIOS)} callers at once")
        callers = [each.caller if each.caller == "112" else next(CALLERS) for each in SCENARIOS]
        reports = await asyncio.gather(
            *(play(lab, site, each, caller=who) for each, who in zip(SCENARIOS, callers, strict=True))
        )
        for scenario, report, who in zip(SCENARIOS, reports, callers, strict=True):
            wrong[report.name] += not report.ok
            problems += report.problems
            if scenario.captured:
                captured += 1
                call = site.call_of(who)
                said, told, rate = await site.recording(call)
                early = max(early, audio.seconds_of_tone(said, rate, BEFORE_HZ))
                crossed = max(crossed, audio.seconds_of_tone(told, rate, AFTER_HZ))
    await site.kill()
    report = await play(lab, site, CONTROLLER_DOWN, caller=next(CALLERS))
    await site.start()
    wrong[report.name] += not report.ok
    for problem in problems + report.problems:
        tell(f"[red]{problem}[/red]")
    return [
        *(
            exactly(f"{name}: calls that ended wrongly, of {ROUNDS}", number, 0, "calls")
            for name, number in wrong.items()
        ),
        at_most(f"speech from before the answer, worst of {captured} recordings", early, 0.0, "s"),
        at_most("caller's voice on the agent's channel, worst", crossed, 0.0, "s"),
    ]


async def hostile(lab, site, tell):
    """Names that try to be commands."""
    tell(f"{len(NAMES)} callers whose names try to be commands")
    CANARY.unlink(missing_ok=True)
    reports = await asyncio.gather(
        *(
            play(
                lab,
                site,
                YES,
                caller=next(CALLERS),
                caller_name=name,
                transport="tcp" if len(name) > 999 else "udp",
            )
            for name in NAMES
        )
    )
    return [
        exactly("hostile names: calls that ended wrongly", sum(not each.ok for each in reports), 0, "calls"),
        exactly("hostile names: commands that were run", int(CANARY.exists()), 0, ""),
    ]


async def losing_the_controller(lab, site, tell, what):
    """Callers at every stage of the dialogue when the controller goes, and new ones while it is away."""
    silences, waits, fresh, lost = [], [], [], 0
    kept = site.kept()
    for place in range(FAULT_ROUNDS):
        tell(f"The controller is {what}, round {place + 1} of {FAULT_ROUNDS}: {WAITING} callers are asked")
        phones = {}
        for _ in range(WAITING):
            caller = next(CALLERS)
            phones[caller] = await lab.world.call("100", caller_id=caller)
            await asyncio.sleep(1)
        gone = time.monotonic()
        if what == "killed":
            await site.kill()
        else:
            site.freeze()
        new = next(CALLERS)
        began = time.monotonic()
        phones[new] = await lab.world.call("100", caller_id=new)

        async def led_on(caller, since):
            """Seconds until somebody of the unrecorded queue answered; None when nobody did."""
            try:
                await lab.world.agent("open-agent").next_call(40, number=caller)
            except LabError:
                return None
            return time.monotonic() - since

        times = await asyncio.gather(*(led_on(each, began if each == new else gone) for each in phones))
        lost += times.count(None)
        fresh += [took for took in times[-1:] if took is not None]
        waits += [took for took in times[:-1] if took is not None]
        await asyncio.sleep(1)
        for phone in phones.values():
            await phone.hang_up()
        silences += [longest_silence(*await phone.heard()) for phone in phones.values()]
        if what == "killed":
            await site.start()
        else:
            site.thaw()
            await asyncio.sleep(1)
    captured = site.kept() - kept
    return [
        exactly(f"{what}: calls lost, of {FAULT_ROUNDS * (WAITING + 1)}", lost, 0, "calls"),
        at_most(f"{what}: longest silence anybody heard", max(silences), SILENCE_SECONDS, "s"),
        at_most(f"{what}: longest way of a new caller to the unrecorded queue", max(fresh), 2.0, "s"),
        at_most(f"{what}: longest time until a caller in the prompt was led on", max(waits), 30.0, "s"),
        exactly(f"{what}: recordings made", len(captured), 0, "calls"),
    ]


def longest_silence(samples, rate):
    """Seconds of the longest stretch in which nothing could be heard."""
    frame = rate // 50
    frames = samples[: len(samples) // frame * frame].reshape(-1, frame)
    quiet = 20 * np.log10(np.sqrt(np.mean(frames**2, axis=1)) + 1e-9) < SILENT_DBFS
    longest = run = 0
    for silent in quiet:
        run = run + 1 if silent else 0
        longest = max(longest, run)
    return longest * frame / rate


async def misbehaving(tell):
    """ARI answering 500, garbage, half a frame, nothing."""

    async def one(mischief):
        async with Lab(shipped_dialplan()) as lab:
            meddler = Meddler(lab.ari_settings.url)
            await meddler.open()
            site = Site(lab, ari_url=meddler.url)
            await lab.pbx.load_dialplan(dialplan=site.dialplan(shipped_dialplan()))
            try:
                async with site:
                    caller, new = next(CALLERS), next(CALLERS)
                    phone = await lab.world.call("100", caller_id=caller)
                    await phone.answered()
                    await site.until(caller, "announcing")
                    meddler.mischief = mischief
                    await lab.world.call("100", caller_id=new)
                    for each in (new, caller):
                        await lab.world.agent("open-agent").next_call(20, number=each)
                    alive = site.pid > 0
                    captured = site.kept()
                    meddler.mischief = Mischief.NONE
                    async with asyncio.timeout(40):
                        while not (await site.health())["ari"]:
                            await asyncio.sleep(0.1)
                    report = await play(lab, site, YES, caller=next(CALLERS))
                    return alive and not captured and report.ok
            except (LabError, TimeoutError) as error:
                tell(f"[red]{mischief}: {error}[/red]")
                return False
            finally:
                await meddler.close()

    kinds = sorted(set(Mischief) - {Mischief.NONE})
    tell(f"ARI misbehaves: {', '.join(kinds)}")
    fine = await asyncio.gather(*(one(each) for each in kinds))
    return [
        exactly(f"ARI says {kind}: unrecorded, alive, back in service", int(good), 1, "")
        for kind, good in zip(kinds, fine, strict=True)
    ]
