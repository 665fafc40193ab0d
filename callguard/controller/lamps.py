"""The lamp on each agent's telephone: what the recorder does on the agent's calls.

A lamp is a device state of Asterisk (``Stasis:callguard-<agent>``) that a telephone subscribes to, by the
hints in ``dialplan/callguard-lamps.conf``. What is shown is what the recorder said, never what somebody
asked for: whoever calls `show` has seen it.

    recorder   device state  dialog-info  on a telephone
    off        NOT_INUSE     terminated   dark, or green
    recording  INUSE         confirmed    lit, red
    paused     RINGING       early        blinks
    fault      ONHOLD        confirmed    lit; telephones that show "on hold" (sip.rendering) blink slowly
    (nobody)   UNAVAILABLE   terminated   dark: callguard is not there to say

Decided 2026-11: a fault is shown like a recording where a telephone cannot show more. A telephone tells three
states apart at most, and of the mistakes that leaves, "it may still be recording" is the one that makes no
agent ask for a card number.

Decided 2026-11: states are never deleted. A telephone goes on showing the last state of one that was
(22.10.1), and Asterisk keeps them over its own restart and ours; so a controller that connects sets every
lamp there is anew, and one that leaves says so on all of them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection

import structlog

from callguard.asterisk.ari import Ari
from callguard.asterisk.errors import AriLost, AriRefused
from callguard.controller.desk import Lamp
from callguard.errors import AsteriskError

log = structlog.get_logger(__name__)

#: What the name of every lamp's device begins with.
DEVICE = "Stasis:callguard-"

#: How an agent may be called: what an endpoint or an extension is called in Asterisk.
AGENT = re.compile(r"[A-Za-z0-9_.+-]{1,64}")

#: How long after a lamp could not be set it is tried again, and how long leaving may take (seconds).
AGAIN_SECONDS = 1.0
LEAVE_SECONDS = 2.0

STATES = {
    Lamp.OFF: "NOT_INUSE",
    Lamp.PAUSED: "RINGING",
    Lamp.RECORDING: "INUSE",
    Lamp.FAULT: "ONHOLD",
}
GONE = "UNAVAILABLE"

#: Of an agent's calls the one is shown that asks for most care: the last of these.
_CARE = (Lamp.OFF, Lamp.PAUSED, Lamp.RECORDING, Lamp.FAULT)


class Lamps:
    """All lamps of a controller.

    Args:
        ari: gives the live connection, or None while there is none.
    """

    def __init__(self, ari: Callable[[], Ari | None]) -> None:
        self._ari = ari
        self._shown: dict[str, dict[str, Lamp]] = {}  #: agent -> call -> what is shown
        self._due: dict[str, None] = {}  #: agents whose lamp is not yet set, in order
        self._setting: asyncio.Task[None] | None = None
        self._left = False

    def show(self, agent: str, call: str, lamp: Lamp) -> None:
        """Show what the recorder does on this call of the agent; returns at once."""
        if not AGENT.fullmatch(agent):
            log.warning("no lamp for an agent of this name", agent=agent)
            return
        calls = self._shown.setdefault(agent, {})
        if lamp is Lamp.OFF:
            calls.pop(call, None)
        else:
            calls[call] = lamp
        self._set(agent)

    def shown(self, agent: str) -> Lamp:
        """What an agent's lamp is meant to show now."""
        return max(self._shown.get(agent, {}).values(), key=_CARE.index, default=Lamp.OFF)

    async def rewrite(self, busy: Collection[str] | None = None) -> None:
        """Set every lamp anew, also those that a controller before this one lit. For each new connection.

        Args:
            busy: where several controllers light lamps: the agents who are on a call, so that their lamps may
                be another's. None: there is only this one.

        Raises:
            AsteriskError: the lamps that there are could not be listed.
        """
        ari = self._ari()
        if ari is None:
            return
        for device in await ari.device_states():
            agent = device.removeprefix(DEVICE)
            if device.startswith(DEVICE) and (busy is None or agent not in busy):
                self._shown.setdefault(device.removeprefix(DEVICE), {})
        for agent in self._shown:
            self._set(agent)

    async def leave(self) -> None:
        """Say on every lamp that nobody is there any more. The connection must still be up."""
        self._left = True
        for agent in self._shown:
            self._due[agent] = None
        self._go()
        if self._setting is not None:
            await asyncio.wait({self._setting}, timeout=LEAVE_SECONDS)
            self._setting.cancel()

    def _set(self, agent: str) -> None:
        if not self._left:
            self._due[agent] = None
            self._go()

    def _go(self) -> None:
        if self._setting is None or self._setting.done():
            self._setting = asyncio.get_running_loop().create_task(self._set_due(), name="lamps")

    async def _set_due(self) -> None:
        """Set one lamp after the other, always to what it is to show by then."""
        while self._due and (ari := self._ari()) is not None:
            agent = next(iter(self._due))
            del self._due[agent]
            state = GONE if self._left else STATES[self.shown(agent)]
            try:
                await ari.set_device_state(f"{DEVICE}{agent}", state)
            except AriLost:
                return  # all of them are set with the next connection
            except AriRefused as error:
                log.warning("a lamp was not set", agent=agent, state=state, why=str(error))
            except AsteriskError as error:
                log.warning("a lamp is not set yet", agent=agent, state=state, why=str(error))
                self._due[agent] = None
                await asyncio.sleep(AGAIN_SECONDS)
