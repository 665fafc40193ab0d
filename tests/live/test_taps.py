"""One party heard live, on the real Asterisk: only that party, by either way, and nothing is left behind."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from itertools import count

import numpy as np
import pytest

from callguard.asterisk import Ari, AriSettings
from callguard.asterisk.errors import AriRefused
from callguard.asterisk.tap import NARROW, PREFIX, WIDE, Taps
from callguard.errors import AsteriskError
from callguard.lab import Lab, audio
from callguard.lab.inspection import channel_of, get
from callguard.lab.world import AGENT_HZ, CALLER_HZ

CALLERS = (f"+1512667{number:04d}" for number in count(100))
WAYS = ("websocket", "rtp")


@contextlib.asynccontextmanager
async def tapping(lab, way: str = "websocket") -> AsyncIterator[Taps]:
    live: list[Ari] = []
    taps = Taps(lambda: live[0] if live else None)
    given = lab.ari_settings
    settings = AriSettings(app="taps", username=given.username, password=given.password, url=given.url)
    ari = await Ari.open(settings, taps.take)
    live.append(ari)
    if way == "rtp":
        taps._without_websocket = ari
    try:
        yield taps
    finally:
        await taps.close()
        await ari.close()


@contextlib.asynccontextmanager
async def talking(lab) -> AsyncIterator[str]:
    """A call on which both speak; gives the caller's channel."""
    number = next(CALLERS)
    phone = await lab.world.call("100", caller_id=number)
    await phone.answered()
    agent = await lab.world.agent("open-agent").next_call(20, number=number)
    await phone.speak(CALLER_HZ)
    yield await channel_of(lab.pbx, number)
    await phone.hang_up()
    await agent.ended()


async def left(lab) -> list[str]:
    found = [each["id"] for what in ("/channels", "/bridges") for each in await get(lab.pbx, what)]
    return [each for each in found if each.startswith(PREFIX)]


async def gone(lab) -> None:
    """Wait until nothing of a tap is left: a channel ends a moment after it was told to."""
    async with asyncio.timeout(5):
        while await left(lab):
            await asyncio.sleep(0.02)


async def heard(tap, seconds: float = 1.0) -> audio.Samples:
    pcm = b""
    async with asyncio.timeout(10):
        while len(pcm) < seconds * tap.rate * 2:
            pcm += (await tap.frame()).pcm
    return np.frombuffer(pcm, "<i2").astype(np.float32) / 32768


@pytest.mark.oldest
@pytest.mark.parametrize("way", WAYS)
async def test_one_party_is_heard_alone_and_nothing_is_left(lab, way):
    async with talking(lab) as channel, tapping(lab, way) as taps:
        async with taps.open(channel) as tap:
            samples = await heard(tap)
            assert tap.rate == NARROW == audio.RATE
            assert audio.seconds_of_tone(samples, tap.rate, CALLER_HZ) > 0.9
            assert all(audio.tone_level(samples, tap.rate, hz) < -60 for hz in AGENT_HZ.values())
            assert len(await left(lab)) == 3
        await gone(lab)


@pytest.mark.parametrize("way", WAYS)
async def test_a_wideband_line_is_heard_in_full(way, dialplan):
    conf = {"pjsip.conf": "\n[trunk](+)\ndisallow = all\nallow = g722\n"}
    async with (
        Lab(dialplan, conf=conf) as lab,
        talking(lab) as channel,
        tapping(lab, way) as taps,
        taps.open(channel) as tap,
    ):
        samples = await heard(tap)
        assert tap.rate == WIDE
        assert audio.seconds_of_tone(samples, tap.rate, CALLER_HZ) > 0.9


@pytest.mark.oldest
async def test_what_a_controller_left_that_died_is_removed_by_the_next(lab):
    async with talking(lab) as channel, tapping(lab) as taps, taps.open(channel) as tap:
        await heard(tap, 0.2)
        successor = Taps(taps._ari)
        assert await successor.sweep(await taps._ari().channels()) == 1
        await gone(lab)
        with pytest.raises(AsteriskError, match="nothing more"):
            await heard(tap, 60)


@pytest.mark.oldest
async def test_a_call_that_is_gone_is_not_heard_and_one_that_goes_ends_it(lab):
    async with tapping(lab) as taps:
        with pytest.raises(AriRefused, match="404"):
            async with taps.open("nobody"):
                pytest.fail("somebody was heard")
        await gone(lab)
        async with contextlib.AsyncExitStack() as stack:
            async with talking(lab) as channel:
                tap = await stack.enter_async_context(taps.open(channel))
                await heard(tap, 0.2)
            with pytest.raises(AsteriskError, match="nothing more"):
                await heard(tap, 60)
        await gone(lab)


@pytest.mark.oldest
async def test_nobody_else_puts_words_into_a_callers_mouth(lab):
    async with talking(lab) as channel, tapping(lab, "rtp") as taps, taps.open(channel) as tap:
        await heard(tap, 0.2)
        # Where samples are taken is in the name of the channel that sends them: UnicastRTP/HOST:PORT-...
        [name] = [each["name"] for each in await get(lab.pbx, "/channels") if each["id"] == tap.out]
        port = int(name.partition(":")[2].partition("-")[0])
        loud = struct.pack(">160h", *([20000, -20000] * 80))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for number in range(50):
                stranger.sendto(
                    struct.pack(">BBHII", 0x80, 11, number, number * 160, 7) + loud, ("127.0.0.1", port)
                )
        assert audio.peak_level(await heard(tap, 1.0)) < -10
