"""What callguard asks of Asterisk over AMI, on a link that comes back.

A user with ``read=call,user,dtmf`` and ``write=call`` is enough for all of it. An action is sent once: one
that was not answered when the connection was lost fails with AmiLost, because a stop or a mute that is
carried out later would hit a call in another state.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

import structlog

from callguard.asterisk.ami_line import AmiLine, Fields, OnAmiEvent
from callguard.asterisk.backoff import Backoff
from callguard.asterisk.errors import AmiLost, AmiRefused
from callguard.asterisk.link import Link
from callguard.asterisk.settings import AmiSettings
from callguard.asterisk.versions import NOTES, Quirk, quirks_of

log = structlog.get_logger(__name__)


class Ami(Link[AmiLine]):
    """AMI, with the verbs callguard needs. Channels are named by their name or, better, their Uniqueid.

    Args:
        settings: Where and as whom.
        on_event: Called for every event of the settings' types, in order, with its headers (of a header that
            comes twice, the first); it must return at once.
        on_up: Awaited after each connect, to catch up with what happened meanwhile.
        on_down: Called when a line that was up is lost, with the reason.
        backoff: How long to wait between attempts.

    All verbs raise AmiRefused, AmiTimeout or AmiLost.
    """

    name = "ami"

    def __init__(
        self,
        settings: AmiSettings,
        *,
        on_event: OnAmiEvent | None = None,
        on_up: Callable[[Ami], Awaitable[None]] | None = None,
        on_down: Callable[[str], None] | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        super().__init__(
            on_up=None if on_up is None else lambda _line: on_up(self), on_down=on_down, backoff=backoff
        )
        self.quirks: frozenset[Quirk] = frozenset()  #: what is different on the Asterisk that is there
        #: Recordings (channel and id) that we had stopped: the events of a stop do not say who ordered it.
        self.own_stops: set[tuple[str, str]] = set()
        self._settings = settings
        self._on_event = on_event

    async def action(
        self, name: str, fields: Fields | None = None, deadline: float | None = None
    ) -> dict[str, str]:
        """Send one action, once.

        Args:
            name: Such as ``MixMonitorMute``.
            fields: Its headers. A line break or NUL in one, or a line too long for Asterisk, is refused here.
            deadline: Seconds; the one of the settings when None.

        Returns:
            The headers of the answer.
        """
        if name == "MixMonitorMute" and Quirk.MUTE_LOCKS_UP in self.quirks:
            raise AmiRefused(f"not sent, this Asterisk {NOTES[Quirk.MUTE_LOCKS_UP].lacks}", name)
        return await self._up(name).ask(
            name, fields, self._settings.deadline if deadline is None else deadline
        )

    async def stop_mixmonitor(self, channel: str, mixmonitor_id: str) -> None:
        """Stop one recording of a channel."""
        fields = {"Channel": channel, "MixMonitorID": _named(mixmonitor_id, "StopMixMonitor")}
        self.own_stops.add((channel, mixmonitor_id))
        try:
            await self.action("StopMixMonitor", fields)
        except AmiRefused:
            self.own_stops.discard((channel, mixmonitor_id))
            raise

    async def mute_mixmonitor(
        self, channel: str, mixmonitor_id: str, direction: Literal["read", "write", "both"], state: bool
    ) -> None:
        """Write zeros (True) or speech (False) for what the channel says (read), hears (write) or both."""
        await self.action(
            "MixMonitorMute",
            {
                "Channel": channel,
                "MixMonitorID": _named(mixmonitor_id, "MixMonitorMute"),
                "Direction": direction,
                "State": "1" if state else "0",
            },
        )

    async def set_variable(self, channel: str, name: str, value: str) -> None:
        """Set a channel variable, in Stasis or not."""
        await self.action("Setvar", {"Channel": channel, "Variable": name, "Value": value})

    async def press(self, channel: str, digit: str, milliseconds: int) -> None:
        """Have a channel receive a key, as if its telephone had sent it; the other side does not hear it."""
        await self.action(
            "PlayDTMF",
            {"Channel": channel, "Digit": digit, "Duration": str(milliseconds), "Receive": "1"},
        )

    async def redirect(self, channel: str, context: str, extension: str, priority: int = 1) -> None:
        """Send a channel to another place in the dialplan, out of whatever it is in."""
        await self.action(
            "Redirect", {"Channel": channel, "Context": context, "Exten": extension, "Priority": priority}
        )

    async def status(self) -> list[dict[str, str]]:
        """All channels of the PBX, one dict of AMI's headers for each."""
        answer = await self._up("Status").ask_list("Status", None, self._settings.deadline)
        return [each for each in answer if each.get("Event") == "Status"]

    async def whereabouts(self, channel: str, name: str) -> tuple[str, str]:
        """The application that a channel is in, and a variable of it or one of the dialplan's functions."""
        fields = {"Channel": channel, "Variables": name}
        answer = await self._up("Status").ask_list("Status", fields, self._settings.deadline)
        for each in answer:
            if each.get("Event") == "Status":
                return each.get("Application", ""), each.get("Variable", "").partition("=")[2]
        raise AmiRefused("no such channel", "Status")

    async def ping(self) -> None:
        """Ask whether Asterisk answers."""
        await self.action("Ping")

    def _up(self, action: str) -> AmiLine:
        if self._line is None:
            raise AmiLost(f"the AMI action {action} was not sent: there is no connection to AMI")
        return self._line

    async def _open(self) -> AmiLine:
        line = await AmiLine.open(self._settings, self._on_event)
        try:
            self.quirks = await self._quirks(line)
        except BaseException:
            await line.close()
            raise
        return line

    async def _quirks(self, line: AmiLine) -> frozenset[Quirk]:
        try:
            # CoreSettings tells it too, but wants another class of rights.
            answer = await line.ask("Getvar", {"Variable": "VERSION()"}, self._settings.deadline)
        except AmiRefused as error:
            log.debug("Asterisk does not tell its release over AMI, a new one is assumed", why=str(error))
            return frozenset()
        return quirks_of(answer.get("Value", ""))


def _named(mixmonitor_id: str, action: str) -> str:
    """The id, which must be there: without one Asterisk stops the newest recording and mutes all of them."""
    if not mixmonitor_id:
        raise AmiRefused("not sent, it would hit recordings of others: the MixMonitorID is missing", action)
    return mixmonitor_id
