"""A call of doctor's own: a Local channel through the loaded dialplan, which records it into the spool.

Its near end is in doctor's application, where things can be played to it; its far end is in the dialplan's
``[callguard-probe]``, as a caller would be.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from callguard.asterisk.ari import Ari
from callguard.asterisk.errors import AriRefused
from callguard.cli.checks.finding import Finding, advice, fault, ok
from callguard.cli.checks.visit import Visit
from callguard.config.dialplan import settings, stamp_of
from callguard.controller.keeping import spool_of
from callguard.errors import CallguardError
from callguard.recording import Spool

#: Seconds until both files of a recording must be there; milliseconds on a healthy PBX.
OPENED_SECONDS = 2.0

_REMEDY = (
    "write callguard.conf anew (`callguard init --pbx-only --force`), copy it to Asterisk's configuration "
    "directory, #include it in extensions.conf, then: asterisk -rx 'dialplan reload'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """The two ends of the call."""

    call: str  #: what a real call's id would be: names the files in the spool

    @property
    def near(self) -> str:
        """The end in doctor's application."""
        return f"{self.call}-near"

    @property
    def far(self) -> str:
        """The end in the dialplan, which is recorded."""
        return f"{self.call}-far"


@contextlib.asynccontextmanager
async def probing(visit: Visit, ari: Ari) -> AsyncIterator[Probe | None]:
    """Place the call, and leave nothing of it behind; None when the dialplan does not take it."""
    probe = Probe(call=str(uuid.uuid4()))
    spool = spool_of(visit.config)
    made = not spool.directory.exists()
    # As `callguard run` would: Asterisk would make it as well, but for itself alone.
    with contextlib.suppress(CallguardError):
        spool.prepare()
    directories = {spool.directory}
    try:
        await ari.request(
            "POST",
            "channels",
            {
                "endpoint": "Local/probe@callguard-probe/n",
                "app": visit.app,
                "channelId": probe.near,
                "otherChannelId": probe.far,
                "callerId": "callguard doctor <>",
                "timeout": 5,
            },
            {"variables": {"CALLGUARD_PROBE": probe.call}},
        )
        arrived = await visit.entered(probe.near)
        if arrived and (loaded := await ari.variable(probe.far, "CALLGUARD_SPOOL")):
            directories.add(Path(loaded))
        yield probe if arrived else None
    finally:
        await ari.hangup(probe.near)
        await ari.hangup(probe.far)
        for directory in directories:
            for path in Spool(directory=directory).paths(probe.call):
                with contextlib.suppress(OSError):
                    path.unlink()
        if made:
            with contextlib.suppress(OSError):
                spool.directory.rmdir()


async def check_dialplan(visit: Visit, ari: Ari, probe: Probe | None) -> list[Finding]:
    """Whether the loaded dialplan is ours, and this configuration's."""
    where = "extensions.conf"
    if probe is None:
        what = "[callguard-probe] does not answer: the dialplan is not loaded, or an older one"
        return [fault("dialplan", what, where, _REMEDY)]
    findings: list[Finding] = []
    for context, extension in (("callguard", "consent"), ("callguard", "T"), ("callguard-site", "settings")):
        if not await _exists(ari, probe, context, extension):
            findings.append(fault("dialplan", f"[{context}] has no extension {extension}", where, _REMEDY))
    for name, wanted in settings(visit.config).items():
        loaded = await ari.variable(probe.far, name)
        if loaded != wanted:
            what = f"{name} is {loaded!r} in the loaded dialplan and {wanted!r} in the configuration"
            findings.append(fault("dialplan", what, "callguard.conf", _REMEDY))
    absent = [
        number
        for number in visit.config.bypass.numbers
        if not await _exists(ari, probe, "callguard-bypass", number)
    ]
    if absent:
        what = f"these numbers do not bypass in the loaded dialplan: {', '.join(absent)}"
        findings.append(fault("dialplan", what, "[callguard-bypass]", _REMEDY))
    if findings:
        return findings
    if await ari.variable(probe.far, "CALLGUARD_DIALPLAN") != stamp_of(visit.config):
        what = "the loaded dialplan is not what this version would write for this configuration"
        return [advice("dialplan", what, "callguard.conf", _REMEDY)]
    return [ok("dialplan", "is loaded, and is this version's for this configuration")]


async def check_spool_is_written(visit: Visit, ari: Ari, probe: Probe) -> list[Finding]:
    """Whether Asterisk can write into the spool, and callguard read what it wrote."""
    spool = spool_of(visit.config)
    where = str(spool.directory)
    if await ari.variable(probe.far, "CALLGUARD_MIXMONITOR") in (None, ""):
        return [fault("spool", "MixMonitor did not start", where, "see Asterisk's log for the reason")]
    if not await _opened(visit, spool, probe.call):
        remedy = (
            "let Asterisk's account write there: one group for both accounts, which owns the directory, mode "
            "2770 (usermod -aG callguard asterisk, then restart Asterisk), or see its log. The PBX must be "
            "this machine, with the same path"
        )
        return [fault("spool", "Asterisk recorded, and no file appeared in it", where, remedy)]
    unreadable = [path for path in spool.paths(probe.call) if not _readable(path)]
    if unreadable:
        what = f"Asterisk's files there cannot be read by this account ({unreadable[0].name})"
        remedy = "run doctor as callguard's account; then see the group of the directory and Asterisk's umask"
        return [fault("spool", what, where, remedy)]
    return [ok("spool", "Asterisk writes into it, and what it writes can be read", where)]


async def _opened(visit: Visit, spool: Spool, call: str) -> bool:
    # Files have no event here; what arrives meanwhile only makes it look sooner.
    for _ in range(20):
        if spool.opened(call):
            return True
        await visit.until(lambda: None, OPENED_SECONDS / 20)
    return spool.opened(call)


def _readable(path: Path) -> bool:
    try:
        path.read_bytes()
    except OSError:
        return False
    return True


async def _exists(ari: Ari, probe: Probe, context: str, extension: str) -> bool:
    try:
        found = await ari.variable(probe.far, f"DIALPLAN_EXISTS({context},{extension},1)")
    except AriRefused:  # func_dialplan is not loaded, which is a finding of its own
        return True
    return found == "1"
