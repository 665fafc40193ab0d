"""Many calls captured at once: what they take in memory, and whether sealing keeps up."""

import asyncio
import contextlib
import hashlib
import os
import re
import secrets
import socket
import time

import aiohttp
import numpy as np

from callguard.config import load
from tests.capturing import house, talk
from tests.crowds import HOUSE, crowd
from tests.prove.figures import at_least, at_most, exactly, figure

CALLS = int(os.environ.get("CALLGUARD_CALLS", "200"))
SECONDS = float(os.environ.get("CALLGUARD_CALL_SECONDS", "60"))
COUNTED = 4  #: calls among them on which both count, to see whether all of it is there
#: Sealing may be later than it should be by so much (seconds).
BEHIND = 5.0
#: Seconds from one look to the next.
LOOK = 0.5
#: What Asterisk holds back and then brings at once (seconds); bytes of both parties in a second.
PIECE, STEREO = 2.05, 2 * 2 * 8000
MIB = 1 << 20


async def figures(tell):
    """All at once, for so long."""
    token = secrets.token_hex(24)
    port = free_port()
    web = {
        "port": str(port),
        "tokens": {
            "prove": {"secret": f"sha256:{hashlib.sha256(token.encode()).hexdigest()}", "role": "program"}
        },
    }
    async with house(tell=tell, **HOUSE | {"settings": HOUSE["settings"] | {"web": web}}) as at:
        vault = load(at.site.config).vault
        async with contextlib.AsyncExitStack() as stack:
            members = await stack.enter_async_context(crowd(at, CALLS - COUNTED, tell))
            talks = [await stack.enter_async_context(talk(at)) for _ in range(COUNTED)]
            tell(f"{CALLS} calls are captured for {SECONDS:g} s")
            began = time.monotonic()
            seen = await watched(at, port, token)
            lasted = time.monotonic() - began
            live = len(await at.site.calls())
            recorded = await asyncio.gather(*(each.over() for each in talks))
        tell("All of them are over")
        lengths = await asyncio.gather(*(length(at.site, call) for call in members))
        alerts = sum(" alert " in line for line in at.site.log.read_text().splitlines())
        _, verified = await at.site.command("vault", "verify", "--json", check=False)
    memory, behind = (np.array(each) for each in zip(*seen, strict=True))
    bound = (vault.look_back_seconds + vault.block_seconds + 2 * PIECE) * STEREO / MIB
    lost = [share_lost(each) for each in recorded]
    return [
        exactly("calls captured at once", live, CALLS, "calls"),
        figure("spool memory for each call, mean", memory.mean() / MIB / CALLS, "MiB", "", True),
        at_most("spool memory for each call, most", memory.max() / MIB / CALLS, bound, "MiB"),
        figure("growth of the spool in the last half", growth(memory) / MIB / CALLS, "MiB", "", True),
        at_most("sealing is behind, worst", behind.max(), BEHIND, "s"),
        at_least("shortest recording", min(lengths), lasted, "s"),
        at_most("speech that is missing, worst counted call", max(lost), 0.01, "of 1"),
        exactly("alerts", alerts, 0),
        figure("the vault verifies", '"ok": true' in verified, "", "yes", '"ok": true' in verified),
    ]


async def watched(at, port, token):
    """Every half second: the bytes that the spool really takes, and by how much sealing is behind."""
    seen = []
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            async with session.get(f"http://127.0.0.1:{port}/metrics") as response:
                text = await response.text()
            behind = float(re.search(r"(?m)^callguard_sealing_behind_seconds(?:\{.*\})? (\S+)$", text)[1])
            seen.append((used(at.site.spool), behind))
            await asyncio.sleep(LOOK)
    return seen


def used(spool):
    """Bytes of memory that all files take, holes not counted."""
    total = 0
    for path in spool.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_blocks * 512
    return total


def growth(memory):
    """Bytes by which the last quarter is above the third."""
    quarter = len(memory) // 4
    return memory[-quarter:].mean() - memory[-2 * quarter : -quarter].mean()


async def length(site, call):
    """Seconds of a recording."""
    async with asyncio.timeout(60):
        while True:
            stopped = [each["body"] for each in site.entries(call) if each["body"].get("sha256")]
            if stopped:
                return stopped[-1]["offset"] / 8000
            await asyncio.sleep(0.2)


def share_lost(recorded):
    """Of both parties: the part of what was sent, after the first and before the last recorded frame."""
    lost = 0.0
    for side in (recorded.caller, recorded.agent):
        times = side.times
        known = times[np.isfinite(times)]
        sent = side.sent.numbers[(side.sent.times >= known[0]) & (side.sent.times <= known[-1])]
        lost = max(lost, np.count_nonzero(~np.isin(sent, side.read.numbers)) / len(sent))
    return lost


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
