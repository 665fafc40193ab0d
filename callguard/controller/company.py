"""Who is on a call besides the customer: who came, who was told, who agreed, who left.

Decided 2026-11: whoever answers first is one of the site's own, whom the plan took into account; whoever
comes later is told by a whisper, and asked where the law wants a yes, unless ``parties.staff`` says that the
site has seen to it. What lost: to take every telephone of the PBX for staff; nothing in Asterisk tells a desk
from a trunk, and the mistake would record somebody who was never told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Protocol

import structlog

from callguard.config import Config
from callguard.consent import Call, Form, Outcome, Plan, State
from callguard.consent import events as ev
from callguard.consent.words import Answer, Heard, Prompt
from callguard.controller.ear import Whispered
from callguard.controller.membership import Member
from callguard.ledger import Kind
from callguard.ledger.bodies import AnyBody, PartyChanged

log = structlog.get_logger(__name__)

#: How often an announcement is begun again that was not heard to its end.
TELLINGS = 3

#: Forms in which a party has to say yes; staying on the line is not enough for one who joins.
ASKED = frozenset({Form.EXPLICIT, Form.OPT_OUT, Form.IMPLIED})


class Speaker(Protocol):
    """The conversation."""

    call: Call

    def feed(self, event: ev.Event) -> int:
        """Something happened."""

    def note(self, body: AnyBody) -> None:
        """Write a fact into the ledger."""


class Hall(Protocol):
    """What is needed of the controller."""

    @property
    def config(self) -> Config:
        """The configuration in force."""

    async def tell(self, channel: str, media: Sequence[str], seconds: float) -> Whispered:
        """Say something to one channel only."""

    def joined(self, call: Call, number: str) -> tuple[Plan, Plan | None]:
        """What a party with this number is told and asked, and the plan of the call if it gets stricter."""

    def own(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run something in a task that is looked after."""

    def alert(self, what: str, detail: str, call: str) -> None:
        """Somebody has to look at this."""


