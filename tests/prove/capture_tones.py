"""Whispers, warning tones and lamps on real calls: who hears what, how punctually, and what it costs."""

import asyncio
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from callguard.asterisk.verbs import Ears
from callguard.controller.aside import Asides
from callguard.controller.cadence import Cadence
from callguard.controller.desk import Lamp
from callguard.controller.lamps import Lamps
from callguard.controller.tones import Sounds
from callguard.lab import Lab
from callguard.lab.world import AGENT_HZ, CALLER_HZ
from callguard.vault.tone import FS1037C, US_LEGACY, amiss, find
from tests.fakes.desk_phone import desk_phone
from tests.live.test_tones import RECORDER, WORD, House, exported_with_tones, index_of
from tests.prove.figures import at_least, at_most, exactly, figure

LISTENED = 4  #: quiet calls for each profile, on which every tone is measured
TALKING = 24  #: other calls that are talked on and toned meanwhile
SECONDS = 80.0  #: how long each is listened to
PAUSES = 20
WHISPERS = 20
DEATHS = 10
ROUNDS = 5  #: times the cost is looked at, with and without tones
ROUND_SECONDS = 9.0
CHANGES = 200


async def figures(tell):
    with tempfile.TemporaryDirectory(prefix="callguard-spool-", dir="/dev/shm") as spool:
        async with Lab(RECORDER.format(spool=spool), progress=tell) as lab:
            house = House(lab, Path(spool))
            await house.connect()
            found = await whispers(house, tell)
            found += await left_behind(house, tell)
            found += await pauses(house, tell)
            found += await punctuality(house, tell)
            found += await lamps(house, tell)
            await house.ari.close()
    return found


async def whispers(house, tell):
    """Every other one is for the agent; each is looked for in both ears and in the recording."""
    tell(f"{WHISPERS} whispers")
    unheard = elsewhere = recorded = 0

    async def one(number):
        nonlocal unheard, elsewhere, recorded
        call = await house.call()
        channel = (call.agents_channel, call.channel)[number % 2]
        told = await house.asides.whisper(channel, [house.word], WORD.seconds)
        caller, agent, files = await call.end(WORD.hz)
        heard, other = ((agent, caller), (caller, agent))[number % 2]
        unheard += not told.completely or len(heard) != 1 or bool(amiss(heard, WORD))
        elsewhere += len(other)
        recorded += sum(map(len, files))

    for number in range(WHISPERS):
        await one(number)
    return [
        exactly(f"whispers not heard to their end, of {WHISPERS}", unheard, 0, "whispers"),
        exactly("whispers heard by the other party", elsewhere, 0, "whispers"),
        exactly("whispers in the recording", recorded, 0, "whispers"),
    ]


async def left_behind(house, tell):
    """The connection is gone in the middle of a whisper, as with the process."""
    tell(f"The controller goes in the middle of {DEATHS} whispers")
    call = await house.call()
    found = 0
    for number in range(DEATHS):
        whisper = asyncio.create_task(house.asides.whisper(call.agents_channel, [house.word] * 9, 9.0))
        while not await house.whispers():
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05 * number)
        await house.ari.close()
        house.asides.lost()
        await whisper
        found += len(await house.whispers())
        house.asides = Asides(lambda: house.ari)
        await house.connect()
        await house.asides.sweep(await house.ari.channels())
        await house.no_whisper_stays()
    await call.phone.hang_up()
    return [exactly(f"whispers left behind that the next controller removed, of {DEATHS}", found, DEATHS)]


