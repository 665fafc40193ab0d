"""Jurisdictions as data, the place a phone number names, and the strictest rule of everybody on the call.

Decisions
---------
2026-11, **the strictest law of all parties is applied.** Courts disagree on whose law
governs a call: Kearney v. Salomon Smith Barney (California, 2006) carries the caller's law to a recorder
in Georgia, Ditech v. Buckles (Nevada, 2017) stops at the state line. Applying the law of the recording
device alone, a rule of thumb that insurers publish, lost: it is right in the second case and a crime in
the first. Rule and form are compared separately and each takes its own maximum, flags are joined, and a
minimum of retention above somebody's maximum is handed to a human, because neither answer is the cautious
one.

2026-11, **a number is only evidence.** Customer record, the person's own choice, the number, and the site
of agent and recorder are all kept; where two disagree both apply. Letting the best evidence win alone
lost: somebody with a record in New York may be calling from California, and the milder guess harms
exactly that person. A country is no contradiction to one of its own parts.

2026-11, **no place means the strictest entry, not the likeliest.** Toll-free, withheld, malformed and
foreign numbers fall to ``ZZ``, explicit opt-in. Falling to the site's own law lost, because it makes a
forged caller id the way to be recorded without being asked. Somebody known to be in the United States and
nowhere closer gets what satisfies every state. In Canada the federal Act, which itself binds commerce, is
that answer.

2026-11, **phonenumbers, not a list of area codes of our own.** It names a state for all 359 area codes of
the United States and is kept up by others; our tests hold it against a list written independently. A list
of our own lost: it would silently age.

2026-11, **the table is YAML read as plain text**, with what is common to a file written once. One file
for each jurisdiction lost: 128 files hide what differs between neighbours.

Legal texts were read in part and from public pages. This is not legal advice; ``confidence`` and
``review_by`` tell counsel where to begin.
"""

from callguard.law.demands import Demands, Say, Spoken, announce_in, demands
from callguard.law.difference import Change, Direction, difference
from callguard.law.explain import PromptText, explain, plain
from callguard.law.flags import ANSWERS, Flag
from callguard.law.lawbook import Lawbook
from callguard.law.numbers import Place, e164, locate, warm_up
from callguard.law.overrides import Override, Weakening, read_overrides, site_overrides
from callguard.law.purposes import admit, retention_days
from callguard.law.reading import LawTableError, Problem
from callguard.law.register import (
    Channel,
    Imported,
    PriorConsent,
    RefusedRow,
    Withdrawal,
    prior_consent,
    read_register,
    standing,
)
from callguard.law.review import Finding, review
from callguard.law.ruling import Considered, PartyFacts, PartyRuling, RetentionConflict, Ruling, rule_for
from callguard.law.sampling import sampled
from callguard.law.schema import json_schema
from callguard.law.table import Table, load_table
from callguard.law.terms import Admission, Approval, ExceptionKind, Objection, Refusal, Terms
from callguard.law.words import UNKNOWN, Beep, BeepRole, Evidence, Form, Jurisdiction, Rule

__all__ = [
    "ANSWERS",
    "UNKNOWN",
    "Admission",
    "Approval",
    "Beep",
    "BeepRole",
    "Change",
    "Channel",
    "Considered",
    "Demands",
    "Direction",
    "Evidence",
    "ExceptionKind",
    "Finding",
    "Flag",
    "Form",
    "Imported",
    "Jurisdiction",
    "LawTableError",
    "Lawbook",
    "Objection",
    "Override",
    "PartyFacts",
    "PartyRuling",
    "Place",
    "PriorConsent",
    "Problem",
    "PromptText",
    "Refusal",
    "RefusedRow",
    "RetentionConflict",
    "Rule",
    "Ruling",
    "Say",
    "Spoken",
    "Table",
    "Terms",
    "Weakening",
    "Withdrawal",
    "admit",
    "announce_in",
    "demands",
    "difference",
    "e164",
    "explain",
    "json_schema",
    "load_table",
    "locate",
    "plain",
    "prior_consent",
    "read_overrides",
    "read_register",
    "retention_days",
    "review",
    "rule_for",
    "sampled",
    "site_overrides",
    "standing",
    "warm_up",
]
