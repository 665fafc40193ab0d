"""Whether Asterisk itself writes down which keys are pressed."""

from __future__ import annotations

import re
from pathlib import Path

from callguard.cli.checks.finding import Finding, advice, ok, warning
from callguard.controller.confreading import read_settings

#: Levels of logger.conf that write each key, with its digit, into a log (Asterisk 16 to 22).
TELLING = frozenset({"dtmf", "*"})


def check_key_log(etc: Path) -> list[Finding]:
    """Look for log channels that keep the digits of every card that is keyed."""
    path = etc / "logger.conf"
    try:
        path.read_bytes()
    except OSError:
        what = "cannot be read, so it is not known whether Asterisk logs the keys that are pressed"
        remedy = "run doctor as an account that may read it, or name its directory with --asterisk-etc"
        return [advice("log of keys", what, str(path), remedy)]
    found = []
    for setting in read_settings(path):
        # The form of the lines may stand in brackets before the levels.
        levels = {level.strip().lower() for level in re.sub(r"\[[^\]]*\]", "", setting.value).split(",")}
        if setting.section == "logfiles" and levels & TELLING:
            what = f"{setting.key} takes every key that is pressed, card numbers too"
            remedy = "take dtmf (and *) out of that line, then: asterisk -rx 'logger reload'"
            found.append(warning("log of keys", what, setting.where, remedy))
    return found or [ok("log of keys", "no log of Asterisk takes the keys that are pressed", str(path))]
