"""All parties of a call -> the one rule that satisfies each of them.

Every party brings the evidence there is about where it is. All evidence of all parties counts: the
strictest rule, the strictest form, every flag, the shortest longest and the longest shortest retention.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from callguard.law.flags import Flag
from callguard.law.numbers import locate
from callguard.law.table import Table
from callguard.law.words import UNKNOWN, Beep, Evidence, Form, Jurisdiction, Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyFacts:
    """What is known about one party, before any law is looked up.

    Codes are those of the table (``US-CA``, ``DE``); plain ISO codes of territories and ``UK`` are
    understood.
    """

    role: str  #: ``caller``, ``called``, ``agent``, ``recorder``, ``joined``
    number: str | None = None  #: as the PBX gave it
    record: str | None = None  #: code from the customer record, given by the dialplan
    chosen: str | None = None  #: code that the person chose or said
    site: str | None = None  #: code of the agent's or the recorder's site


@dataclass(frozen=True, slots=True, kw_only=True)
class Considered:
    """One piece of evidence and the jurisdiction that it points to."""

    jurisdiction: str
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyRuling:
    """One party: where it is held to be, on what evidence, and what that law wants."""

    role: str
    number: str | None
    jurisdiction: str  #: the one that asks most, if the evidence disagrees
    evidence: Evidence
    rule: Rule
    form: Form
    statute: tuple[str, ...]
    source: tuple[str, ...]
    considered: tuple[Considered, ...]  #: every jurisdiction that was applied to this party
    languages: tuple[str, ...]
    announce_languages: int
    note: str  #: why a number told nothing, or that the evidence disagrees


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionConflict:
    """One law wants recordings kept longer than another allows. A human decides; nothing is chosen."""

    min_days: int
    min_by: tuple[str, ...]  #: the jurisdictions that ask for it
    max_days: int
    max_by: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{', '.join(self.min_by)} wants recordings kept at least {self.min_days} days, "
            f"{', '.join(self.max_by)} allows at most {self.max_days}: have counsel decide and write the "
            f"decision into the configuration; until then such calls are not recorded"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What the call as a whole needs. At least as strict as each of its parties."""

    parties: tuple[PartyRuling, ...]
    jurisdictions: tuple[str, ...]  #: every one that was applied, in the order of the parties
    rule: Rule
    form: Form
    flags: frozenset[Flag]
    languages: tuple[str, ...]  #: in the order to offer
    retention_min_days: int | None
    retention_max_days: int | None
    conflict: RetentionConflict | None
    beep: Beep
    bases: tuple[str, ...]  #: acceptable to every party whose law lists bases; empty when none does
    statutes: tuple[str, ...]
    table: str  #: version and hash of the table that was asked


def rule_for(table: Table, parties: Sequence[PartyFacts], *, region: str | None = None) -> Ruling:
    """The strictest rule of all parties.

    Pure once :func:`callguard.law.warm_up` has run; about 50 microseconds per phone number.

    Args:
        table: the table of jurisdictions in force.
        parties: everybody on the call and where it is recorded; nobody at all counts as one unknown party.
        region: ISO country code for numbers in national format, usually the site's country.
    """
    facts = parties or (PartyFacts(role="caller"),)
    ruled = [_party(table, party, region) for party in facts]
    entries = _once(entry for _, applied in ruled for entry in applied)
    lows = [
        (entry.retention.min_days, entry.code) for entry in entries if entry.retention.min_days is not None
    ]
    highs = [
        (entry.retention.max_days, entry.code) for entry in entries if entry.retention.max_days is not None
    ]
    low = max((days for days, _ in lows), default=None)
    high = min((days for days, _ in highs), default=None)
    conflict = None
    if low is not None and high is not None and low > high:
        conflict = RetentionConflict(
            min_days=low,
            min_by=tuple(code for days, code in lows if days > high),
            max_days=high,
            max_by=tuple(code for days, code in highs if days < low),
        )
    flags = frozenset[Flag]().union(*(entry.flags for entry in entries))
    return Ruling(
        parties=tuple(party for party, _ in ruled),
        jurisdictions=tuple(entry.code for entry in entries),
        rule=max((entry.rule for entry in entries), key=lambda rule: rule.strictness),
        form=max((entry.form for entry in entries), key=lambda form: form.strictness),
        flags=flags,
        languages=_languages(entries, flags),
        retention_min_days=None if conflict else low,
        retention_max_days=None if conflict else high,
        conflict=conflict,
        beep=_beep(entries),
        bases=_bases(entries),
        statutes=tuple(dict.fromkeys(statute for entry in entries for statute in entry.statutes)),
        table=table.identity,
    )


