"""The couriers of one controller, and what they need of the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime

from callguard.ledger import outbox
from callguard.ledger.courier import Courier, Post
from callguard.ledger.pen import Pen
from callguard.ledger.privacy import Privacy
from callguard.ledger.readers import Readers
from callguard.ledger.webhook import Endpoint

#: Has the writer do something between two groups.
Do = Callable[[Callable[[Pen], None]], Awaitable[None]]


class Mail:
    """One courier per endpoint."""

    def __init__(
        self, *, endpoints: Sequence[Endpoint], readers: Readers, do: Do, privacy: Privacy, origin: str
    ) -> None:
        self._readers = readers
        self._do = do
        self._privacy = privacy
        self._origin = origin
        self._couriers = [Courier(endpoint, self._post()) for endpoint in endpoints]
        self._rounds: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to deliver."""
        self._rounds = [asyncio.create_task(courier.run(), name="outbox") for courier in self._couriers]

    async def stop(self) -> None:
        """Deliver no more; what is left stays in the outbox."""
        for task in self._rounds:
            task.cancel()
        await asyncio.gather(*self._rounds, return_exceptions=True)

    def posted(self) -> None:
        """Something was put into the outbox."""
        for courier in self._couriers:
            courier.posted()

    async def count(self) -> Mapping[tuple[str, str], int]:
        """How many events there are by endpoint and state (``waiting``, ``delivered``, ``dead``)."""
        return await self._readers.ask(outbox.count)

    async def replay(self, endpoint: str) -> int:
        """Have all dead letters of an endpoint told again. Returns how many there were."""
        dead = (await self.count()).get((endpoint, "dead"), 0)
        await self._do(lambda pen: outbox.replay(pen, endpoint, datetime.now(UTC)))
        self.posted()
        return dead

    def _post(self) -> Post:
        ask = self._readers.ask

        async def mark(marks: Sequence[outbox.Mark]) -> None:
            await self._do(lambda pen: outbox.note_marks(pen, marks))

        return Post(
            origin=self._origin,
            turn=self._readers.turn,
            due=lambda name, many: ask(lambda c: outbox.due_letters(c, name, datetime.now(UTC), many)),
            next_due=lambda name: ask(lambda c: outbox.next_due(c, name)),
            mark=mark,
            clear=lambda: self._do(lambda pen: outbox.clear_delivered(pen, datetime.now(UTC))),
            content=lambda entry: self._privacy.shown(entry.content),
        )
