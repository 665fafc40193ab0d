"""Payments on a call, as somebody told of them: that there was one, never what it was paid with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from callguard.errors import LedgerError
from callguard.ledger.kinds import Kind

#: What people write between the groups of a card number.
_BETWEEN = re.compile(r"[\s\-._/·–—]+")
#: How long card numbers are (ISO/IEC 7812-1).
SHORTEST, LONGEST = 12, 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A payment was taken on this call."""

    kind: ClassVar[Kind] = Kind.PAYMENT
    reference: str  #: of the order or the transaction; never of the card
    by: str  #: who told
    paused: bool  #: whether the recording was paused for it

    def __post_init__(self) -> None:
        if holds_card_number(self.reference):
            raise LedgerError(
                "the reference of a payment looks like a card number and was not kept; give the number of "
                "the order or of the invoice"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseAssigned:
    """The call belongs to this case of the CRM from now on."""

    kind: ClassVar[Kind] = Kind.CALL_CASE
    case: str
    by: str


def holds_card_number(text: str) -> bool:
    """Whether there is something in ``text`` that may be a card number.

    12 to 19 digits whose check digit is right (ISO/IEC 7812-1), perhaps in groups, and perhaps between
    letters; or more digits than that which begin with such a number. One in ten references of that many
    digits looks like one by chance.
    """
    return any(
        _is_card_number(digits)
        for spelling in (text, _BETWEEN.sub("", text))
        for digits in re.findall(r"\d+", spelling)
    )


def _is_card_number(digits: str) -> bool:
    if SHORTEST <= len(digits) <= LONGEST:
        return _check_digit_is_right(digits)
    # What follows a card number without a gap: its end date, its code. Only lengths and first digits of
    # the common cards, or any long number would be one.
    return len(digits) > LONGEST and any(
        int(digits[0]) in firsts and _check_digit_is_right(digits[:length])
        for length, firsts in ((15, {3}), (16, {2, 3, 4, 5, 6}))
    )


def _check_digit_is_right(digits: str) -> bool:
    """The Luhn formula; ``int`` also reads digits of other scripts."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) << (place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