@dataclass(slots=True, eq=False)
class Company:
    """The other parties of one call.

    Args:
        hall: the controller.
        speaker: the conversation.
        changed: called when somebody came or left.
    """

    hall: Hall
    speaker: Speaker
    changed: Callable[[], None]
    here: dict[str, Member] = field(default_factory=dict)  #: by channel
    told: set[str] = field(default_factory=set)  #: channels that need not be told again
    seen: set[str] = field(default_factory=set)  #: channels that were on this call before
    _keys: dict[str, asyncio.Queue[str]] = field(default_factory=dict)  #: of those who are being asked

    def now(self, others: Sequence[Member]) -> None:
        """These are the others on the call at this moment."""
        present = {each.channel: each for each in others}
        gone = [each for channel, each in self.here.items() if channel not in present]
        new = [each for channel, each in present.items() if channel not in self.here]
        if not gone and not new:
            return
        # First who came: between the two nothing may be captured that was not allowed.
        for member in new:
            self._came(member)
        for member in gone:
            self._left(member)
        self.changed()

    def known(self, members: Sequence[Member]) -> None:
        """After a restart: these were here before, and the ledger knows what became of each."""
        for member in members:
            self.here[member.channel] = member
            self.seen.add(member.channel)
            if f"untold:{member.channel}" not in self.speaker.call.holds:
                self.told.add(member.channel)

    @property
    def agent(self) -> Member | None:
        """The one of ours who talks with the customer; who came last, if several do."""
        return next(reversed(self.here.values()), None)

    def is_asked(self, channel: str) -> bool:
        """Whether the keys of this party are answers just now."""
        return channel in self._keys

    def pressed(self, channel: str, digit: str) -> bool:
        """A key of somebody else than the customer; returns whether it was an answer."""
        keys = self._keys.get(channel)
        if keys is None:
            return False
        keys.put_nowait(digit)
        return True

    # ------------------------------------------------------------------ coming and going

    def _came(self, member: Member) -> None:
        channel, back = member.channel, member.channel in self.seen
        first = not self.seen
        self.here[channel] = member
        self.seen.add(channel)
        staff = first or self._is_staff(member)
        told = staff or channel in self.told
        if told:
            self.told.add(channel)
        self.speaker.note(
            PartyChanged(
                kind=Kind.PARTY_JOINED,
                party=channel,
                channel=channel,
                phone=member.number,
                agent=member.phone,
                reason="staff" if staff else "told before" if told else "not told",
            )
        )
        if member.endpoint in self.hall.config.site.staff_lines:
            event = ev.PartyJoined(at=time.monotonic(), who=channel, told=True, back=back, never=True)
            self.speaker.feed(event)
            return
        if first:
            return
        plan, stricter = self.hall.joined(self.speaker.call, "" if staff else member.number)
        if plan.form is Form.NONE:
            told = True
            self.told.add(channel)
        self.speaker.feed(
            ev.PartyJoined(at=time.monotonic(), who=channel, told=told, back=back, plan=stricter)
        )
        # A caller who is not recorded brings nobody a question.
        if not told and self.speaker.call.consented:
            self.hall.own(self._tell(member, plan), f"tell {channel}")

    def _left(self, member: Member) -> None:
        channel = member.channel
        del self.here[channel]
        self.speaker.note(
            PartyChanged(
                kind=Kind.PARTY_LEFT,
                party=channel,
                channel=channel,
                phone=member.number,
                agent=member.phone,
            )
        )
        self.speaker.feed(ev.PartyLeft(at=time.monotonic(), who=channel))

    def _is_staff(self, member: Member) -> bool:
        return any(fnmatchcase(member.phone, pattern) for pattern in self.hall.config.parties.staff)

    def _gone(self, channel: str) -> bool:
        return channel not in self.here or self.speaker.call.state is State.ENDED

    # ------------------------------------------------------------------ telling and asking

    async def _tell(self, member: Member, plan: Plan) -> None:
        """Tell a party who joined, and ask where the law wants that; silence and haste are no yes."""
        channel = member.channel
        heard: list[Heard] = []
        if not plan.capture:
            self.hall.alert(
                "a party may not be recorded",
                f"where {member.phone} is, the law does not allow what this queue records for; the recording "
                "stays paused while that party is on the call",
                self.speaker.call.id,
            )
            return
        if plan.announcement is not None and not await self._say(channel, plan.announcement, heard):
            if not self._gone(channel):
                self.hall.alert(
                    "a party could not be told",
                    f"{member.phone} did not hear the announcement; the recording stays paused while "
                    "that party is on the call",
                    self.speaker.call.id,
                )
            return
        if plan.form not in ASKED or plan.question is None:
            self._agreed(channel, Outcome.NOTIFIED, Answer(kind="none", at=time.monotonic()), heard)
            return
        key = ""
        for _ in range(plan.attempts):
            key = await self._ask(channel, plan, plan.question, heard)
            if self._gone(channel):
                return
            if key in plan.no_keys:
                break
            if key in plan.yes_keys:
                answer = Answer(kind="key", value=key, at=time.monotonic())
                self._agreed(channel, Outcome.GRANTED, answer, heard)
                return
        no = Answer(kind="key", value=key, at=time.monotonic()) if key else None
        self.speaker.feed(
            ev.PartyAnswered(at=time.monotonic(), who=channel, agreed=False, answer=no, heard=tuple(heard))
        )

    def _agreed(self, channel: str, outcome: Outcome, answer: Answer, heard: Sequence[Heard]) -> None:
        if self._gone(channel):
            return
        self.told.add(channel)
        self.speaker.feed(
            ev.PartyAnswered(
                at=time.monotonic(),
                who=channel,
                agreed=True,
                outcome=outcome,
                answer=answer,
                heard=tuple(heard),
            )
        )

    async def _say(self, channel: str, prompt: Prompt, heard: list[Heard]) -> bool:
        for _ in range(TELLINGS):
            if self._gone(channel):
                return False
            started = time.monotonic()
            said = await self.hall.tell(channel, prompt.media, prompt.seconds)
            heard.append(
                Heard(
                    prompt=prompt,
                    started=said.began or started,
                    ended=time.monotonic(),
                    completely=said.completely,
                )
            )
            if said.completely:
                return True
        return False

    async def _ask(self, channel: str, plan: Plan, question: Prompt, heard: list[Heard]) -> str:
        """Put the question; returns the first key that answers it, or nothing."""
        answers = plan.yes_keys | plan.no_keys
        keys = self._keys[channel] = asyncio.Queue()
        try:
            await self._say(channel, question, heard)
            async with asyncio.timeout(plan.answer_seconds):
                while (key := await keys.get()) not in answers:
                    pass
                return key
        except TimeoutError:
            return ""
        finally:
            self._keys.pop(channel, None)
