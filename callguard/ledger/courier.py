"""Brings the outbox's letters to one endpoint: in order per call, at least once, for as long as it takes.

An endpoint that is unwell (unreachable, too slow, answering 5xx) is left in peace for a growing
while and then tried with one letter; a letter that alone is refused waits alone, and with it only
what its own call still has to tell.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import structlog

from callguard.errors import LedgerError
from callguard.ledger.entry import Stored, microseconds
from callguard.ledger.keys import Checkpoint
from callguard.ledger.outbox import Letter, Mark
from callguard.ledger.webhook import Endpoint, checkpoint_message, entry_message, headers, message_id

log = structlog.get_logger(__name__)

#: Pauses double from the first to the longest, seconds; each is drawn between half and all of it.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 3600.0

#: An unwell endpoint is asked again at least this often, seconds, so that it hears soon after it is back.
LONGEST_REST = 60.0

#: From this many failures in a row on, an endpoint is said to be unwell; fewer are a hiccup.
_OUTAGE = 3

#: How often the outbox is looked at when nothing has been posted, seconds.
_LOOK = 5.0

#: How often delivered letters that are old enough are forgotten, seconds.
_TIDY = 3600.0

#: Answers that say something about the endpoint rather than about the letter.
_UNWELL = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What a courier needs of the ledger."""

    origin: str  #: the name of the ledger
    turn: Callable[[str], Awaitable[bool]]  #: whether this controller is the one that delivers to an endpoint
    due: Callable[[str, int], Awaitable[list[Letter]]]  #: endpoint, how many
    next_due: Callable[[str], Awaitable[datetime | None]]
    mark: Callable[[Sequence[Mark]], Awaitable[None]]
    clear: Callable[[], Awaitable[None]]  #: forget what was delivered long ago
    content: Callable[[Stored], Mapping[str, Any]]  #: the body of an entry, as an endpoint may see it


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one attempt ended."""

    letter: Letter
    answer: str
    delivered: bool = False
    unwell: bool = False  #: the endpoint, not the letter
    gone: bool = False  #: the endpoint wants nothing any more


class Courier:
    """Delivers to one endpoint."""

    def __init__(self, endpoint: Endpoint, post: Post) -> None:
        self._endpoint = endpoint
        self._post = post
        self._posted = asyncio.Event()
        self._failures = 0
        self._tidy_at = 0.0

    def posted(self) -> None:
        """Something was put into the outbox."""
        self._posted.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        timeout = aiohttp.ClientTimeout(total=self._endpoint.timeout)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                self._posted.clear()
                try:
                    await self._tidy()
                    rest = await self._round(session)
                except LedgerError as fault:
                    log.warning("outbox.waiting", endpoint=self._endpoint.name, reason=str(fault))
                    rest = _LOOK
                except Exception:
                    log.exception("outbox.fault", endpoint=self._endpoint.name)
                    rest = _LOOK
                await self._rest(rest)

    async def _round(self, session: aiohttp.ClientSession) -> float:
        """Deliver what is due. Returns how long to rest, in seconds."""
        if not await self._post.turn(self._endpoint.name):
            return _LOOK
        many = 1 if self._failures else self._endpoint.at_once
        letters = await self._post.due(self._endpoint.name, many)
        if not letters:
            return await self._until_due()
        attempts = await asyncio.gather(*(self._attempt(session, letter) for letter in letters))
        await self._post.mark([self._mark(attempt) for attempt in attempts])
        if all(attempt.unwell for attempt in attempts):
            self._failures += 1
            if self._failures == _OUTAGE:
                log.warning("outbox.endpoint.unwell", endpoint=self._endpoint.name, answer=attempts[0].answer)
            return min(_pause(self._failures), LONGEST_REST)
        if self._failures >= _OUTAGE:
            log.info("outbox.endpoint.well", endpoint=self._endpoint.name)
        self._failures = 0
        return 0.0

    async def _attempt(self, session: aiohttp.ClientSession, letter: Letter) -> Attempt:
        body = self._message(letter).encode()
        identity = message_id(self._post.origin, letter.position, letter.event)
        now = int(datetime.now(UTC).timestamp())
        signed = headers(identity, now, body, self._endpoint.secrets)
        try:
            async with session.post(
                self._endpoint.url, data=body, headers=signed, allow_redirects=False
            ) as answer:
                status = answer.status
        except (aiohttp.ClientError, OSError) as fault:
            return Attempt(letter, f"{type(fault).__name__}: {fault}"[:200], unwell=True)
        except TimeoutError:
            return Attempt(letter, f"no answer within {self._endpoint.timeout:g} s", unwell=True)
        return Attempt(
            letter,
            str(status),
            delivered=status // 100 == 2,
            unwell=status >= 500 or status in _UNWELL,
            gone=status == 410,
        )

    def _message(self, letter: Letter) -> str:
        if letter.entry is None:
            checkpoint = Checkpoint.parse(letter.note)
            return checkpoint_message(letter.sequence, checkpoint.size, checkpoint.utc, letter.note)
        content = self._post.content
        arrival = content(letter.arrival) if letter.arrival else {}
        return entry_message(letter.event, letter.sequence, letter.entry, content(letter.entry), arrival)

    def _mark(self, attempt: Attempt) -> Mark:
        letter, now = attempt.letter, datetime.now(UTC)
        attempts = letter.attempts + 1
        if attempt.delivered:
            return Mark(letter.id, "delivered", attempts, microseconds(now), attempt.answer)
        since = letter.entry.utc if letter.entry else Checkpoint.parse(letter.note).utc
        if attempt.gone or (now - since).total_seconds() > self._endpoint.give_up_after:
            log.error(
                "outbox.dead_letter", endpoint=self._endpoint.name, letter=letter.event, answer=attempt.answer
            )
            return Mark(letter.id, "dead", attempts, microseconds(now), attempt.answer)
        pause = min(_pause(attempts), LONGEST_REST) if attempt.unwell else _pause(attempts)
        again = now + timedelta(seconds=pause)
        return Mark(letter.id, "waiting", attempts, microseconds(again), attempt.answer)

    async def _tidy(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._tidy_at:
            self._tidy_at = now + _TIDY
            await self._post.clear()

    async def _until_due(self) -> float:
        due = await self._post.next_due(self._endpoint.name)
        if due is None:
            return _LOOK
        return min(max(0.05, (due - datetime.now(UTC)).total_seconds()), _LOOK)

    async def _rest(self, seconds: float) -> None:
        if seconds <= 0:
            return
        if self._failures:
            await asyncio.sleep(seconds)
            return
        try:
            await asyncio.wait_for(self._posted.wait(), seconds)
        except TimeoutError:
            return


def _pause(failures: int) -> float:
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 20))
    return random.uniform(longest / 2, longest)  # noqa: S311 (spreads attempts, guards nothing)