def _party(
    table: Table, facts: PartyFacts, region: str | None
) -> tuple[PartyRuling, tuple[Jurisdiction, ...]]:
    found: dict[str, Evidence] = {}
    note = ""
    for code, evidence in ((facts.record, Evidence.RECORD), (facts.chosen, Evidence.CHOSEN)):
        if code and code.strip():
            found.setdefault(table.resolve(code), evidence)
    if facts.number is not None or not (found or facts.site):
        place = locate(facts.number, region)
        note = place.why
        if place.region:
            here = table.place(place.region, place.part)
            found.setdefault(here, Evidence.NUMBER)
            if here == UNKNOWN:
                note = f"the table has no law for {place.region}"
    if facts.site:
        found.setdefault(table.resolve(facts.site), Evidence.SITE)
    # A country is no contradiction to one of its own parts: the more exact evidence stands for both.
    codes = [code for code in found if not any(table.within(other, code) for other in found)]
    if not codes:
        codes = [UNKNOWN]
    applied = tuple(table.effective(code) for code in codes)
    governing = max(
        applied, key=lambda entry: (entry.rule.strictness, entry.form.strictness, len(entry.flags))
    )
    if len(codes) > 1:
        note = f"the evidence disagrees ({', '.join(codes)}): the stricter of each applies"
    elif governing.strictest_part and not note:
        note = f"only {governing.name} is known: the strictest of its parts applies"
    return (
        PartyRuling(
            role=facts.role,
            number=facts.number,
            jurisdiction=governing.code,
            evidence=found.get(governing.code, Evidence.NONE),
            rule=max((entry.rule for entry in applied), key=lambda rule: rule.strictness),
            form=max((entry.form for entry in applied), key=lambda form: form.strictness),
            statute=governing.statutes,
            source=tuple(str(source) for source in governing.sources),
            considered=tuple(
                Considered(jurisdiction=code, evidence=found.get(code, Evidence.NONE)) for code in codes
            ),
            languages=_languages(applied, frozenset[Flag]().union(*(entry.flags for entry in applied))),
            announce_languages=max(entry.announce_languages for entry in applied),
            note=note,
        ),
        applied,
    )


def _once(entries: Iterable[Jurisdiction]) -> tuple[Jurisdiction, ...]:
    return tuple({entry.code: entry for entry in entries}.values())


def _languages(entries: Iterable[Jurisdiction], flags: frozenset[Flag]) -> tuple[str, ...]:
    """Each party's languages in its own order, French in front where a law puts it there."""
    spoken = dict.fromkeys(language for entry in entries for language in entry.languages)
    if Flag.FRENCH_FIRST in flags:
        spoken = {"fr": None} | spoken
    return tuple(spoken)


def _beep(entries: Iterable[Jurisdiction]) -> Beep:
    """The least that a tone is worth to any party, at the shortest interval that one asks for."""
    beeps = [entry.beep for entry in entries]
    intervals = [beep.interval_s for beep in beeps if beep.interval_s is not None]
    return Beep(
        role=max((beep.role for beep in beeps), key=lambda role: role.strictness),
        interval_s=min(intervals, default=None),
    )


def _bases(entries: Iterable[Jurisdiction]) -> tuple[str, ...]:
    lists = [entry.bases for entry in entries if entry.bases]
    return tuple(basis for basis in lists[0] if all(basis in other for other in lists)) if lists else ()
