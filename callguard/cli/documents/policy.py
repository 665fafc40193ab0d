"""The written recording policy in sentences.

People are never invented: a name that the configuration does not give is a blank that says which key fills
it.
"""

from __future__ import annotations

from collections.abc import Iterator

from callguard import __version__
from callguard.cli.documents.blocks import Block, Document, Grid, Points, Says, Section, Words
from callguard.cli.documents.common import named, payments
from callguard.cli.documents.facts import QueueFacts, SiteFacts, Treatment
from callguard.config.models import Approved
from callguard.law import UNKNOWN, Refusal
from callguard.law.words import Exists, Jurisdiction, Right

#: What a form means to a caller.
FORMS = {
    "none": "nothing is said or asked",
    "notice": "told before anything is recorded, not asked",
    "implied-by-continuing": "told, with time to object or to leave; staying on the line is agreement",
    "opt-out": "told, and offered a key to refuse; silence is agreement",
    "explicit": "told and asked; recorded only after a yes, and silence is a no",
}

DISCLAIMER = (
    "This document says what callguard does with the configuration that it was made from. It is not legal "
    "advice. The table of jurisdictions was compiled from public texts; counsel should read the entries that "
    "are used here before this policy is adopted."
)


def policy(facts: SiteFacts) -> Document:
    """The written recording policy."""
    config = facts.config
    sections = [
        Section("Who records", tuple(_who(facts))),
        Section("Principles", (Points(_PRINCIPLES),)),
        *(section for queue in facts.queues for section in _queue(facts, queue)),
        Section("The laws that are applied", tuple(_laws(facts))),
        Section("What these laws ask, and what is done about it", (_flags(facts),)),
        Section("Consents given before the call", tuple(_register(facts))),
        Section("Card payments", tuple(Says(text) for text in payments(facts))),
        Section("Who is never recorded", tuple(_never(facts))),
        Section("Rights of the people who are recorded", tuple(_rights(facts))),
        Section("Exceptions, and what was made milder", tuple(_exceptions(facts))),
        Section("About this document", tuple(_about(facts))),
    ]
    return Document(f"Call recording policy of {config.site.name}", tuple(sections))


_PRINCIPLES = (
    "Nothing is captured before the person on the line has been told what applies and has answered as the "
    "law asks; the answer is written down durably first.",
    "The laws of everybody on the call are applied together: the caller's, the agent's and the recorder's. "
    "The strictest one decides.",
    "Somebody of whom it is not known where they are is treated by the strictest rule of all.",
    "A refusal holds for the whole call.",
    "Recordings are used for the purposes that were announced, and for no other.",
    "When something fails, the call goes on and is not recorded.",
    "Every announcement, answer, decision and change of a recording is kept in a ledger that shows "
    "tampering.",
)


def _who(facts: SiteFacts) -> Iterator[Block]:
    site = facts.config.site
    rows = [
        ("Business", site.name),
        ("Country of the telephone system", site.country),
        ("Law of the recorder", _place(facts, site.recorder)),
        ("Law of the agents", _place(facts, site.agents or site.recorder)),
        (
            "Agents have agreed in writing in",
            ", ".join(_place(facts, code) for code in site.agent_consents) or "no place named",
        ),
        ("Answers for the recording", named(facts, "owner")),
        ("Contact for callers and staff", named(facts, "contact")),
        ("Data protection officer, where there is one", named(facts, "officer")),
    ]
    yield Grid(("", ""), tuple(rows))


def _queue(facts: SiteFacts, queue: QueueFacts) -> Iterator[Section]:
    settings = queue.settings
    rows = [
        ("Purposes, as configured", ", ".join(settings.purposes)),
        (
            "Lawful basis, as configured",
            settings.lawful_basis or "none named; consent where a law asks for one",
        ),
        ("Agents", _place(facts, queue.agents)),
        ("Languages", ", ".join(queue.languages)),
        ("Calls that are recorded, of those that may be", _share(queue)),
        (
            "At least, whatever the law asks, callers are",
            "treated as the law asks" if settings.minimum_form == "none" else FORMS[settings.minimum_form],
        ),
        ("Kept", f"{settings.retention_days} days, unless a law says less or more (below)"),
        ("Recorded in the queue", queue.recorded),
        ("Everybody else is served in", queue.unrecorded),
    ]
    yield Section(f"Queue {queue.name}", (Grid(("", ""), tuple(rows)),))
    for treatment in queue.treatments:
        places = ", ".join(_place(facts, code) for code in treatment.places)
        yield Section(f"Callers of {queue.name} from {places}", tuple(_treatment(queue, treatment)), level=3)


def _treatment(queue: QueueFacts, treatment: Treatment) -> Iterator[Block]:
    if not treatment.recorded:
        yield Says(f"They are not recorded: {treatment.why_not or 'the law of such a call forbids it'}.")
        return
    if treatment.duty:
        yield Says("They are told that a law obliges us to record, and are not asked.")
    else:
        told = treatment.form != "none"
        yield Says(f"They are {FORMS[treatment.form]}." if told else "Nothing is said or asked.")
    rows = [
        ("Purposes", ", ".join(treatment.purposes)),
        ("Lawful basis", treatment.basis or "no law on this call asks for one"),
        ("Kept", "no time is set" if treatment.kept_days is None else f"{treatment.kept_days} days"),
        ("Somebody who refuses", _refuser(queue, treatment)),
    ]
    if treatment.exception:
        rows.append(("Exception", treatment.exception))
    yield Grid(("", ""), tuple(rows))
    if treatment.words:
        yield Says("What they can hear, word for word:")
        yield from (Words(one.name, one.language, one.text) for one in treatment.words)
    if treatment.concerns:
        yield Says("Settings of the queue that do not count for these callers, and why:")
        yield Points(treatment.concerns)


