"""REST over the websocket: questions out, answers in, and what is still unanswered. No I/O here.

Asterisk takes the requests of one websocket in turn, on one thread (seen on 22.10.1). So answers come in
order, a request that has to wait for a channel (a variable set during a playback waits for the end of that
playback) holds up every later one of every call, and the answer to a ping says that all requests before it
are done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from callguard.asterisk import wire
from callguard.asterisk.errors import AriLost, AriRefused, AriUnreadable

#: Values of a query: Asterisk reads them by the declared type of the parameter.
Query = Mapping[str, str | int]

#: The largest message Asterisk 22.10.1 reads from a websocket is 65,527 bytes; for a larger one it closes the
#: connection of all calls (tried).
LARGEST_FRAME = 65_527


@dataclass(slots=True)
class _Asked:
    method: str
    path: str
    at: float
    answer: asyncio.Future[Any]


class Asking:
    """The requests of one websocket that Asterisk has not answered yet, oldest first."""

    def __init__(self) -> None:
        self._number = 0
        self._unanswered: dict[str, _Asked] = {}

    @property
    def number(self) -> int:
        """How many requests have been asked so far."""
        return self._number

    def ask(
        self, method: str, path: str, query: Query | None, body: object | None, now: float
    ) -> tuple[bytes, asyncio.Future[Any]]:
        """Write one request; the future gets the body of its answer.

        Raises:
            AriRefused: It cannot be written, or Asterisk would close the connection over its size.
        """
        number = str(self._number + 1)
        message: dict[str, object] = {
            "type": "RESTRequest",
            "request_id": number,
            "method": method,
            "uri": path,
        }
        if query:
            message["query_strings"] = [{"name": name, "value": str(value)} for name, value in query.items()]
        try:
            if body is not None:
                message["content_type"] = "application/json"
                message["message_body"] = wire.dumps(body).decode()
            frame = wire.dumps(message)
        except ValueError as error:
            raise AriRefused(400, method, path, f"not sent, it cannot be written as JSON: {error}") from error
        if len(frame) > LARGEST_FRAME:
            raise AriRefused(
                413,
                method,
                path,
                f"not sent, {len(frame)} bytes are more than the {LARGEST_FRAME} Asterisk reads",
            )
        self._number += 1
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._unanswered[number] = _Asked(method, path, now, answer)
        return frame, answer

    def answered(self, message: Mapping[str, Any]) -> None:
        """Take one RESTResponse.

        Raises:
            AriUnreadable: It answers nothing that was asked.
        """
        number = message.get("request_id")
        if number == "" and self._unanswered:
            # A request that Asterisk could not read (a NUL in it, say) is refused without its id: it is the
            # oldest.
            number = next(iter(self._unanswered))
        asked = self._unanswered.pop(number, None) if isinstance(number, str) else None
        if asked is None:
            raise AriUnreadable("Asterisk answered a request over the websocket that was never made")
        if asked.answer.done():  # its deadline has passed, nobody waits any more
            return
        status = message.get("status_code")
        if not isinstance(status, int):
            asked.answer.set_exception(
                AriUnreadable(f"the answer of Asterisk to {asked.method} {asked.path} has no status")
            )
            return
        try:
            asked.answer.set_result(
                answer_of(
                    status,
                    asked.method,
                    asked.path,
                    message.get("message_body"),
                    message.get("reason_phrase"),
                )
            )
        except (AriRefused, AriUnreadable) as error:
            asked.answer.set_exception(error)

    def settle(self, number: int) -> None:
        """All requests up to this one are done; those that nobody waits for any more are forgotten."""
        for key in [
            key for key, asked in self._unanswered.items() if int(key) <= number and asked.answer.done()
        ]:
            del self._unanswered[key]

    def oldest(self, now: float) -> tuple[str, float] | None:
        """The longest unanswered request and for how many seconds, if there is one."""
        if not self._unanswered:
            return None
        asked = next(iter(self._unanswered.values()))
        return f"{asked.method} {asked.path}", now - asked.at

    def lost(self, why: str) -> None:
        """The connection is gone: whoever waits for an answer gets AriLost."""
        for asked in self._unanswered.values():
            if not asked.answer.done():
                asked.answer.set_exception(AriLost(f"{asked.method} {asked.path} was not answered: {why}"))
        self._unanswered.clear()


def answer_of(status: int, method: str, path: str, text: bytes | str | object, reason: object = "") -> Any:
    """Read the answer to a request, whichever way it came.

    Returns:
        The JSON of the body, None when it has none.

    Raises:
        AriRefused: The status is not a success.
        AriUnreadable: The status is a success but the body is not JSON.
    """
    value: Any = None
    readable = True
    if isinstance(text, (bytes, str)) and text:
        try:
            value = wire.loads(text)
        except ValueError:
            readable = False
    if 200 <= status < 300:
        if not readable:
            raise AriUnreadable(f"the answer of Asterisk to {method} {path} is not JSON")
        return value
    message = value.get("message") if isinstance(value, dict) else None
    said = message if isinstance(message, str) else reason if isinstance(reason, str) else ""
    raise AriRefused(status, method, path, said)
