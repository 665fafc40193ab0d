"""panoramisk's AMI protocol with its faults closed; which, and how, is said at the top of this package.

Taken from panoramisk 1.4: matching answers to actions, lists of events as one answer, reading messages.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Protocol

import structlog
from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol
from panoramisk.message import Message

from callguard.asterisk.errors import AmiLost, AmiRefused

log = structlog.get_logger(__name__)

#: The longest line Asterisk 22.10.1 reads whole, without its line end (tried). Of a longer one it drops the
#: beginning and takes the rest for a line of its own: a long value would be an injected header.
LONGEST_LINE = 1022

#: A message that is longer without an end is not AMI; a Status event has about 1 kB.
LONGEST_MESSAGE = 1024 * 1024

_BANNER = b"Asterisk Call Manager/"
_END = b"\r\n\r\n"
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_BREAKS = re.compile(r"[\r\n\0]")


class Owner(Protocol):
    """Whom the protocol reports to."""

    #: panoramisk can copy all that arrives to a stream; it is asked for and never wanted.
    save_stream: None

    def dispatch(self, message: Message) -> None:
        """One event arrived."""

    def connection_lost(self, fault: object) -> None:
        """The connection ended."""


class Ask(Action):  # type: ignore[misc]  # panoramisk has no types
    """An action whose answer is one message, or a list when a list was asked for and not refused.

    panoramisk guesses it from the wording of the answer, and waits for ever for a list that was refused.
    """

    @property
    def multi(self) -> bool:
        """Whether more messages belong to the answer."""
        return bool(self.as_list and self.responses[0].success)


class GuardedProtocol(AMIProtocol):  # type: ignore[misc]  # panoramisk has no types
    """panoramisk's protocol, guarded.

    Only whole messages are read, only what Asterisk reads as it was meant is sent, and nothing is kept to be
    sent again on another connection.
    """

    responses: dict[str, Action]

    def __init__(self, owner: Owner, allowed_events: tuple[str, ...]) -> None:
        self._owner = owner
        self._allowed = frozenset(name.encode() for name in allowed_events)
        self._unread = b""
        self._complained = False
        self.greeted = asyncio.get_running_loop().create_future()
        self.heard = asyncio.get_running_loop().time()

    def connection_made(self, transport: Any) -> None:
        """Start reading."""
        super().connection_made(transport)
        self.encoding = "utf-8"
        self.factory = self._owner

    def data_received(self, data: bytes) -> None:
        """Cut into messages as bytes, so that a character cut in two by the network stays whole."""
        self.heard = asyncio.get_running_loop().time()
        *messages, self._unread = (self._unread + data).split(_END)
        if not self.greeted.done() and (messages or b"\r\n" in self._unread):
            banner, _, rest = (messages[0] if messages else self._unread).partition(b"\r\n")
            if not banner.startswith(_BANNER):
                self._give_up("what answers there is not AMI")
                return
            if messages:
                messages[0] = rest
            else:
                self._unread = rest
            self.greeted.set_result(banner.removeprefix(_BANNER).decode(errors="replace"))
        for message in messages:
            self._read(message.strip(b"\r\n"))
        if len(self._unread) > LONGEST_MESSAGE:
            self._give_up(f"Asterisk sent a message of more than {LONGEST_MESSAGE} bytes without an end")

    def send(self, data: Action, as_list: bool = False) -> asyncio.Future[Any]:
        """Send one action. Raises AmiRefused when a line of it would not reach Asterisk as one line."""
        for name, value in data.items():
            fault = _unfit(name, f"{name}: {value}")
            if fault:
                raise AmiRefused(f"not sent, {fault}", str(data["Action"]).splitlines()[0])
        future: asyncio.Future[Any] = super().send(data, as_list=as_list)
        return future

    def forget(self, action: Action) -> None:
        """Nobody waits for this action any more."""
        self.responses.pop(action.id, None)

    def close(self) -> None:
        """Close; whoever still waits gets AmiLost, and the action is never sent again."""
        waiting, self.responses = self.responses, {}
        for action in waiting.values():
            if not action.future.done():
                action.future.set_exception(
                    AmiLost(
                        f"the AMI action {action['Action']} was not answered before the connection was lost"
                    )
                )
        super().close()

    def _read(self, raw: bytes) -> None:
        if raw.startswith(b"Event: ") and b"\r\nActionID: " not in raw and _event(raw) not in self._allowed:
            return
        try:
            message = Message.from_line(raw.decode(errors="replace"))
            if message is not None:
                self.handle_message(message)
            elif raw:
                self._complain("a message that is neither an answer nor an event")
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # panoramisk takes some headers to be there, and to be there once.
            self._complain(f"a message that panoramisk cannot read ({type(error).__name__})")

    def _complain(self, what: str) -> None:
        (log.debug if self._complained else log.warning)("Asterisk sent something unreadable", what=what)
        self._complained = True

    def _give_up(self, why: str) -> None:
        self.connection_lost(AmiLost(why))


def _event(raw: bytes) -> bytes:
    """The name of an event."""
    return raw.removeprefix(b"Event: ").split(b"\r\n", 1)[0]


def _unfit(name: str, line: str) -> str:
    """Why a header would not reach Asterisk as the one line it is meant to be; empty when it would."""
    if not _HEADER.fullmatch(name):
        return f"{name!r} is no name for a header"
    if _BREAKS.search(line):
        return f"the value of {name} has a line break or a NUL in it"
    try:
        size = len(line.encode())
    except UnicodeEncodeError:
        return f"the value of {name} cannot be written as UTF-8"
    if size > LONGEST_LINE:
        return f"{name} makes a line of {size} bytes and Asterisk reads {LONGEST_LINE}"
    return ""