def _refuser(queue: QueueFacts, treatment: Treatment) -> str:
    if treatment.duty:
        return "is told of another way to reach us where there is one, and is never served unrecorded"
    return {
        Refusal.UNRECORDED_QUEUE: f"is served in the queue {queue.unrecorded}, where nothing is recorded",
        Refusal.SAME_QUEUE: "is served by the same agents, and nothing is recorded",
        Refusal.ALTERNATIVES: "hears the other ways to reach us, and the call ends",
    }[treatment.refusal]


def _laws(facts: SiteFacts) -> Iterator[Block]:
    how = (
        "The callers' places are those of the last 90 days' calls."
        if facts.counted
        else "The callers' places were named when this document was made."
    )
    yield Says(f"{how} Callers from elsewhere are treated by the law of their own place.")
    yield Grid(
        ("place", "rule", "form", "kept, in days", "statutes"),
        tuple(
            (_name(place), str(place.rule), str(place.form), _kept(place), "; ".join(place.statutes) or "-")
            for place in facts.places
        ),
    )
    if facts.overdue:
        yield Says(
            f"Counsel should read these entries first (overdue, or without a primary text): "
            f"{', '.join(facts.overdue)}."
        )


def _flags(facts: SiteFacts) -> Block:
    return Grid(
        ("what is asked", "what is done", ""),
        tuple(
            (answer.means, answer.does, "" if answer.handling.enforced else "not by callguard")
            for answer in facts.flags.values()
        ),
    )


def _register(facts: SiteFacts) -> Iterator[Block]:
    days = facts.config.law.remember_answers_days
    yield Says(
        "Consents in writing are kept in a register, each with its purposes, its day, its end and its proof. "
        "Whoever is on it is told and not asked. A withdrawal counts from its day on, for good."
    )
    yield Says(
        f"Answers by key are remembered for {days} days."
        if days
        else "Answers on one call are not remembered for the next."
    )


def _never(facts: SiteFacts) -> Iterator[Block]:
    config = facts.config
    numbers, lines = ", ".join(config.bypass.numbers), ", ".join(config.site.staff_lines)
    yield Points(
        (
            f"Numbers that are never asked, delayed or recorded: {numbers or 'none'}.",
            f"Telephones of staff that are never recorded: {lines or 'none named'}.",
            "Callers who asked never to be recorded, as long as they call from the number that they gave.",
        )
    )


def _rights(facts: SiteFacts) -> Iterator[Block]:
    yield Says(
        f"Requests go to {named(facts, 'contact')}. Somebody may object to the recording on the call, ask "
        "what is kept, ask for a copy, ask for it to be erased, and take back a consent at any time."
    )
    yield Grid(
        ("place", "access and copy", "erasure"),
        tuple((_name(place), _right(place.access), _right(place.erasure)) for place in facts.places),
    )


def _exceptions(facts: SiteFacts) -> Iterator[Block]:
    rows: list[tuple[str, str, str, str]] = []
    for queue in facts.queues:
        settings = queue.settings
        named: tuple[tuple[str, Approved | None], ...] = (
            ("every call is recorded", settings.every_call),
            (f"exception: {settings.exception.kind}" if settings.exception else "", settings.exception),
            ("duty to record", settings.duty),
        )
        rows += (
            (f"queue {queue.name}", what, given.approved_by, given.reason) for what, given in named if given
        )
    rows += (
        (weak.code, f"{weak.key}: {weak.before} became {weak.after}", weak.approved_by, weak.reason)
        for weak in facts.table.weakenings
    )
    if rows:
        yield Grid(("where", "what", "approved by", "reason"), tuple(rows))
    else:
        yield Says("There are none: no exception, no duty, and no law that was made milder here.")
    milder = {weak.code for weak in facts.table.weakenings}
    if stricter := sorted(set(facts.config.law.overrides) - milder):
        yield Says(
            f"Laws that this site applies otherwise than the table, and not milder: {', '.join(stricter)}."
        )


def _about(facts: SiteFacts) -> Iterator[Block]:
    yield Says(DISCLAIMER)
    rows = [
        ("Made on", facts.made.isoformat()),
        ("By", f"callguard {__version__}"),
        ("Table of jurisdictions", facts.table.version),
        ("SHA-256 of the table as applied", facts.table.sha256),
    ]
    yield Grid(("", ""), tuple(rows))
    if facts.blanks:
        yield Says(f"Blanks to fill in the configuration: {', '.join(facts.blanks)}.")


def _share(queue: QueueFacts) -> str:
    percent = queue.settings.sample_percent
    return "all" if percent >= 100 else f"{percent:g} %, drawn by chance; the announcement is played to all"


def _place(facts: SiteFacts, code: str) -> str:
    return _name(facts.table.effective(facts.table.resolve(code)))


def _name(place: Jurisdiction) -> str:
    return "nobody knows where (ZZ)" if place.code == UNKNOWN else f"{place.name} ({place.code})"


def _kept(place: Jurisdiction) -> str:
    low, high = place.retention.min_days, place.retention.max_days
    return f"{low or '-'} to {high or '-'}" if low or high else "-"


def _right(right: Right) -> str:
    if right.exists is Exists.NO:
        return "none found"
    within = f", within {right.days} days" if right.days else ""
    return f"{right.exists}{within}: {right.law}" if right.law else f"{right.exists}{within}"
