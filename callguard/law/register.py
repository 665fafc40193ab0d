"""The register of prior consents: what people agreed to earlier or in writing, read from a CSV file.

The file has a heading and one row for each consent::

    number,purposes,given,expires,channel,reference
    +14155550123,quality training,2026-03-01,2027-03-01,written,contract 4711

Every row is taken or refused with the reason; nothing is guessed. A consent counts for the purposes that it
names, from the day it was given until the day before it expires, unless it was withdrawn.

A withdrawal is kept beside the consents and outlives them: an older file that is imported once more brings
nothing back. It ends what was given up to and on its day, because nobody knows which came first on that day.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from callguard.law.numbers import e164

#: Columns of the file; ``withdrawn`` may be left out.
REQUIRED = ("number", "purposes", "given", "expires", "channel", "reference")
OPTIONAL = ("withdrawn",)


class Channel(StrEnum):
    """How a person said yes."""

    WRITTEN = "written"  #: signed, or ticked in a form
    SPOKEN = "spoken"  #: said, and kept
    KEYED = "keyed"  #: a key on an earlier call


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorConsent:
    """One person's consent for some purposes and some time."""

    number: str  #: E.164
    purposes: frozenset[str]
    given: date
    expires: date  #: the first day on which it no longer counts
    channel: Channel
    reference: str  #: where the proof is: a contract, a call
    withdrawn: date | None = None

    def covers(self, purposes: Iterable[str], today: date) -> bool:
        """Whether every one of ``purposes`` is agreed to today."""
        alive = self.given <= today < self.expires and (self.withdrawn is None or today < self.withdrawn)
        return alive and self.purposes.issuperset(purposes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """One person's no to what was agreed to before."""

    number: str  #: E.164
    purpose: str  #: empty: every purpose
    day: date

    def ends(self, consent: PriorConsent, purpose: str) -> bool:
        """Whether this consent no longer counts for this purpose."""
        return consent.number == self.number and consent.given <= self.day and self.purpose in {"", purpose}


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow:
    """A row that was not taken."""

    line: int  #: in the file, counted from 1; the heading is line 1
    number: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of a file. ``refused`` not empty: tell whoever sent it."""

    accepted: tuple[PriorConsent, ...]
    refused: tuple[RefusedRow, ...]


def read_register(
    lines: Iterable[str],
    *,
    purposes: Sequence[str],
    today: date,
    region: str | None = None,
    withdrawals: Iterable[Withdrawal] = (),
) -> Imported:
    """Read the rows of a register.

    Args:
        lines: the lines of the CSV file, heading first.
        purposes: the purposes that the configuration knows.
        today: the day of the import; consents that are over by then are refused.
        region: ISO country code for numbers in national format.
        withdrawals: what was withdrawn before; older consents are refused.
    """
    ended: dict[str, list[Withdrawal]] = {}
    for one in withdrawals:
        ended.setdefault(one.number, []).append(one)
    rows = csv.DictReader(lines, strict=True)
    try:
        heading = [name.strip() for name in rows.fieldnames or ()]
    except csv.Error as error:
        return Imported(accepted=(), refused=(RefusedRow(line=1, number="", reason=f"not CSV: {error}"),))
    missing = [name for name in REQUIRED if name not in heading]
    unknown = [name for name in heading if name not in (*REQUIRED, *OPTIONAL)]
    if missing or unknown:
        said = [f"without {', '.join(missing)}"] if missing else []
        said += [f"with unknown {', '.join(map(repr, unknown))}"] if unknown else []
        reason = f"a heading {' and '.join(said)}; use {','.join((*REQUIRED, *OPTIONAL))}"
        return Imported(accepted=(), refused=(RefusedRow(line=1, number="", reason=reason),))
    rows.fieldnames = heading
    accepted: dict[tuple[str, frozenset[str]], PriorConsent] = {}
    refused: list[RefusedRow] = []
    while True:
        try:
            row = next(rows)
        except StopIteration:
            break
        except csv.Error as error:
            refused.append(RefusedRow(line=rows.line_num, number="", reason=f"not CSV: {error}"))
            break
        number = str(row.get("number") or "").strip()
        try:
            consent = _consent(row, purposes, today, region)
            _refuse_withdrawn(consent, ended.get(consent.number, ()))
        except ValueError as error:
            refused.append(RefusedRow(line=rows.line_num, number=number, reason=str(error)))
            continue
        if accepted.setdefault((consent.number, consent.purposes), consent) is not consent:
            reason = "the same number and purposes stand further up; keep one row"
            refused.append(RefusedRow(line=rows.line_num, number=number, reason=reason))
    return Imported(accepted=tuple(accepted.values()), refused=tuple(refused))


def prior_consent(
    register: Iterable[PriorConsent], number: str | None, purposes: Sequence[str], today: date
) -> PriorConsent | None:
    """The consent that spares this caller the question, if there is one. A withheld number has none."""
    if not number or not purposes:
        return None
    return next((one for one in register if one.number == number and one.covers(purposes, today)), None)


def standing(register: Iterable[PriorConsent], withdrawals: Iterable[Withdrawal]) -> Iterator[PriorConsent]:
    """The consents with what is left of their purposes; those of which nothing is left are left out."""
    ended: dict[str, list[Withdrawal]] = {}
    for one in withdrawals:
        ended.setdefault(one.number, []).append(one)
    for consent in register:
        mine = ended.get(consent.number, ())
        left = frozenset(p for p in consent.purposes if not any(one.ends(consent, p) for one in mine))
        if left:
            yield consent if left == consent.purposes else replace(consent, purposes=left)


def _refuse_withdrawn(consent: PriorConsent, withdrawals: Iterable[Withdrawal]) -> None:
    for one in withdrawals:
        if any(one.ends(consent, purpose) for purpose in consent.purposes):
            what = one.purpose or "everything"
            raise ValueError(f"{what} was withdrawn on {one.day}; ask for a consent that is newer")


def _consent(
    row: Mapping[str | None, str | None], known: Sequence[str], today: date, region: str | None
) -> PriorConsent:
    if row.get(None):
        raise ValueError("more fields than the heading; quote a field that holds a comma")
    text = {name: (row.get(name) or "").strip() for name in (*REQUIRED, *OPTIONAL)}
    number = e164(text["number"], region)
    if number is None:
        raise ValueError(f"{text['number']!r} is no phone number in use; write it as +14155550123")
    purposes = frozenset(text["purposes"].replace(";", " ").split())
    if not purposes:
        raise ValueError("no purposes; name at least one, separated by spaces")
    if strange := sorted(purposes - set(known)):
        raise ValueError(f"unknown purpose {', '.join(strange)}; the purposes are {', '.join(known)}")
    given, expires = _day(text, "given"), _day(text, "expires")
    withdrawn = _day(text, "withdrawn") if text["withdrawn"] else None
    if given > today:
        raise ValueError(f"given on {given}, which has not come yet")
    if expires <= given:
        raise ValueError(f"expires on {expires}, not after it was given on {given}")
    if expires <= today:
        raise ValueError(f"expired on {expires}; ask the customer again")
    if withdrawn and withdrawn > today:
        raise ValueError(f"withdrawn on {withdrawn}, which has not come yet")
    if withdrawn and withdrawn < given:
        raise ValueError(f"withdrawn on {withdrawn}, before it was given on {given}")
    try:
        channel = Channel(text["channel"])
    except ValueError:
        raise ValueError(f"{text['channel']!r} is no channel; use {', '.join(Channel)}") from None
    if not text["reference"]:
        raise ValueError("no reference; say where the proof of the consent is")
    return PriorConsent(
        number=number,
        purposes=purposes,
        given=given,
        expires=expires,
        channel=channel,
        reference=text["reference"],
        withdrawn=withdrawn,
    )


def _day(text: Mapping[str, str], name: str) -> date:
    try:
        return date.fromisoformat(text[name])
    except ValueError:
        raise ValueError(f"{name} {text[name]!r} is no date; write it as 2026-11-30") from None
