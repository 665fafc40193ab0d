"""Questions from the event loop, answered in threads of their own over connections that cannot write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from callguard.errors import LedgerError
from callguard.ledger.database import reading_engine, told
from callguard.ledger.turns import Turns

#: How many questions are answered at the same time.
_AT_ONCE = 2

Answer = TypeVar("Answer")


class Readers:
    """Answers questions about one database."""

    def __init__(self, url: URL) -> None:
        self._engine = reading_engine(url)
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="callguard-ledger-reader")
        self._turns = Turns(self._engine)

    async def ask(self, question: Callable[[Connection], Answer]) -> Answer:
        """Ask in one snapshot.

        Raises:
            LedgerError: the database cannot be read.
        """
        return await self._in_thread(lambda: self.answer(question))

    def answer(self, question: Callable[[Connection], Answer]) -> Answer:
        """The same, in the thread of the caller."""
        try:
            with self._engine.connect() as connection, connection.begin():
                return question(connection)
        except SQLAlchemyError as fault:
            raise LedgerError(f"the ledger cannot be read: {told(fault)}") from fault

    async def turn(self, endpoint: str) -> bool:
        """Whether this controller is the one that delivers to ``endpoint`` now."""
        return await self._in_thread(lambda: self._turns.mine(endpoint))

    def close(self, seconds: float) -> None:
        """Let everything go. A thread that a dead server holds is left behind after ``seconds``."""
        # Threads outlive the tasks that asked them; what they opened can only be closed after them.
        waiting = ThreadPoolExecutor(1, thread_name_prefix="callguard-ledger-closing")
        ended = waiting.submit(self._threads.shutdown)
        try:
            ended.result(seconds)
        except TimeoutError:
            self._threads.shutdown(wait=False, cancel_futures=True)
        waiting.shutdown(wait=False)
        self._turns.close()
        self._engine.dispose()

    async def _in_thread(self, work: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
