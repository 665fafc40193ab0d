"""What a controller before this one left: its callers are led on, its calls and recordings are gone on with.

Callers who were being asked go on unrecorded: nobody knows what they heard of the question. Calls that are
recorded go on so, with the pauses and refusals that the ledger and the spool tell of.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Collection, Sequence
from typing import Protocol

import structlog

from callguard.asterisk import Ari
from callguard.asterisk.errors import AriRefused
from callguard.asterisk.events import Channel
from callguard.consent import CAPTURING, Capture
from callguard.consent import events as ev
from callguard.consent.words import Outcome
from callguard.controller.conversation import Conversation, playback_id
from callguard.controller.conversation import House as ConversationHouse
from callguard.controller.floor import Floor
from callguard.controller.peers import Peers
from callguard.controller.planning import Request
from callguard.controller.pool import AGAIN_SECONDS
from callguard.controller.recovery import Left, queue_of, recorder_of, still_matters, waits
from callguard.controller.taping import may_be_kept
from callguard.controller.tones import tone_again
from callguard.controller.verdict import Verdict, tell_dialplan
from callguard.errors import AsteriskError, CallguardError
from callguard.ledger import Entry
from callguard.ledger.bodies import AnyBody, Ended, Rescued, TakenUp

log = structlog.get_logger(__name__)

#: How many prompts a dialogue can have played when its controller died: five attempts of two, and some.
MOST_PLAYBACKS = 16

#: How a capture stands in the ledger that may have begun all the same.
UNSEEN = frozenset({Capture.OFF, Capture.ORDERED, Capture.STOPPED})


class House(ConversationHouse, Protocol):
    """What it needs of the controller."""

    conversations: dict[str, Conversation]
    peers: Peers

    @property
    def floor(self) -> Floor:
        """What goes on around the calls."""

    def note(self, body: AnyBody, call: str = "") -> None:
        """Write a fact into the ledger."""


class Heir:
    """Goes on with what another controller, or the run before this one, left.

    Args:
        house: the controller.
    """

    def __init__(self, house: House) -> None:
        self._house = house

    async def take_up(self, ari: Ari, left: list[Left], *, former: str = "") -> None:
        """Go on with the calls and the recordings that a controller before this one left.

        Args:
            ari: the live connection.
            left: the calls.
            former: which other controller of the pool it was.
        """
        channels = {channel.id: channel for channel in await ari.channels()}
        if self._house.keeper is not None:
            await self._house.keeper.recover((former,) if former else self._house.peers.taken_over)
        ours, taken = [], []
        for each in left:
            if each.channel in self._house.conversations:
                continue
            channel = still_matters(each, channels)
            if channel is None:
                if channels.get(each.channel) is None:
                    await self._keep_late(each)
                outcome = each.call.outcome or Outcome.FAULT
                self._house.note(Ended(outcome=outcome, reason="the controller was away"), each.call.id)
                continue
            conversation = Conversation(
                house=self._house,
                channel=channel,
                queue=each.queue,
                call=each.call,
                arrived=time.monotonic(),
                request=Request(queue=each.queue, caller=each.customer, outbound=each.outbound),
                _consent=each.consent,
            )
            self._house.conversations[channel.id] = conversation
            conversation.case, conversation.pauses, conversation.stopped = (
                each.case,
                each.pauses,
                each.stopped,
            )
            flags = each.consent.basis.flags if each.consent is not None else frozenset()
            conversation.signals.tone = tone_again(self._house.config, flags)
            conversation.company.known(self._house.floor.bridges.others(channel.id))
            taken.append(conversation)
            try:
                await self._go_on_with(ari, conversation, each)
            except AriRefused as error:
                log.info("a call ended while it was taken up", call=each.call.id, why=str(error))
            except CallguardError as error:
                # The others are not to wait for it; its recorder has to prove itself, or is stopped.
                conversation.failed(ev.Fault.CONTROLLER, f"not taken up: {error}")
            self._house.own(conversation.go_on(), f"call {each.call.id}")
            await self._house.floor.latch.look_anew(channel.id)
            log.info("call taken up", call=each.call.id, capture=each.call.capture.value)
            if former:
                ours.append(self._house.ledger.append(Entry.now(TakenUp(before=former), each.call.id)))
        # Who hung up before we listened for it tells nobody any more.
        alive = {channel.id for channel in await ari.channels()}
        for conversation in taken:
            if conversation.channel.id not in alive:
                conversation.hung_up()
        if self._house.keeper is not None:
            await self._house.keeper.take_up(alive - set(self._house.conversations), lost=not former)
        # Durable before anybody is told that nothing is left of the other controller.
        await asyncio.gather(*ours)

    async def take_up_left(self, left: list[Left]) -> None:
        """Take up what the run before this one left, over another line if the first one breaks meanwhile."""
        while True:
            try:
                if (ari := self._house.ari) is not None:
                    await self.take_up(ari, left)
                    return
            except CallguardError as error:
                log.warning("what was left is not all taken up yet", why=str(error))
            await asyncio.sleep(AGAIN_SECONDS)

    async def _keep_late(self, left: Left) -> None:
        """A call is over whose recorder may have begun, or ended, when nobody lived to write it down."""
        keeper, call, consent = self._house.keeper, left.call, left.consent
        if keeper is None or consent is None:
            return
        for segment in range(1, left.segment + 1):
            if segment not in left.sealed:
                await keeper.tell_again(call.id, segment)
        if keeper.keeps(call.id, left.segment):
            return
        unseen = call.outcome in CAPTURING and call.capture in UNSEEN
        unseen = unseen and may_be_kept(left.stopped, left.pauses, call.holds)
        if unseen and self._house.spool.opened(call.id, left.segment):
            await keeper.keep_late(call, left.channel, consent, left.segment)

    async def _go_on_with(self, ari: Ari, conversation: Conversation, left: Left) -> None:
        recorder = await recorder_of(ari, left)
        if recorder and left.call.capture is Capture.OFF:
            conversation.call = left.call.with_(capture=Capture.ORDERED)
        begun = self._house.keeper is None or self._house.keeper.keeps(left.call.id, left.segment)
        if not begun and conversation.call.capture is Capture.ORDERED:
            # Without an id the dialplan is about to start it, and says so.
            await conversation.found(recorder, left.consent, segment=left.segment)
        else:
            await conversation.taken_up(
                recorder, left.consent, segment=left.segment, pause_left=left.pause_left
            )

    async def adopt_all(self, channels: Sequence[Channel], given: Collection[str]) -> None:
        """Lead on all callers who wait for a controller that is not there, of those that it was given."""
        for channel in channels:
            if waits(channel) and channel.id in given and channel.id not in self._house.conversations:
                queue = queue_of(channel)
                self._house.note(
                    Rescued(channel=channel.id, queue=queue, detail="found without a controller")
                )
                self._house.own(self._adopt(channel, queue), f"adopt {channel.id}")

    async def _adopt(self, channel: Channel, queue: str) -> None:
        """A caller left behind by a controller that died: on, unrecorded, at once."""
        config = self._house.config
        target = config.unrecorded_queue(queue) if queue in config.queues else f"{queue}-unrecorded"
        try:
            await self.let_go(channel, target, known=str(uuid.uuid4()))
        except AsteriskError as error:
            log.warning("caller not adopted, the lease leads on", channel=channel.id, why=str(error))

    async def let_go(self, channel: Channel, queue: str, *, known: str = "") -> None:
        """Send a channel on unrecorded that no conversation takes care of."""
        ari = self._house.ari
        if ari is None:
            return
        for play in range(1, MOST_PLAYBACKS + 1 if known else 1):
            await ari.stop_playback(playback_id(channel.id, play))
        verdict = Verdict(
            way="pass",
            outcome=Outcome.FAULT,
            queue="".join(c for c in queue if c.isalnum() or c in "_.-") or "unrecorded",
            call=known or str(uuid.uuid4()),
            channel=channel.id,
        )
        await tell_dialplan(self._house.ami, ari, channel.id, "CALLGUARD_VERDICT", verdict.text())
        await ari.go_on(channel.id)
