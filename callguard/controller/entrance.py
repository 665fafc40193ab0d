"""Where keys come in from the manager interface: from here on it is known that one was pressed, and when.

Hot keys of agents are no keys in this sense. A code begins with * or #, which no card number does, so what an
agent presses is looked at until it is a code or cannot become one; that is all that is ever remembered of it.
Nor are the numbers that agents dial to pass a call on: those follow a code of the PBX.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from callguard.config import Config
from callguard.controller.segments import SEGMENT_KEY

#: For how long after a key * or # of an agent, and after each key that follows, an agent is taken to dial: to
#: pass the call on, or to park it (seconds; Asterisk waits 3 for the next digit of a transfer).
DIALS = 4.0


@dataclass(slots=True)
class _Phone:
    """What is pressed on one channel now."""

    down: float | None = None  #: since when a key is held down
    code: str = ""  #: the beginning of a hot key
    waiting: list[float] = field(default_factory=list)  #: when its keys were pressed
    dials: float = 0.0  #: until when its keys are taken for a number to be dialled


def agent_codes(config: Config) -> frozenset[str]:
    """The hot keys of agents, and the one that is pressed for them."""
    keys = config.pause.hotkeys
    return frozenset({SEGMENT_KEY, *(getattr(keys, name) for name in type(keys).model_fields)})


class Entrance:
    """Takes digits, gives times.

    Args:
        codes: the hot keys of agents.
    """

    def __init__(self, codes: Collection[str]) -> None:
        self.codes = frozenset(codes)
        self._phones: dict[str, _Phone] = {}

    def take(self, event: Mapping[str, str], *, has_codes: bool) -> list[float]:
        """A key went down (DTMFBegin) or up (DTMFEnd).

        Keys that were sent by SIP INFO only go up; that tells how long they were down.

        Args:
            event: AMI's.
            has_codes: whether this channel has the hot keys.

        Returns:
            When keys were pressed that count, on the monotonic clock.
        """
        now, phone = time.monotonic(), self._phones.setdefault(event.get("Uniqueid", ""), _Phone())
        if event.get("Event") == "DTMFBegin":
            phone.down = now
            began = now
        elif phone.down is not None:
            phone.down = None
            return []
        else:
            held = event.get("DurationMs", "")
            began = now - (int(held) / 1000 if held.isdecimal() else 0.0)
        return self._sift(phone, event.get("Digit", ""), began) if has_codes else [began]

    def gone(self, channel: str) -> None:
        """A channel hung up."""
        self._phones.pop(channel, None)

    def _sift(self, phone: _Phone, digit: str, at: float) -> list[float]:
        """Times of the keys that are known to be in no hot key."""
        phone.code += digit
        phone.waiting.append(at)
        if phone.code in self.codes:
            phone.code, phone.waiting = "", []
            return []
        known: list[float] = []
        while phone.code and not any(code.startswith(phone.code) for code in self.codes):
            # It may still end in the beginning of one.
            key, phone.code = phone.code[0], phone.code[1:]
            pressed = phone.waiting.pop(0)
            if key in "*#" or pressed < phone.dials:
                phone.dials = pressed + DIALS
            else:
                known.append(pressed)
        return known