async def pauses(house, tell):
    """Half of them come while a tone sounds."""
    tell(f"{PAUSES} pauses between warning tones")
    tone = replace(FS1037C, interval=3.0)
    call = await house.call()
    told, spans = [], []
    cadence = Cadence(
        house.asides,
        call.channel,
        Sounds(tone=tone, media=house.sound("paused", tone), ears=Ears.BOTH),
        told=told.append,
        missed=tell,
    )
    for number in range(PAUSES):
        cadence.sound()
        await asyncio.sleep(0.5 if number % 2 else 1.2)
        cadence.hold()
        began = time.monotonic()
        await asyncio.sleep(1.0)
        spans.append((began, time.monotonic()))
    caller, agent, files = await call.end(tone.hz)
    late, inside = [], 0
    for ear in (caller, agent):
        zero = ear[0].start - told[0].at
        for begin, end in spans:
            first, last = begin + zero, end + zero
            late += [each.start + each.seconds - first for each in ear if first - 0.5 < each.start < first]
            inside += sum(first < each.start < last for each in ear)
    over = [max(0.0, 1000 * each) for each in late]
    return [
        exactly(f"warning tones that began in {PAUSES} pauses", inside, 0, "tones"),
        figure("a tone goes on after a pause, p50", float(np.percentile(over, 50)), "ms", "", True),
        at_most("a tone goes on after a pause, worst", max(over), 60.0, "ms"),
        exactly("warning tones in the recording", sum(map(len, files)), 0, "tones"),
    ]


async def punctuality(house, tell):
    """Both profiles at both ears for more than a minute, while others talk; then what it costs."""
    calls = [(tone, await house.call()) for tone in (FS1037C, US_LEGACY) for _ in range(LISTENED)]
    others = [await house.call() for _ in range(TALKING)]
    for call in others:
        await call.phone.speak(CALLER_HZ)
        await call.agent.speak(AGENT_HZ["sales-agent"])
    every = [*calls, *((FS1037C, call) for call in others)]
    told = {id(call): [] for _, call in every}
    cadences = []
    for tone, call in every:
        sounds = Sounds(tone=tone, media=house.sound(tone.name, tone), ears=Ears.BOTH)
        to = told[id(call)].append
        cadences.append(Cadence(house.asides, call.channel, sounds, told=to, missed=tell))
    tell(f"Warning tones on {len(every)} calls for {SECONDS:g} s")
    for cadence in cadences:
        cadence.sound()
        # Calls do not begin all at once.
        await asyncio.sleep(FS1037C.interval / len(every))
    await asyncio.sleep(SECONDS - FS1037C.interval)
    for cadence in cadences:
        cadence.hold()
    cost = await price(house, others, tell)
    for call in others:
        await call.phone.hang_up()
    found = []
    for wanted in (FS1037C, US_LEGACY):
        mine = [call for tone, call in calls if tone is wanted]
        found += await at_the_ears(wanted, mine, told)
    return [*found, *cost]


async def at_the_ears(tone, calls, told):
    """Everything about the tones of one profile."""
    intervals, drift, marks, hz, lengths, levels, wrong, count = [], [], [], [], [], [], [], 0
    for call in calls:
        caller, agent, files = await call.end(tone.hz)
        wrong += [each for side in files for each in side]
        mine = told[id(call)]
        for ear in (caller, agent):
            wrong += amiss(ear, tone)
            count += len(ear)
            zero = ear[0].start - mine[0].at
            intervals += list(np.diff([each.start for each in ear]) - tone.interval)
            drift.append(ear[-1].start - ear[0].start - (len(ear) - 1) * tone.interval)
            pairs = zip(ear, mine, strict=True)
            marks += [each.start - one.at - zero for each, one in pairs]
            hz += [each.hz - tone.hz for each in ear]
            lengths += [each.seconds - tone.seconds for each in ear]
            levels += [each.dbfs - tone.dbfs for each in ear]
        wrong += exported(call, mine, tone)

    def worst(values):
        return float(max(map(abs, values)))

    name = tone.name
    return [
        at_least(f"{name}: tones measured at the parties' ears", count, LISTENED * 10, "tones"),
        exactly(f"{name}: tones amiss, at the ears, in exports or in recordings", len(wrong), 0, "tones"),
        at_most(f"{name}: an interval is off by, worst", 1000 * worst(intervals), 50.0, "ms"),
        at_most(f"{name}: the last tone is off its place by, worst", 1000 * worst(drift), 50.0, "ms"),
        at_most(f"{name}: the index is off what was heard by, worst", 1000 * worst(marks), 50.0, "ms"),
        at_most(f"{name}: frequency is off by, worst", worst(hz), 0.01 * tone.hz, "Hz"),
        at_most(f"{name}: length is off by, worst", 1000 * worst(lengths), 40.0, "ms"),
        at_most(f"{name}: level is off by, worst", worst(levels), 1.5, "dB"),
    ]


