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

from callguard.law.flags import Flag
from callguard.law.numbers import Place, locate, warm_up
from callguard.law.overrides import Override, Weakening, read_overrides
from callguard.law.reading import LawTableError, Problem
from callguard.law.ruling import (
    Considered,
    PartyFacts,
    PartyRuling,
    RetentionConflict,
    Ruling,
    rule_for,
)
from callguard.law.table import Table, load_table
from callguard.law.words import (
    UNKNOWN,
    Beep,
    BeepRole,
    Evidence,
    Form,
    Jurisdiction,
    Rule,
)

__all__ = [
    "UNKNOWN",
    "Beep",
    "BeepRole",
    "Considered",
    "Evidence",
    "Flag",
    "Form",
    "Jurisdiction",
    "LawTableError",
    "Override",
    "PartyFacts",
    "PartyRuling",
    "Place",
    "Problem",
    "RetentionConflict",
    "Rule",
    "Ruling",
    "Table",
    "Weakening",
    "load_table",
    "locate",
    "read_overrides",
    "rule_for",
    "warm_up",
]
