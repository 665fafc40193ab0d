"""The register of prior consents as the call path asks it: look-ups in memory, never a database.

Decided 2026-11, **a register that cannot be read agrees to nothing.** A consent may have been withdrawn
meanwhile, so everybody is asked until it can be read again; who never wants to be recorded is still not.
Going on with what was last read lost: it is right on most days and a recording against somebody's will on
the one that matters.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime

import structlog

from callguard.consent.words import Outcome
from callguard.controller.registerbook import Book, Contents, Preference
from callguard.errors import LedgerError
from callguard.law import Channel, PriorConsent, e164, prior_consent, standing
from callguard.ledger.bodies import RegisterChanged

log = structlog.get_logger(__name__)

#: Seconds until a withdrawal counts for the calls to come; a look costs one small query.
FOLLOW_SECONDS = 1.0

_NOTHING = Preference()


class Register:
    """What callers agreed to, or asked for, before they called.

    Belongs to one event loop. ``prior`` and ``preference`` cost microseconds for a number in E.164 and about
    50 more where the number has to be read first.
    """

    def __init__(self, contents: Contents, book: Book | None = None, region: str | None = None) -> None:
        """Begin with what is in the register.

        Args:
            contents: what was read.
            book: where it was read from, to follow its changes.
            region: ISO country code for numbers in national format.
        """
        self._book = book
        self._region = region
        self.readable = True  #: whether the book could be read when it was last looked at
        self._take(contents)

    @classmethod
    def open(cls, url: str, region: str | None = None) -> Register:
        """Read the register; blocks for the time of some queries.

        Raises:
            CallguardError: it cannot be opened.
        """
        book = Book(url)
        return cls(book.read(), book, region)

    def prior(self, number: str | None, purposes: Sequence[str], now: datetime) -> PriorConsent | None:
        """The consent that spares this caller the question on a call for these purposes.

        Args:
            number: as the PBX gave it: anything.
            purposes: those that are left of the queue's; all of them have to be covered.
            now: the time of the call, in the time zone in which days are counted.
        """
        known = self._key(number)
        found = self._consents.get(known, ())
        if not found or not self.readable or self._preference(known, now).never:
            return None
        return prior_consent(found, known, purposes, now.date())

    def preference(self, number: str | None, now: datetime) -> Preference:
        """How this caller wants to be treated. A refusal that is remembered counts as ``never``."""
        return self._preference(self._key(number), now)

    def _preference(self, known: str, now: datetime) -> Preference:
        wanted = self._preferences.get(known, _NOTHING)
        until = self._refusals.get(known)
        if until is None or now.date() >= until or wanted.never:
            return wanted
        return Preference(never=True, language=wanted.language)

    async def remember(
        self,
        number: str | None,
        purposes: Iterable[str],
        outcome: Outcome,
        until: date,
        *,
        now: datetime,
        call: str,
    ) -> RegisterChanged | None:
        """Keep an answer for the next calls of this number.

        ``GRANTED`` is a consent until then, ``REFUSED`` spares the question until then, and ``WITHDRAWN``
        ends whatever the number agreed to before, for good.

        Returns:
            What to note in the ledger; ``None`` when there is nothing to remember: another outcome, a
            withheld number, or no book to write in.

        Raises:
            LedgerError: the register cannot be written.
        """
        known = e164(number, self._region)
        kept = tuple(purposes)
        answers = {Outcome.GRANTED, Outcome.REFUSED, Outcome.WITHDRAWN}
        if known is None or self._book is None or outcome not in answers:
            return None
        given = PriorConsent(
            number=known,
            purposes=frozenset(kept),
            given=now.date(),
            expires=until,
            channel=Channel.KEYED,
            reference=f"call {call}",
        )
        await asyncio.to_thread(_write, self._book, given, outcome)
        await self.refresh()
        return RegisterChanged(
            action="remember",
            by="caller",
            phone=known,
            purposes=kept,
            count=1,
            until=None if outcome is Outcome.WITHDRAWN else until.isoformat(),
            detail=outcome.value,
        )

    async def refresh(self) -> bool:
        """Read the register anew if somebody changed it. Returns whether it was read."""
        if self._book is None:
            return False
        try:
            if self.readable and await asyncio.to_thread(self._book.revision) == self._revision:
                return False
            contents = await asyncio.to_thread(self._book.read)
        except LedgerError as error:
            if self.readable:
                log.warning("the register cannot be read, everybody is asked", why=str(error))
            self.readable = False
            return False
        self.readable = True
        self._take(contents)
        return True

    async def follow(self, changed: Callable[[], None] = lambda: None) -> None:
        """Refresh for as long as the task lives, and tell ``changed`` of each change."""
        while True:
            await asyncio.sleep(FOLLOW_SECONDS)
            if await self.refresh():
                changed()

    def _take(self, contents: Contents) -> None:
        consents: dict[str, tuple[PriorConsent, ...]] = {}
        for consent in standing(contents.consents, contents.withdrawals):
            consents[consent.number] = (*consents.get(consent.number, ()), consent)
        self._consents = consents
        self._preferences = contents.preferences
        self._refusals = contents.refusals
        self._revision = contents.revision

    def _key(self, number: str | None) -> str:
        """The number as the register has it; empty for one that is withheld or none."""
        if not number:
            return ""
        if number[0] == "+" and number[1:].isdecimal():
            return number
        return e164(number, self._region) or ""


def _write(book: Book, given: PriorConsent, outcome: Outcome) -> None:
    """Keep one answer."""
    with book.change() as pages:
        match outcome:
            case Outcome.GRANTED:
                pages.refused(given.number, None)
                pages.add([given])
            case Outcome.REFUSED:
                pages.refused(given.number, given.expires)
            case _:
                pages.withdraw(given.number, (), given.given)