def exported(call, told, tone):
    """What is amiss in an export with the tones laid in."""
    zero = told[0].at - 1
    index = index_of(told, zero)
    with tempfile.TemporaryDirectory() as directory:
        samples = exported_with_tones(call.recording(), index, Path(directory))
    laid = [find(samples[:, channel], tone.hz) for channel in range(2)]
    missing = [f"{len(side)} of {len(told)} tones" for side in laid if len(side) != len(told)]
    return missing + [what for side in laid for what in amiss(side, tone)]


async def price(house, calls, tell):
    """What one tone costs: turns with and without tones, since other work on the machine comes and goes."""
    tell(f"What tones cost, on {len(calls)} calls")
    # Often, so that it is seen at all; at 15 s it is a fifth.
    sounds = house.sounds(Ears.BOTH)
    spent = {True: [], False: []}
    for _ in range(ROUNDS):
        for toned in (False, True):
            sounded = []
            cadences = [
                Cadence(house.asides, call.channel, sounds, told=sounded.append, missed=tell)
                for call in calls
            ]
            for cadence in cadences if toned else ():
                cadence.sound()
                await asyncio.sleep(sounds.tone.interval / len(calls))
            before, sounded[:] = cpu(house), []
            await asyncio.sleep(ROUND_SECONDS)
            took = [1000 * (now - then) for now, then in zip(cpu(house), before, strict=True)]
            spent[toned].append((*took, len(sounded)))
            for cadence in cadences:
                cadence.hold()
    tones = sum(count for *_, count in spent[True]) / ROUNDS
    pbx, ours = (
        (np.median([turn[who] for turn in spent[True]]) - np.median([turn[who] for turn in spent[False]]))
        / tones
        for who in (0, 1)
    )
    usual = np.median([turn[0] for turn in spent[False]]) / ROUND_SECONDS / len(calls)
    return [
        figure("a recorded call without tones: CPU of Asterisk", float(usual), "ms/s", "", True),
        at_most("a tone for both parties: CPU of Asterisk", float(pbx), 20.0, "ms"),
        at_most("a tone for both parties: CPU of callguard", float(ours), 5.0, "ms"),
    ]


def cpu(house):
    """Seconds of CPU so far: of the PBX, and of ourselves."""
    fields = Path(f"/proc/{house.lab.pbx.pid}/stat").read_text().rpartition(")")[2].split()
    ours = resource.getrusage(resource.RUSAGE_SELF)
    return (int(fields[11]) + int(fields[12])) / 100, ours.ru_utime + ours.ru_stime


async def lamps(house, tell):
    """Changes of a lamp until the telephone's NOTIFY, and what it shows when controllers die."""
    tell(f"{CHANGES} changes of a lamp")
    agent = "sales-agent"
    shows = {Lamp.RECORDING: "confirmed", Lamp.PAUSED: "early", Lamp.FAULT: "confirmed held"}
    took, lies = [], 0
    made = Lamps(lambda: house.ari)
    async with desk_phone(agent, f"callguard-{agent}", house.lab.pbx.ports.sip) as phone:
        await made.rewrite()
        for number in range(CHANGES):
            light = list(shows)[number % len(shows)]
            began = time.monotonic()
            made.show(agent, "a", light)
            took.append(1000 * (await phone.shows(shows[light], began) - began))
        for _ in range(DEATHS):
            made.show(agent, "a", Lamp.RECORDING)
            await phone.shows("confirmed")
            await house.ari.close()
            await house.connect()
            made = Lamps(lambda: house.ari)
            await made.rewrite()
            try:
                await phone.shows("terminated")
            except TimeoutError:
                lies += 1
        made.show(agent, "a", Lamp.RECORDING)
        await phone.shows("confirmed")
        await made.leave()
        await phone.shows("terminated")
    return [
        figure("a lamp's change until its NOTIFY, p50", float(np.percentile(took, 50)), "ms", "", True),
        at_most("a lamp's change until its NOTIFY, p99", float(np.percentile(took, 99)), 100.0, "ms"),
        exactly(f"lamps that go on telling what a dead controller knew, of {DEATHS}", lies, 0, "lamps"),
    ]
