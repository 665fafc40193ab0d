"""One page for agents."""

from __future__ import annotations

from collections.abc import Iterator

from callguard.cli.documents.blocks import Block, Document, Points, Says, Section, Words
from callguard.cli.documents.common import named, payments
from callguard.cli.documents.facts import SiteFacts


def sheet(facts: SiteFacts) -> Document:
    """One page for agents."""
    site = facts.config.site
    lines = ", ".join(site.staff_lines)
    own = (
        f"For calls of your own use {lines}: never recorded."
        if lines
        else "No telephone is named here that is never recorded (site.staff_lines)."
    )
    sections = (
        Section("What callers were told before you answer", tuple(_told(facts))),
        Section("What they can do", (Points(_choices(facts)),)),
        Section("What you do", (Points(_conduct(facts)),)),
        Section("Card payments", tuple(Says(text) for text in payments(facts))),
        Section(
            "You are recorded too",
            (
                Says(f"The recording holds your voice as well. {own}"),
                Says(
                    "A caller who wants a copy, wants a recording erased, or objects for the future is sent "
                    f"to {named(facts, 'contact')}. So are you, with any question."
                ),
            ),
        ),
    )
    return Document(f"Recorded calls at {site.name}: what agents need to know", sections)


def _choices(facts: SiteFacts) -> tuple[str, ...]:
    keys = facts.config.dialogue
    return (
        f"Where they are asked, {keys.yes_key} means yes and {keys.no_key} means no. Silence is never a yes "
        "where the law wants one.",
        f"Where they were told of it, {keys.withdraw_key} stops the recording during the call.",
        "Somebody who refuses is told so and served as the policy says. Do not ask why, and do not try to "
        "change their mind.",
    )


def _conduct(facts: SiteFacts) -> tuple[str, ...]:
    purposes = dict.fromkeys(purpose for queue in facts.queues for purpose in queue.settings.purposes)
    return (
        "Do not start another recorder, by a key, a button or a telephone of your own.",
        "When a caller objects to the recording, have it stopped at once: by the caller's key where they "
        "were told of one, or in the way that your site has set up.",
        "Say nothing about the recording that the announcement does not say. Never say that a call may or "
        "might be recorded.",
        f"Use a recording only for what callers were told: {', '.join(purposes)}.",
        "When you put a call through or add somebody, say that the call is recorded.",
    )


def _told(facts: SiteFacts) -> Iterator[Block]:
    yield Says("Before you hear a caller, they heard one of these, in their language:")
    seen: set[str] = set()
    for queue in facts.queues:
        for treatment in queue.treatments:
            for one in treatment.words:
                if one.name == "announcement" and one.language == queue.languages[0] and one.text not in seen:
                    seen.add(one.text)
                    yield Words(queue.name, one.language, one.text)
    if not seen:
        yield Says("Nothing is announced in the usual languages of the queues.")
