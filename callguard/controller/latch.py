"""The refusal latch: whatever else records or listens on a call, and what is done about it.

Who does not want to be recorded is to be recorded by nobody, and a pause is one for everybody who listens. So
the latch knows every recorder and listener that Asterisk tells of, on the customer's channel and on each one
that talks with it, and which of them are ours: the MixMonitor that the dialplan announces with
CallguardCapture right after it started it, and channels whose ids begin with ``callguard-``.

    while the call is captured      the others are told to the call, which notes them, and left alone
    when it is paused               `silence`: they are muted, and those who listen are hung up
    while it is not captured        each is ended as soon as it is seen, until none is left

Not to be seen from here, and so a matter of `callguard doctor` and `inventory`: applications that record
without an event (Record, VoiceMail, Dictate, EAGI, AudioSocket as an application, JACK, SIPREC), what another
ARI application records of a channel that is in no bridge, and what began on an agent's channel while AMI was
away.

Decisions
=========

2026-11  The latch acts in tasks of its own, and tells the call at the same time.
    Lost: acting when the call's core orders it; the inbox of a call may wait two seconds for ARI.

2026-11  A stream to a program (ExternalMedia, AudioSocket) is a listener when the customer talks to somebody
    else as well. Where it is the only other party it is who was called, and ending it would end the call.

2026-11  What others began while they were allowed to stays muted when the call is captured again.
    Lost: to let it hear again; nobody knows whether it did before.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

import structlog

from callguard.asterisk.ami import Ami
from callguard.asterisk.ari import Ari
from callguard.consent import Capture
from callguard.controller.census import Census
from callguard.controller.evictions import RUNNING, Evictions, Watched
from callguard.controller.foreign import Foreign, Kind
from callguard.controller.membership import Bridges
from callguard.controller.sweep import stop_recorders
from callguard.errors import AsteriskError

log = structlog.get_logger(__name__)

#: How long the dialplan has to say that a MixMonitor is ours (seconds). The two events come from one thread,
#: within a millisecond.
CLAIM_SECONDS = 0.5

#: How long an announced order to speak again explains that a recorder does (seconds).
RESUME_SECONDS = 2.0

#: How often it is tried to end what is there, before somebody has to look at it.
ATTEMPTS = 3

#: How many violations a call is told of; what comes after them is ended all the same.
MOST_TOLD = 50


class Latch:
    """All recorders and listeners of one PBX.

    Args:
        ami: where orders go.
        ari: gives the live connection to ARI, or none.
        bridges: who talks with whom; told of each event before `hear` is.
        conversations: by the customer's channel.
        own: runs something in a task that is looked after.
        alert: somebody has to look at this: what, in which detail, on which call.
    """

    def __init__(
        self,
        *,
        ami: Ami,
        ari: Callable[[], Ari | None],
        bridges: Bridges,
        conversations: Mapping[str, Watched],
        own: Callable[[Coroutine[Any, Any, None], str], None],
        alert: Callable[[str, str, str], None],
    ) -> None:
        self._ami = ami
        self._ari = ari
        self._conversations = conversations
        self._own = own
        self._alert = alert
        self._census = Census(bridges)
        self._evictions = Evictions(ami, ari, self._census, conversations)
        self._resumes: dict[str, float] = {}  #: until when a channel's recorder may speak again
        self._told: Counter[str] = Counter()  #: violations, by customer's channel
        self._unseen: set[str] = set()  #: channels that something may have begun on while AMI was away
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    # ------------------------------------------------------------------ what Asterisk says

    def hear(self, event: Mapping[str, str]) -> None:
        """Take in an event of the manager interface; returns at once."""
        channel = event.get("Uniqueid", "")
        match event.get("Event"):
            case "MixMonitorStop":
                self._stopped(channel)
            case "MixMonitorMute":
                if event.get("State") == "0":
                    self._unmuted(channel)
            case "UserEvent":
                if event.get("UserEvent") == "CallguardCapture":
                    self._claimed(channel, event)
            case _:
                self.look(self._census.hear(event))
        match event.get("Event"):
            case "BridgeEnter" if event.get("BridgeType") == "stasis":
                self._listen(channel, event.get("BridgeUniqueid", ""))
            case "Hangup":
                self._gone(channel)

    def look(self, channel: str) -> None:
        """Something changed around this channel: a call began there, or somebody came or went."""
        if channel:
            for customer in self._census.around(channel):
                if conversation := self._conversations.get(customer):
                    self._judge(customer, conversation)

    def recording(self, name: str, target: str, *, began: bool) -> None:
        """ARI says that a recording of ``channel:<id>`` or ``bridge:<id>`` began or ended."""
        self.look(self._census.recording(name, target, began=began))

    def ours(self, channel: str, identity: str) -> None:
        """A MixMonitor of this channel is ours, whoever started it."""
        self._census.claimed(channel, identity)

    def resuming(self, channel: str) -> None:
        """The recorder of this channel is told to speak again; to be said before it is."""
        self._resumes[channel] = time.monotonic() + RESUME_SECONDS

    # ------------------------------------------------------------------ what a call wants

    async def silence(self, customer: str) -> None:
        """Let nothing of others hear this call: its recorders are muted, its listeners hung up.

        Raises:
            AsteriskError: something may still hear it.
        """
        async with self._turns[customer]:
            # What begins from now on is ended by itself: the call is not captured any more.
            there = self._census.foreign(customer)
            for channel in self._census.around(customer):
                if self._census.mixers(channel) or channel in self._unseen:
                    await self._evictions.silence(customer, channel)
            for found in there:
                if found.kind is Kind.MIXMONITOR:
                    found.muted = found.stopped_ms is None
                else:
                    await self._evictions.end(customer, found)

    async def clear(self, customer: str) -> None:
        """End what records or listens on a call that is not captured, until none is left."""
        async with self._turns[customer]:
            why = ""
            for _ in range(ATTEMPTS):
                there = self._to_end(customer)
                if not there:
                    return
                try:
                    await self._evictions.end_all(customer, there)
                except AsteriskError as error:
                    why = str(error)
            conversation = self._conversations.get(customer)
            if self._to_end(customer) and conversation is not None:
                self._alert("foreign recorder not stopped", why, conversation.call.id)

    async def catch_up(self, channels: Iterable[Mapping[str, str]]) -> None:
        """AMI was away: look anew. The bridges are known again by now.

        Args:
            channels: AMI's Status of all channels.

        Raises:
            AsteriskError: it is gone again.
        """
        self._census.start_over(channels)
        self._unseen.clear()
        for customer in list(self._conversations):
            await self.look_anew(customer)

    async def look_anew(self, customer: str) -> None:
        """Nobody knows what began on this call until now: AMI was away, or another controller was here.

        Raises:
            AsteriskError: AMI is gone again.
        """
        conversation = self._conversations.get(customer)
        if conversation is None:
            return
        around = self._census.around(customer)
        if conversation.call.capture in RUNNING:
            # Beside ours nothing can be counted; whatever is there falls silent with the next pause.
            self._unseen |= around
            if not conversation.call.captures:
                await self.silence(customer)
            return
        for channel in around:
            found = Foreign(kind=Kind.MIXMONITOR, channel=channel, seen=time.monotonic())
            if await stop_recorders(self._ami, channel):
                await self._evictions.ended(customer, found)
                self._tell(customer, conversation, found)
        self._judge(customer, conversation)

    # ------------------------------------------------------------------ judging

    def _judge(self, customer: str, conversation: Watched) -> None:
        for found in self._census.foreign(customer):
            if not self._may_be_ours(customer, conversation, found):
                self._tell(customer, conversation, found)
                continue
            asyncio.get_running_loop().call_later(CLAIM_SECONDS, self.look, customer)
            if not conversation.call.captures:
                self._own(self._evictions.mute(customer, customer), f"mute {customer}")
        if self._to_end(customer):
            self._own(self.clear(customer), f"end recorders of others {customer}")

    def _tell(self, customer: str, conversation: Watched, found: Foreign) -> None:
        if customer in found.told:
            return
        found.told.add(customer)
        self._told[customer] += 1
        if self._told[customer] <= MOST_TOLD:
            conversation.violated(found)

    def _to_end(self, customer: str) -> list[Foreign]:
        """What is on a call that nothing may hear now."""
        conversation = self._conversations.get(customer)
        if conversation is None or conversation.call.captures:
            return []
        paused = conversation.call.capture is Capture.PAUSED
        return [
            each
            for each in self._census.foreign(customer)
            if not (paused and each.muted) and not self._may_be_ours(customer, conversation, each)
        ]

    def _may_be_ours(self, customer: str, conversation: Watched, found: Foreign) -> bool:
        """Whether the dialplan may be about to say that this one is ours; also after an early pause."""
        call = conversation.call
        awaited = call.captures or (call.capture is Capture.PAUSED and not self._census.ours(customer))
        return (
            awaited
            and found.kind is Kind.MIXMONITOR
            and found.channel == customer
            and time.monotonic() - found.seen < CLAIM_SECONDS
        )

    # ------------------------------------------------------------------ events of MixMonitors and channels

    def _claimed(self, channel: str, event: Mapping[str, str]) -> None:
        conversation = self._conversations.get(channel)
        if conversation is not None and event.get("Call") == conversation.call.id:
            self.ours(channel, event.get("MixMonitorID", ""))
            self.look(channel)

    def _stopped(self, channel: str) -> None:
        """A MixMonitor was stopped. Where ours has to be, it is the newest; where not, ours goes first."""
        ours = (channel, self._census.ours(channel))
        if ours in self._ami.own_stops:
            self._ami.own_stops.discard(ours)
            self._census.lost(channel)
        elif self._census.stopped(channel, ours=not self._evictions.has_ours(channel)):
            self._evictions.lost(channel)
        self.look(channel)

    def _unmuted(self, channel: str) -> None:
        """A MixMonitor of a channel writes speech again. Where that must not be, it is silenced at once."""
        if time.monotonic() < self._resumes.pop(channel, 0.0):
            return
        for customer in self._census.around(channel):
            conversation = self._conversations.get(customer)
            if conversation is not None and not conversation.call.captures:
                found = Foreign(kind=Kind.UNMUTED, channel=channel, seen=time.monotonic(), muted=True)
                self._tell(customer, conversation, found)
                self._own(self._mute_again(customer, found), f"mute {channel}")

    async def _mute_again(self, customer: str, found: Foreign) -> None:
        await self._evictions.mute(customer, found.channel)
        await self._evictions.ended(customer, found)

    def _listen(self, channel: str, bridge: str) -> None:
        """A customer came into a bridge of another ARI application: hear of what that records there."""
        for customer in self._census.around(channel):
            if customer in self._conversations:
                self._own(self._subscribe(f"bridge:{bridge}", f"channel:{customer}"), f"hear of {bridge}")

    async def _subscribe(self, *sources: str) -> None:
        for source in sources:
            try:
                if ari := self._ari():
                    await ari.subscribe(source)
            except AsteriskError as error:
                log.warning("recordings over ARI would not be seen", source=source, why=str(error))

    def _gone(self, channel: str) -> None:
        for known in (self._resumes, self._told, self._turns):
            known.pop(channel, None)
        self._unseen.discard(channel)
