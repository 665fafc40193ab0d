"""Whoever else records: every way to do so, on calls of those who said no and while recording is paused."""

import asyncio

from tests.meddling import WAYS, meddlers, paused, refused, stops_ours, unguarded
from tests.prove.figures import at_least, at_most, exactly

ROUNDS = 5  #: how often each way is tried on a refused call, all ways at once
PAUSES = 3  #: how often on a paused one
MOST_SECONDS = 1.0  #: of audio that anybody may have


async def figures(tell):
    async with meddlers(tell=tell) as house:
        found = await on_refused_calls(house, tell)
        found += await during_pauses(house, tell)
        found += await before_pauses(house, tell)
        found += await against_ours(house, tell)
        await house.site.kill()
        found += await without_callguard(house, tell)
    return found


async def on_refused_calls(house, tell):
    tried = []
    for place in range(ROUNDS):
        tell(f"{len(WAYS)} ways to record calls of those who said no, round {place + 1} of {ROUNDS}")
        tried += await asyncio.gather(*(refused(house, way) for way in WAYS))
    worst = max(tried, key=lambda each: each.kept)
    count = len(tried)
    return [
        at_most(
            f"refused: most audio kept by others, of {count} ({worst.way.name})",
            worst.kept,
            MOST_SECONDS,
            "s",
        ),
        *told_of("refused", tried),
        *speed("refused", tried),
    ]


async def during_pauses(house, tell):
    ways = [way for way in WAYS if way.in_talk and not way.stops_ours]
    tried = []
    for place in range(PAUSES):
        tell(f"{len(ways)} ways to record in the middle of a pause, round {place + 1} of {PAUSES}")
        tried += await asyncio.gather(*(paused(house, way) for way in ways))
    worst = max(tried, key=lambda each: each.kept)
    name = f"paused: most audio kept by others, of {len(tried)} ({worst.way.name})"
    return [
        at_most(name, worst.kept, MOST_SECONDS, "s"),
        *told_of("paused", tried),
        *speed("paused", tried),
        *ours("paused", tried),
    ]


async def before_pauses(house, tell):
    ways = [way for way in WAYS if way.in_talk and not way.stops_ours]
    tell(f"{len(ways)} ways to record before a pause")
    tried = await asyncio.gather(*(paused(house, way, before=True) for way in ways))
    heard = max(each.seconds["theirs during"] for each in tried)
    before = min(each.seconds["theirs before"] for each in tried)
    noted = sum(each.allowed is True and bool(each.alerts) for each in tried)
    return [
        at_least(
            "begun while it was allowed: least audio in their files from before the pause", before, 1.0, "s"
        ),
        at_most("begun while it was allowed: most speech of the pause in their files", heard, 0.2, "s"),
        exactly(f"begun while it was allowed: noted, of {len(tried)}", noted, len(tried)),
        *ours("begun while it was allowed", tried),
    ]


async def against_ours(house, tell):
    ways = [way for way in WAYS if way.stops_ours]
    tell(f"{len(ways)} keys that stop our own recording")
    tried = await asyncio.gather(*(stops_ours(house, way) for way in ways))
    noticed = sum(each.reason == "recorder stopped" and bool(each.alerts) for each in tried)
    return [
        exactly(f"our recording stopped by a key of others: noticed, of {len(tried)}", noticed, len(tried))
    ]


async def without_callguard(house, tell):
    ways = [way for way in WAYS if not way.in_dialogue]
    tell(f"The same {len(ways)} ways with callguard away, so that they are known to work")
    kept = await asyncio.gather(*(unguarded(house, way) for way in ways))
    return [at_least(f"without callguard: least audio kept, of {len(kept)}", min(kept), MOST_SECONDS, "s")]


def told_of(what, tried):
    """In the ledger, to somebody, and at no cost to the call."""
    count = len(tried)
    return [
        exactly(
            f"{what}: violations in the ledger, of {count}",
            sum(each.allowed is False for each in tried),
            count,
        ),
        exactly(f"{what}: alerts, of {count}", sum(bool(each.alerts) for each in tried), count),
        exactly(f"{what}: calls that went on, of {count}", sum(each.went_on for each in tried), count),
    ]


def speed(what, tried):
    """From Asterisk's event until the recorder had ended."""
    took = sorted(each.stopped_ms for each in tried if each.stopped_ms is not None)
    middle, last = (took[len(took) // 2], took[-1]) if took else (1e9, 1e9)
    return [
        at_most(f"{what}: until a recorder had ended, p50", middle, 1000, "ms"),
        at_most(f"{what}: until a recorder had ended, longest", last, 1000, "ms"),
    ]


def ours(what, tried):
    """Our own recording, beside those of others."""
    return [
        at_most(
            f"{what}: most speech of a pause in ours", max(each.seconds["during"] for each in tried), 0.0, "s"
        ),
        at_least(
            f"{what}: least speech after a pause in ours",
            min(each.seconds["after"] for each in tried),
            1.0,
            "s",
        ),
    ]
