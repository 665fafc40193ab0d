"""Leases: which process answers for which controller of a pool, and whether it still does.

Decided 2026-11: no time stands in the table. Who holds a lease counts its beats, and whoever watches it sees
by a monotonic clock of its own for how long the count stood still; so no clock that is set, on any of the
machines, makes a lease run out or live on. Lost: the database's clock, which can be set as well (and is this
machine's, for SQLite).

Decided 2026-11: a table of its own beside the ledger, not entries of it: a beat is nothing that anybody has
to be shown later.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from callguard.errors import LedgerError
from callguard.ledger.database import parse_url, told, writing_engine
from callguard.ledger.schema import leases


@dataclass(frozen=True, slots=True)
class Lease:
    """One row."""

    member: str  #: which controller
    host: str  #: the machine that its process runs on
    holder: str  #: the process; empty: nobody, and nothing was left behind
    beats: int  #: how often it said that it is alive


class Leases:
    """The leases of one pool, as one process sees them. May be used by one thread at a time.

    Every method raises LedgerError when the database cannot be asked.

    Args:
        url: the ledger's database.
        member: which controller this process is.
        host: the machine.
    """

    def __init__(self, url: str, member: str, host: str) -> None:
        self._engine: Engine = writing_engine(parse_url(url))
        self._member = member
        self._host = host
        self.holder = uuid.uuid4().hex  #: this process

    def take(self) -> None:
        """Answer for our own controller from now on, whoever did before."""
        mine = {"host": self._host, "holder": self.holder, "beats": 0}
        ours = leases.c.member == self._member
        with _told(), self._engine.begin() as connection:
            if not connection.execute(update(leases).where(ours).values(mine)).rowcount:
                connection.execute(insert(leases).values(member=self._member, **mine))

    def beat(self) -> Sequence[Lease] | None:
        """Say that we are alive, and see who else is; None: the lease is not ours any more."""
        ours = (leases.c.member == self._member) & (leases.c.holder == self.holder)
        with _told(), self._engine.begin() as connection:
            count = update(leases).where(ours).values(beats=leases.c.beats + 1)
            if not connection.execute(count).rowcount:
                return None
            return [Lease(*row) for row in connection.execute(select(leases))]

    def seize(self, seen: Lease) -> bool:
        """Take a lease from a process that says nothing; False when it has said something after all."""
        unchanged = (
            (leases.c.member == seen.member)
            & (leases.c.holder == seen.holder)
            & (leases.c.beats == seen.beats)
        )
        with _told(), self._engine.begin() as connection:
            taken = connection.execute(update(leases).where(unchanged).values(holder=self.holder))
            return bool(taken.rowcount)

    def clear(self, member: str) -> None:
        """Nobody answers for this controller, and there is nothing left to take up."""
        with _told(), self._engine.begin() as connection:
            connection.execute(update(leases).where(leases.c.member == member).values(holder=""))


class Watch:
    """How long the leases of others stood still, while we looked.

    Args:
        longest_gap: seconds between two looks that count at most. Whoever was frozen itself saw nothing
            meanwhile, and must not take what it did not see for silence.
    """

    def __init__(self, longest_gap: float) -> None:
        self._longest = longest_gap
        self._last: float | None = None
        self._seen: dict[str, tuple[Lease, float]] = {}

    def look(self, now: float, there: Sequence[Lease]) -> Mapping[str, float]:
        """Take in what the leases are at a moment (monotonic seconds): for how long each has not changed."""
        gap = 0.0 if self._last is None else min(now - self._last, self._longest)
        self._last = now
        before, self._seen = self._seen, {}
        for lease in there:
            known, still = before.get(lease.member, (None, 0.0))
            self._seen[lease.member] = (lease, still + gap if known == lease else 0.0)
        return {member: still for member, (_, still) in self._seen.items()}


@contextmanager
def _told() -> Iterator[None]:
    """What the database said, as an error of ours."""
    try:
        yield
    except SQLAlchemyError as fault:
        raise LedgerError(f"the leases of the pool cannot be used: {told(fault)}") from fault
