"""Recorders of others, as far as Asterisk's configuration files show them.

callguard stops what it sees start; what stands configured here starts again on every call. Some of it can
only be found here: applications that record without telling, and programs that are given the audio.
"""

from __future__ import annotations

from pathlib import Path

from callguard.cli.checks.finding import Finding, advice, fault, ok, warning
from callguard.config import Config
from callguard.controller import recorders
from callguard.controller.recorders import Kind, Recorder

_FILES = ("queues.conf", "features.conf", "pjsip.conf", "extensions.conf", "confbridge.conf")

_REMEDIES = {
    Kind.KEY: "remove it, and x, X, w and W from the options of Queue and Dial",
    Kind.BUTTON: "one_touch_recording = no",
    Kind.DIALPLAN: "remove it where callers of callguard's queues come by",
    Kind.LISTENING: "leave out the option r",
    Kind.CONFERENCE: "record_conference = no where callers of callguard's queues come by",
    Kind.STREAM: "make sure that it keeps nothing of those who refused: callguard does not see what it does",
}


def check_recorders(config: Config, etc: Path) -> list[Finding]:
    """Look for what records without asking callguard."""
    readable = [name for name in _FILES if recorders.can_read(etc / name)]
    if not readable:
        what = "Asterisk's files cannot be read, so recorders of others were not looked for"
        remedy = "run doctor as an account that may read them, or name their directory with --asterisk-etc"
        return [advice("other recorders", what, str(etc), remedy)]
    findings = [_queue(config, recorder) for recorder in recorders.queues(etc)]
    others = (
        recorders.keys(etc),
        recorders.buttons(etc),
        recorders.dialplan(etc),
        recorders.conferences(etc),
    )
    findings += [
        warning("other recorders", recorder.what, recorder.where, _REMEDIES[recorder.kind])
        for found in others
        for recorder in found
        if recorder.kind in _REMEDIES
    ]
    if findings:
        return findings
    missing = [name for name in _FILES if name not in readable]
    seen = f"none in {', '.join(readable)}" + (f"; not there: {', '.join(missing)}" if missing else "")
    return [ok("other recorders", seen, str(etc))]


def _queue(config: Config, recorder: Recorder) -> Finding:
    queues = {config.recorded_queue(name) for name in config.queues}
    refusers = {config.unrecorded_queue(name) for name in config.queues}
    what = recorder.what
    remedy = "remove monitor-format there, then: asterisk -rx 'queue reload all'"
    if recorder.name in refusers:
        what += ", also those of callers who refused"
    if recorder.name in queues | refusers:
        return fault("other recorders", what, recorder.where, remedy)
    return advice("other recorders", what, recorder.where, "give it a gate of callguard's, or remove it")
