"""Recorders of others, as far as Asterisk's configuration files show them.

callguard stops what it sees start; what stands configured here starts again on every call.
"""

from __future__ import annotations

import re
from pathlib import Path

from callguard.cli.checks.confreading import Setting, read_settings
from callguard.cli.checks.finding import Finding, advice, fault, ok, warning
from callguard.config import Config

_FILES = ("queues.conf", "features.conf", "pjsip.conf", "extensions.conf")

#: Applications of the dialplan that record.
_RECORDS = re.compile(r"\b(MixMonitor|Monitor|Record|ConfBridge)\s*\(", re.IGNORECASE)

#: Options of Queue() and Dial() by which a party can start a recording with a key.
_BY_KEY = re.compile(r"\b(Queue|Dial)\s*\([^,)]*(?:,[^,)]*)?,\s*([A-Za-z()$\{\}]*[xXwW][A-Za-z]*)")


def check_recorders(config: Config, etc: Path) -> list[Finding]:
    """Look for what records without asking callguard."""
    readable = [name for name in _FILES if _can_read(etc / name)]
    if not readable:
        what = "Asterisk's files cannot be read, so recorders of others were not looked for"
        remedy = "run doctor as an account that may read them, or name their directory with --asterisk-etc"
        return [advice("other recorders", what, str(etc), remedy)]
    queues = {config.recorded_queue(name) for name in config.queues}
    refusers = {config.unrecorded_queue(name) for name in config.queues}
    findings: list[Finding] = []
    for setting in read_settings(etc / "queues.conf"):
        findings += _queue(setting, queues, refusers)
    for setting in read_settings(etc / "features.conf"):
        if setting.section == "featuremap" and setting.key in ("automixmon", "automon") and setting.value:
            what = f"agents can start a recording with {setting.value} ({setting.key})"
            remedy = "remove it, and x, X, w and W from the options of Queue and Dial"
            findings.append(warning("other recorders", what, setting.where, remedy))
    for setting in read_settings(etc / "pjsip.conf"):
        if setting.key == "one_touch_recording" and setting.value.lower() in ("yes", "true", "1", "on"):
            what = f"[{setting.section}] can start a recording with its record button"
            findings.append(warning("other recorders", what, setting.where, "one_touch_recording = no"))
    for setting in read_settings(etc / "extensions.conf"):
        findings += _line(setting)
    if findings:
        return findings
    missing = [name for name in _FILES if name not in readable]
    seen = f"none in {', '.join(readable)}" + (f"; not there: {', '.join(missing)}" if missing else "")
    return [ok("other recorders", seen, str(etc))]


def _queue(setting: Setting, queues: set[str], refusers: set[str]) -> list[Finding]:
    if setting.key != "monitor-format" or not setting.value:
        return []
    what = f"[{setting.section}] has monitor-format: Asterisk records its calls by itself"
    remedy = "remove monitor-format there, then: asterisk -rx 'queue reload all'"
    if setting.section in refusers:
        what += ", also those of callers who refused"
    if setting.section in queues | refusers:
        return [fault("other recorders", what, setting.where, remedy)]
    return [advice("other recorders", what, setting.where, "give it a gate of callguard's, or remove it")]


def _line(setting: Setting) -> list[Finding]:
    if setting.section.startswith("callguard"):
        return []
    found = _RECORDS.search(setting.value)
    if found and found[1].lower() != "confbridge":
        what = f"[{setting.section}] records by itself ({found[1]}), whatever the caller answered"
        remedy = "remove it where callers of callguard's queues come by"
        return [warning("other recorders", what, setting.where, remedy)]
    by_key = _BY_KEY.search(setting.value)
    if by_key:
        what = f"[{setting.section}] lets a key start a recording ({by_key[1]} with option {by_key[2]})"
        return [warning("other recorders", what, setting.where, "leave out x, X, w and W")]
    return []


def _can_read(path: Path) -> bool:
    try:
        with path.open("rb"):
            return True
    except OSError:
        return False
