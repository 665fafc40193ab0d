"""Which Asterisk this is, what it has loaded, what time it thinks it is, and whether callguard is there."""

from __future__ import annotations

from datetime import UTC, datetime

from callguard.asterisk.ari import Ari
from callguard.asterisk.errors import AriRefused
from callguard.asterisk.versions import NOTES, OLDEST, quirks_of, release_of
from callguard.cli.checks.finding import Finding, advice, fault, ok, warning
from callguard.cli.checks.visit import Visit

#: Clocks further apart than this make entries of the ledger and of Asterisk's logs hard to match, seconds.
CLOCK_TOLERANCE = 2.0


#: How loudly a note is told: by whether it is dangerous, and whether callguard does something about it.
_LEVELS = {
    (True, False): fault,
    (True, True): warning,
    (False, False): advice,
    (False, True): advice,
}

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
    "func_version": "knowing the release over AMI, and both directions in step on Asterisk 16 and 17",
    "res_ari_device_states": "lamps on agents' telephones",
    "res_stasis_device_state": "lamps on agents' telephones",
    "res_stasis_recording": "doctor's test for lost voices",
    "res_stasis_snoop": "telling agents, and parties who join, what nobody else hears; warning tones",
}


#: What is needed to hear callers who answer by voice.
HEARING = {
    "res_ari_bridges": "hearing callers who answer by voice",
    "res_stasis_snoop": "hearing callers who answer by voice",
}
#: One of these brings what they say.
CARRIERS = ("chan_websocket", "chan_rtp")


async def check_version(_: Visit, ari: Ari) -> list[Finding]:
    """The release, and what is lost or dangerous on it."""
    return judge_version((await ari.asterisk_info()).version)


def judge_version(text: str) -> list[Finding]:
    """What is to be said of an Asterisk that calls itself so."""
    release = release_of(text)
    if release is None:
        remedy = "compare with the releases that README names; everything else here still holds"
        return [advice("version", f"Asterisk calls itself {text!r}, which says no release", "", remedy)]
    if release[0] < OLDEST:
        what = f"Asterisk {text} is older than {OLDEST}, the oldest that callguard works with"
        return [fault("version", what, "", "upgrade Asterisk to a supported release, such as 22")]
    findings = [ok("version", f"Asterisk {text}")]
    quirks = quirks_of(text)
    for note in (note for quirk, note in NOTES.items() if quirk in quirks):
        told = _LEVELS[note.dangerous, bool(note.instead)]
        what = "; ".join(filter(None, (f"this release {note.lacks}: {note.symptom}", note.instead)))
        findings.append(
            told("version", what, f"Asterisk {text}", f"upgrade Asterisk (gone from {note.fixed} on)")
        )
    return findings


async def check_modules(visit: Visit, ari: Ari) -> list[Finding]:
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
    if visit.config.speech.enabled:
        findings += [
            fault(
                "modules", f"{name} is not running: {use}", where, f"load = {name}.so, or speech.enabled: no"
            )
            for name, use in HEARING.items()
            if name not in running
        ]
        if not running.intersection(CARRIERS):
            what = "neither chan_websocket nor chan_rtp is running: nobody hears callers who answer by voice"
            findings.append(fault("modules", what, where, "load = chan_rtp.so, or speech.enabled: no"))
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
    app = visit.config.app
    try:
        await ari.request("GET", f"applications/{app}")
    except AriRefused as error:
        if error.status != 404:
            raise
        what = f"no controller is connected as {app}: every call goes on unrecorded"
        return [advice("controller", what, "asterisk.ari.app", "start it: callguard run")]
    return [ok("controller", f"one is connected as {app}")]
