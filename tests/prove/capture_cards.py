"""Card numbers keyed during a call, in every way that keys travel: none of it is in the exported file."""

import asyncio
import json
import os
import random
import subprocess

import soundfile

from callguard.lab import audio
from tests.capturing import SETTINGS, house, talk
from tests.prove.figures import at_least, at_most, exactly

ROUNDS = int(os.environ.get("CALLGUARD_CARDS", "3"))  #: calls of each way
#: A number that passes every check of a card number, and belongs to nobody.
CARD = "4111111111111111"
WAYS = ("rfc4733", "info", "inband", "unheard")
#: How long and how far apart keys are, in ms: a slow hand and a quick one.
HANDS = ((120, 180), (60, 60))


async def figures(tell):
    """Both parties, every way, quick and slow hands."""
    random.seed(3)
    found = []
    for way in WAYS:
        tell(f"{ROUNDS} callers key a card number: {way}")
        async with house() as at:
            hands = [HANDS[place % len(HANDS)] for place in range(ROUNDS)]
            calls = await asyncio.gather(*(keyed(at, way, hand) for hand in hands))
            found += figures_of(f"keyed by the caller, {way}", calls, at)
    tell("One call without the guard, to know that its keys would be heard")
    off = SETTINGS | {"pause": {"card_guard": {"enabled": "no"}}}
    async with house(settings=off) as at:
        sounds, *_ = await keyed(at, "unheard", HANDS[0], guarded=False)
        found.append(at_least("without the guard: 10 ms with the sound of a key", sounds, 100, ""))
    tell(f"{ROUNDS} agents key a card number")
    async with house() as at:
        calls = await asyncio.gather(*(keyed(at, "rfc4733", HANDS[0], by="agent") for _ in range(ROUNDS)))
        found += figures_of("keyed by the agent", calls, at)
    return found


def figures_of(what, calls, at):
    digits = digits_outside(at)
    return [
        exactly(
            f"{what}: recordings with the sound of a key, of {len(calls)}", sum(k > 0 for k, *_ in calls), 0
        ),
        exactly(f"{what}: numbers that did not pause the recording", sum(not p for _, p, _ in calls), 0),
        at_most(
            f"{what}: speech recorded after the sixth key, until resumed, worst",
            max(after for *_, after in calls),
            0.02,
            "s",
        ),
        exactly(f"{what}: places outside the PBX that hold the digits", digits, 0),
    ]


async def keyed(at, way, hand, by="caller", guarded=True):
    """10 ms stretches with the sound of a key, whether it paused, and speech recorded after the sixth key."""
    length, pause = hand
    async with talk(at, keys=way if by == "caller" else "rfc4733") as call:
        await asyncio.sleep(random.uniform(3, 5))
        party = call.caller if by == "caller" else call.agent
        await party.press(CARD, length_ms=length, pause_ms=pause)
        paused = guarded and await is_paused(call)
        await asyncio.sleep(1.5 + len(CARD) * (length + pause) / 1000)
        if paused:
            await call.resume()
        await asyncio.sleep(2)
        recorded = await call.over()
    path = await exported(at.site, call.call)
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    sounds = sum(len(audio.sounding_keys(samples[:, side], rate)) for side in (0, 1))
    return sounds, paused, said_between(call, recorded, by)


def said_between(call, recorded, by):
    """Seconds of speech recorded between the sixth key and the resume; 0 where the wire tells of no keys."""
    keys = (call.callers if by == "caller" else call.agents).keys()
    resumes = call.presses("*6")
    if len(keys) < 6 or not resumes:
        return 0.0
    sixth, resumed = keys[5].up, resumes[0][1]
    sides = (recorded.caller, recorded.agent)
    return 0.02 * max(sum((side.times > sixth + 0.02) & (side.times < resumed)) for side in sides)


async def is_paused(call):
    """Whether the recording is paused within ten seconds."""
    try:
        await call.next_entry("capture.confirmed")
    except TimeoutError:
        return False
    return True


async def exported(site, call):
    """The file that somebody gets who asks for the recording."""
    path = site.directory / f"{call}.wav"
    await site.command("vault", "export", call, "--output", str(path), "--no-head", "--purpose", "tests")
    return path


def digits_outside(at):
    """Files of callguard, and lines of its log, that hold six keys or more of the number in a row."""
    part = CARD[:6]
    ledger = json.dumps(at.site.entries())
    log = at.site.log.read_text()
    shm = subprocess.run(
        ["grep", "-rlaF", part, str(at.site.spool), str(at.site.directory / "state")],
        capture_output=True,
        text=True,
        check=False,
    )
    return (part in ledger) + (part in log) + len(shm.stdout.split())
