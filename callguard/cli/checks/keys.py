"""Whether Asterisk itself writes down which keys are pressed, and whether the hot keys are free."""

from __future__ import annotations

import re
from pathlib import Path

from callguard.cli.checks.finding import Finding, advice, ok, warning
from callguard.config import Config
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


def check_hotkeys(config: Config, etc: Path) -> list[Finding]:
    """Look for features of the site whose keys are the same as ours, or the beginning of the other.

    Of two codes that begin alike Asterisk runs the shorter one as soon as it is complete.
    """
    path = etc / "features.conf"
    found = []
    for setting in read_settings(path):
        if setting.section == "featuremap":
            code = setting.value
        elif setting.section == "applicationmap" and not setting.key.startswith("callguard-"):
            code = setting.value.partition(",")[0]
        else:
            continue
        code = code.strip()
        for name, ours in config.pause.hotkeys if code else ():
            if ours.startswith(code):
                what = (
                    f"{setting.key} ({code}) is run where agents press {ours}, the hot key to {_DOES[name]}"
                )
            elif code.startswith(ours):
                theirs = f"{code} ({setting.key})"
                what = f"the hot key to {_DOES[name]} ({ours}) is run where somebody presses {theirs}"
            else:
                continue
            remedy = (
                f"choose another code for one of them; ours is pause.hotkeys.{name}, then `callguard init`"
            )
            found.append(warning("hot keys", what, setting.where, remedy))
    return found or [ok("hot keys", "no other feature of Asterisk has their keys", str(path))]


_DOES = {
    "pause": "pause",
    "drop": "pause and erase what was just said",
    "resume": "resume",
    "extend": "extend a pause",
    "withdraw": "stop for good",
    "refuse": "refuse for the agent",
    "agreed": "say that the caller agreed",
}
