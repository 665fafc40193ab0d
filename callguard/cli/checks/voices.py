"""The fault by which Debian's and Ubuntu's packages lose a party's voice.

Their ``ast_translate()`` (2016_opus_plc.patch; seen on Debian's 22.10.1) drops a frame whose RTP sequence
number is behind the last one of that translation path. Recordings share a path between the parties that
follow each other on a call, so after a transfer the new one can be missing for up to eleven minutes; where
codecs differ, even the caller does not hear them. Asterisk as its makers publish it does not do that.

Shown without a call: fifty frames from sequence number 40000 on, then fifty from 20000 on by another source,
into a channel that is recorded. Two seconds come back, or one.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import ipaddress
import socket
import struct
import uuid
import wave
from urllib.parse import urlsplit

import aiohttp

from callguard.asterisk.ari import Ari
from callguard.asterisk.errors import AriRefused
from callguard.asterisk.events import RecordingFinished, RecordingStarted
from callguard.asterisk.http import open_session
from callguard.cli.checks.finding import Finding, advice, ok, warning
from callguard.cli.checks.visit import PATIENCE, Visit

FRAMES = 50
FRAME_SECONDS = 0.02
#: Samples of one frame at 8 kHz; one byte each in mu-law.
FRAME_SAMPLES = 160
#: First sequence numbers and synchronisation sources of the two parties.
PARTIES = ((40_000, 0x0CA11001), (20_000, 0x0CA11002))
#: A mu-law byte that is not silence.
_VOICE = b"\x9d"
#: What is still one party, and what is both, in seconds.
_ONE, _BOTH = (0.8, 1.3), (1.7, 2.3)

_WHERE = "the package of Asterisk"


async def check_voices(visit: Visit, ari: Ari) -> list[Finding]:
    """Send two parties one after the other, and see whether both are in the recording."""
    try:
        seconds = await _recorded(visit, ari)
    except (AriRefused, aiohttp.ClientError, OSError, wave.Error, EOFError) as error:
        remedy = (
            "load chan_rtp and res_stasis_recording, let Asterisk have a directory recording/ in its spool "
            "(astspooldir of asterisk.conf), and allow UDP between Asterisk and this machine"
        )
        return [advice("lost voices", f"could not be tried: {error}", _WHERE, remedy)]
    return [judge(seconds)]


def judge(seconds: float | None) -> Finding:
    """What it means that so much of two seconds came back, or nothing at all."""
    if seconds is not None and _BOTH[0] <= seconds <= _BOTH[1]:
        return ok("lost voices", "a party who takes over from another is recorded")
    if seconds is not None and _ONE[0] <= seconds <= _ONE[1]:
        what = (
            "this build of Asterisk loses the voice of a party who takes over from another: after a transfer "
            "somebody can be missing from the recording for up to 11 minutes, and where codecs differ the "
            "caller does not hear them either"
        )
        remedy = (
            "use a build of Asterisk as its makers publish it; until then allow one codec alone on trunks "
            "and phones, so that at least callers hear everybody"
        )
        return warning("lost voices", what, _WHERE, remedy)
    what = f"could not be judged: {seconds or 0:.2f} s of 2.00 s came back"
    return advice("lost voices", what, _WHERE, "allow UDP between Asterisk and this machine, and try again")


async def _recorded(visit: Visit, ari: Ari) -> float | None:
    """How many seconds of the two come back."""
    name = f"callguard-doctor-{uuid.uuid4()}"
    with _open_socket(visit) as rtp:
        host, port = rtp.getsockname()[:2]
        try:
            await ari.request(
                "POST",
                "channels/externalMedia",
                {
                    "channelId": name,
                    "app": visit.app,
                    "external_host": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
                    "format": "ulaw",
                },
            )
            if not await visit.entered(name):
                return None
            there = (
                await ari.variable(name, "UNICASTRTP_LOCAL_ADDRESS"),
                int(await ari.variable(name, "UNICASTRTP_LOCAL_PORT") or 0),
            )
            # Linear samples: the recording has to translate, which is where the fault is.
            await ari.request(
                "POST", f"channels/{name}/record", {"name": name, "format": "wav", "maxDurationSeconds": 10}
            )
            await visit.until(lambda: _told(visit, RecordingStarted, name))
            await _speak(rtp, there)
            await ari.request("POST", f"recordings/live/{name}/stop")
            await visit.until(lambda: _told(visit, RecordingFinished, name))
            return await _downloaded(visit, name)
        finally:
            await visit.take_back(("DELETE", f"recordings/live/{name}"))
            await ari.hangup(name)
            await visit.take_back(("DELETE", f"recordings/stored/{name}"))


def _open_socket(visit: Visit) -> socket.socket:
    """A UDP socket on the address by which Asterisk sees this machine."""
    pbx = urlsplit(visit.config.asterisk.ari.url)
    host = pbx.hostname or "127.0.0.1"
    kind, _, _, _, address = socket.getaddrinfo(host, pbx.port or 80, type=socket.SOCK_DGRAM)[0]
    with socket.socket(kind, socket.SOCK_DGRAM) as route:
        route.connect(address)
        ours = route.getsockname()[0]
    rtp = socket.socket(kind, socket.SOCK_DGRAM)
    rtp.bind((ours, 0))
    rtp.setblocking(False)
    return rtp


async def _speak(rtp: socket.socket, there: tuple[str | None, int]) -> None:
    """Both parties in turn, at the pace of a telephone."""
    host, port = there[0] or rtp.getsockname()[0], there[1]
    if ipaddress.ip_address(host).is_unspecified:
        host = rtp.getsockname()[0]
    loop = asyncio.get_running_loop()
    due, stamp = loop.time(), 0
    for first, source in PARTIES:
        for number in range(FRAMES):
            header = struct.pack("!BBHII", 0x80, 0, first + number, stamp, source)
            rtp.sendto(header + _VOICE * FRAME_SAMPLES, (host, port))
            stamp += FRAME_SAMPLES
            due += FRAME_SECONDS
            await asyncio.sleep(max(0.0, due - loop.time()))


def _told(visit: Visit, kind: type[RecordingStarted | RecordingFinished], name: str) -> bool | None:
    """Whether Asterisk told that of our recording."""
    told = (event for event in visit.heard if isinstance(event, kind))
    return True if any(event.name == name for event in told) else None


async def _downloaded(visit: Visit, name: str) -> float | None:
    settings = visit.ari_settings
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(PATIENCE))
        session = await stack.enter_async_context(open_session(settings))
        answer = await stack.enter_async_context(
            session.get(f"{settings.base}/recordings/stored/{name}/file")
        )
        if answer.status != 200:
            return None
        with wave.open(io.BytesIO(await answer.read())) as recording:
            return float(recording.getnframes() / recording.getframerate())
