"""Which Asterisk this is, what it has loaded, what time it thinks it is, and whether callguard is there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from callguard.asterisk.ari import Ari
from callguard.asterisk.errors import AriRefused
from callguard.cli.checks.finding import Finding, advice, fault, ok, warning
from callguard.cli.checks.visit import Visit

OLDEST = 16

#: Clocks further apart than this make entries of the ledger and of Asterisk's logs hard to match, seconds.
CLOCK_TOLERANCE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """Something that came in the middle of several branches of Asterisk."""

    name: str
    since: Mapping[int, int]  #: branch -> its first release that has it
    lost: str  #: what callers or administrators lose without it

    def in_version(self, major: int, minor: int) -> bool:
        """Whether that release has it."""
        first = self.since.get(major)
        return major > max(self.since) if first is None else minor >= first


#: Releases as their change logs name them, and as seen in the sources of these tags.
FEATURES = (
    Feature(
        name="StasisBroadcast",
        since={20: 17, 22: 7, 23: 1},
        lost="a frozen controller costs a new caller up to 5 s of silence instead of half a second",
    ),
    Feature(
        name="requests over the websocket",
        since={20: 14, 21: 9, 22: 4},
        lost="each request costs twice the processor time",
    ),
    Feature(
        name="muting one recording by its id",
        since={18: 18, 20: 3, 21: 0, 22: 0},
        lost="a pause mutes every recording of a channel, also those of others",
    ),
)

#: What the dialplan and the controller cannot work without, and what for.
REQUIRED = {
    "app_exec": "the dialplan (ExecIf, TryExec)",
    "app_mixmonitor": "recording",
    "app_stack": "the dialplan (Gosub)",
    "app_stasis": "handing callers over",
    "app_userevent": "telling that a recording began",
    "format_sln": "recordings",
    "format_wav": "announcements",
    "func_callerid": "numbers that bypass",
    "func_cut": "verdicts in the dialplan",
    "func_dialplan": "numbers that bypass",
    "func_strings": "the dialplan (FILTER)",
    "func_timeout": "rescuing callers when the controller dies",
    "pbx_config": "the dialplan",
    "res_ari": "ARI",
    "res_ari_applications": "ARI",
    "res_ari_asterisk": "ARI",
    "res_ari_channels": "ARI",
    "res_ari_events": "ARI",
    "res_ari_playbacks": "stopping announcements",
    "res_stasis": "handing callers over",
    "res_stasis_playback": "announcements",
}

#: What only some sites need, and what for.
USEFUL = {
    "chan_rtp": "doctor's test for lost voices",
    "func_periodic_hook": "warning tones",
    "res_stasis_recording": "doctor's test for lost voices",
    "res_stasis_snoop": "spoken answers",
}


async def check_version(_: Visit, ari: Ari) -> list[Finding]:
    """The version, and what an older one lacks."""
    text = (await ari.asterisk_info()).version
    found = re.search(r"(\d+)\.(\d+)", text)
    if found is None:
        remedy = "compare with the releases that README names; everything else here still holds"
        return [advice("version", f"Asterisk calls itself {text!r}, which says no release", "", remedy)]
    major, minor = int(found[1]), int(found[2])
    if major < OLDEST:
        what = f"Asterisk {text} is older than {OLDEST}, the oldest that callguard works with"
        return [fault("version", what, "", "upgrade Asterisk to a supported release, such as 22")]
    findings = [ok("version", f"Asterisk {text}")]
    if deadlocks_on_mute(major, minor):
        what = f"Asterisk {text} can lock up when a recording is paused (its issue 233)"
        findings.append(fault("version", what, "", "upgrade to at least 18.20 or 20.5"))
    for feature in FEATURES:
        if not feature.in_version(major, minor):
            first = ", ".join(f"{branch}.{release}" for branch, release in feature.since.items())
            what = f"no {feature.name} (from {first}): {feature.lost}"
            findings.append(advice("version", what, f"Asterisk {text}", "upgrade Asterisk"))
    return findings


def deadlocks_on_mute(major: int, minor: int) -> bool:
    """Releases in which MixMonitorMute can lock a channel for good (asterisk issue 233)."""
    return (major, minor) in {(18, 18), (18, 19), (20, 3), (20, 4)}


async def check_modules(_: Visit, ari: Ari) -> list[Finding]:
    """What is loaded."""
    answer = await ari.request("GET", "asterisk/modules")
    running = {
        str(module.get("name", "")).removesuffix(".so")
        for module in answer
        if module.get("status") == "Running"
    }
    where = "modules.conf"
    findings = [
        fault("modules", f"{name} is not running: {use}", where, f"load = {name}.so, or install it")
        for name, use in REQUIRED.items()
        if name not in running
    ]
    if not findings:
        findings = [ok("modules", f"all {len(REQUIRED)} that callguard needs are running")]
    if not any(name.startswith("res_timing_") for name in running):
        remedy = "load = res_timing_timerfd.so"
        findings.append(fault("modules", "no res_timing_*: nothing can be played", where, remedy))
    findings += [
        advice("modules", f"{name} is not running: {use}", where, f"load = {name}.so if you want that")
        for name, use in USEFUL.items()
        if name not in running
    ]
    return findings


async def check_clock(visit: Visit, ari: Ari) -> list[Finding]:
    """Asterisk's clock against ours."""
    before = datetime.now(UTC)
    answer = await ari.request("GET", "asterisk/ping")
    after = datetime.now(UTC)
    theirs = datetime.fromisoformat(answer["timestamp"])
    apart = (theirs - (before + (after - before) / 2)).total_seconds()
    if abs(apart) > CLOCK_TOLERANCE:
        what = f"Asterisk's clock is {apart:+.1f} s from this machine's"
        remedy = "let both follow the same time servers (chrony or systemd-timesyncd)"
        return [warning("clock", what, visit.config.asterisk.ari.url, remedy)]
    return [ok("clock", f"Asterisk's is {apart * 1000:+.0f} ms from this machine's")]


async def check_controller(visit: Visit, ari: Ari) -> list[Finding]:
    """Whether a controller has connected under the application's name."""
    app = visit.config.asterisk.ari.app
    try:
        await ari.request("GET", f"applications/{app}")
    except AriRefused as error:
        if error.status != 404:
            raise
        what = f"no controller is connected as {app}: every call goes on unrecorded"
        return [advice("controller", what, "asterisk.ari.app", "start it: callguard run")]
    return [ok("controller", f"one is connected as {app}")]
