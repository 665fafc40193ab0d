"""A ruling -> what has to be said, asked and kept. The flags end here; the controller reads fields.

What the controller owes to each field is written beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from callguard.law.flags import Flag
from callguard.law.ruling import PartyRuling, Ruling
from callguard.law.words import UNKNOWN, BeepRole, Form


class Say(StrEnum):
    """What an announcement has to contain beside the fact of the recording."""

    CONTROLLER = "controller"  #: who records
    PURPOSE = "purpose"  #: what for
    RETENTION = "retention"  #: for how long
    OBJECTION = "objection"  #: the key that objects
    WITHDRAWAL = "withdrawal"  #: after a yes, the key that takes it back
    EQUAL_SERVICE = "equal-service"  #: that a refusal changes nothing
    WEBSITE = "website"  #: where more is to be read


_SAY: tuple[tuple[Flag, frozenset[Say]], ...] = (
    (Flag.STATE_PURPOSE, frozenset({Say.PURPOSE})),
    (Flag.PUBLISH_PURPOSE, frozenset({Say.PURPOSE})),
    (Flag.STATE_CONTROLLER, frozenset({Say.CONTROLLER})),
    (Flag.STATE_RETENTION, frozenset({Say.RETENTION})),
    (Flag.CONTENT_PRESCRIBED, frozenset({Say.CONTROLLER, Say.PURPOSE, Say.RETENTION})),
    (Flag.STOP_ON_OBJECTION, frozenset({Say.OBJECTION})),
    (Flag.RIGHT_TO_OBJECT, frozenset({Say.OBJECTION})),
    (Flag.WITHDRAWABLE, frozenset({Say.WITHDRAWAL})),
    (Flag.EQUAL_SERVICE, frozenset({Say.EQUAL_SERVICE})),
    (Flag.NO_PENALTY, frozenset({Say.EQUAL_SERVICE})),
    (Flag.LAYERED_NOTICE, frozenset({Say.WEBSITE})),
)

_FORM: tuple[tuple[Flag, Form], ...] = (
    (Flag.ANNOUNCE_BEFORE_RECORDING, Form.NOTICE),
    (Flag.ANNOUNCE_AT_OUTSET, Form.NOTICE),
    (Flag.ACTIVE_OPT_IN, Form.EXPLICIT),
    (Flag.CONSENT_BEFORE_CAPTURE, Form.EXPLICIT),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """What the law of this call wants done."""

    form: Form  #: at least this form is used
    say: frozenset[Say]  #: the announcement contains these; what cannot be said forbids capture
    announcement_in_recording: bool  #: prompt and answer, as heard, stand at the head of the recording
    tone_may_replace: bool  #: a queue may choose a repeated tone instead of the announcement
    tone_interval_s: int | None  #: seconds between two tones, when one is used to that end
    serve_refusers: bool  #: a refusal never ends the call
    other_way: bool  #: a refuser is served unrecorded or told another way
    no_buffer: bool  #: nothing is buffered before the answer, not even in memory
    agent_consent: bool  #: an agent without a consent of their own is not recorded
    destroy_days: int | None  #: the recording is gone after so many days
    french_first: bool  #: French is announced first; without French prompts there is no capture
    language_choice: bool  #: at least two of the languages are announced


def demands(ruling: Ruling) -> Demands:
    """What follows from the flags of a ruling."""
    flags = ruling.flags
    said = [say for flag, say in _SAY if flag in flags]
    forms = [ruling.form, *(form for flag, form in _FORM if flag in flags)]
    tone = Flag.BEEP_ALTERNATIVE in flags and ruling.beep.role.strictness <= BeepRole.SUFFICES.strictness
    return Demands(
        form=max(forms, key=lambda form: form.strictness),
        say=frozenset[Say]().union(*said),
        announcement_in_recording=Flag.ANNOUNCEMENT_IN_RECORDING in flags,
        tone_may_replace=tone,
        tone_interval_s=ruling.beep.interval_s if tone else None,
        serve_refusers=bool(flags & {Flag.EQUAL_SERVICE, Flag.NO_PENALTY}),
        other_way=Flag.OFFER_UNRECORDED in flags,
        no_buffer=Flag.CONSENT_BEFORE_CAPTURE in flags,
        agent_consent=Flag.AGENT_CONSENT in flags,
        destroy_days=ruling.retention_max_days if Flag.DESTROY_WITHIN in flags else None,
        french_first=Flag.FRENCH_FIRST in flags,
        language_choice=Flag.LANGUAGE_CHOICE in flags,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """The languages of one announcement, and those that a law wants and nobody can speak."""

    languages: tuple[str, ...]  #: in the order in which they are spoken, as the queue names them
    missing: tuple[str, ...] = ()  #: not empty: the announcement does not meet the law, capture is forbidden


def announce_in(ruling: Ruling, served: Sequence[str], roles: Sequence[str] = ("caller",)) -> Spoken:
    """The languages in which to announce.

    Every addressed party hears its own languages, as many as its law wants one after the other. Where the
    queue speaks none of them, or nobody knows where the party is, the queue's first language is used: the
    one in which the service is given.

    Args:
        ruling: the ruling of the call.
        served: the languages that the queue has prompts for, the usual one first. Not empty.
        roles: the parties who are spoken to.
    """
    asked = demands(ruling)
    chosen: dict[str, None] = {}
    missing: tuple[str, ...] = ()
    if asked.french_first:
        french = _speaks("fr", served)
        chosen = dict.fromkeys([french] if french else [])
        missing = () if french else ("fr",)
    for party in ruling.parties:
        if party.role in roles:
            chosen |= dict.fromkeys(_for_party(party, served, asked.language_choice))
    return Spoken(languages=tuple(chosen) or (served[0],), missing=missing)


def _for_party(party: PartyRuling, served: Sequence[str], choice: bool) -> list[str]:
    if party.jurisdiction == UNKNOWN:
        return [served[0]]
    count = max(party.announce_languages, 2 if choice else 1)
    spoken = [language for wanted in party.languages if (language := _speaks(wanted, served))]
    return spoken[:count] or [served[0]]


def _speaks(wanted: str, served: Sequence[str]) -> str | None:
    """The queue's own name for a language: ``pt`` serves for ``pt-BR`` and the other way round."""
    if wanted in served:
        return wanted
    primary = wanted.partition("-")[0]
    return next((language for language in served if language.partition("-")[0] == primary), None)
