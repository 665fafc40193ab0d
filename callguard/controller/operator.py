"""The desk of a running controller: finds the call, asks its core, and waits for the recorder."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from callguard.asterisk import Ari
from callguard.asterisk.ami import Ami
from callguard.config import Config
from callguard.consent import Capture, Party, State
from callguard.consent import events as ev
from callguard.consent.capturing import CALLER, PAYMENT
from callguard.consent.words import Answer, Outcome
from callguard.controller.conversation import Conversation
from callguard.controller.desk import (
    By,
    Lamp,
    NoSuchCall,
    NotAllowedNow,
    NotConfirmed,
    NotRecorded,
    NotUnique,
    Placed,
    Standing,
    Target,
)
from callguard.controller.membership import Bridges
from callguard.controller.originating import place
from callguard.errors import AsteriskError
from callguard.ledger.bodies import AnyBody
from callguard.ledger.payments import CaseAssigned, Payment

#: How much longer than the recorder itself an answer may take (seconds): the core's turn, and a busy machine.
MARGIN = 2.0


class Floor(Protocol):
    """The calls of a PBX."""

    ami: Ami
    conversations: dict[str, Conversation]
    bridges: Bridges

    @property
    def ari(self) -> Ari | None:
        """The live connection to ARI."""

    @property
    def config(self) -> Config:
        """The configuration in force."""

    def note(self, body: AnyBody, call: str = "") -> None:
        """Write a fact into the ledger."""

    def alert(self, what: str, detail: str, call: str) -> None:
        """Somebody has to look at this."""


class Operator:
    """See `callguard.controller.desk.Desk`."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    # ------------------------------------------------------------------ telling

    def calls(self) -> list[Standing]:
        """All live calls."""
        return [self._standing(each) for each in self._live()]

    def find(self, target: Target) -> Standing:
        """One live call; see `Desk.find`."""
        return self._standing(self._one(target))

    def agents(self, conversation: Conversation) -> tuple[str, ...]:
        """The telephones of ours that are on a call."""
        others = self._floor.bridges.others(conversation.channel.id)
        return tuple(dict.fromkeys(each.phone for each in others))

    def _live(self) -> Iterator[Conversation]:
        return (each for each in self._floor.conversations.values() if each.call.state is not State.ENDED)

    def _standing(self, conversation: Conversation) -> Standing:
        call = conversation.call
        paused = PAYMENT in call.holds and call.capture is Capture.PAUSED
        return Standing(
            call=call.id,
            channel=conversation.channel.id,
            caller=conversation.request.caller,
            queue=conversation.queue,
            agents=self.agents(conversation),
            case=conversation.case,
            lamp=conversation.signals.lamp,
            seconds_left=conversation.pause_left if paused else None,
            extended=paused and call.extended,
            erased_seconds=conversation.taping.erased_seconds,
        )

    def _one(self, target: Target) -> Conversation:
        value = target.value.strip()
        found = [each for each in self._live() if value and self._is(each, target.by, value)]
        if not found:
            raise NoSuchCall(f"no live call has the {target.by} {value!r}; `callguard calls` lists them all")
        if len(found) > 1:
            ids = ", ".join(each.call.id for each in found)
            raise NotUnique(f"{len(found)} live calls have the {target.by} {value!r}; name one of {ids}")
        return found[0]

    def _is(self, conversation: Conversation, by: By, value: str) -> bool:
        channel = conversation.channel
        others = self._floor.bridges.others(channel.id)
        match by:
            case By.CALL:
                return conversation.call.id == value
            case By.CHANNEL:
                names = {channel.id, channel.name}
                return value in names.union(*({each.channel, each.name} for each in others))
            case By.EXTENSION:
                return any(each.phone == value for each in others)
            case By.CASE:
                return conversation.case == value

    # ------------------------------------------------------------------ asking

    async def pause(
        self, target: Target, *, by: str, seconds: float | None = None, drop_last: float = 0.0
    ) -> Standing:
        """See `Desk.pause`."""
        return await self._pause(self._one(target), by, seconds, drop_last)

    async def _pause(
        self,
        conversation: Conversation,
        by: str,
        seconds: float | None,
        drop_last: float,
    ) -> Standing:
        _recorded(conversation)
        limit = self._floor.config.vault.look_back_seconds
        if drop_last > limit:
            raise NotAllowedNow(
                f"{drop_last:g} s cannot be dropped: only the newest {limit:g} s are not sealed yet "
                "(vault.look_back_seconds)"
            )
        event = ev.PauseAsked(at=time.monotonic(), by=by, allowed=True, seconds=seconds, drop_last=drop_last)
        await self._ask(
            conversation,
            event,
            lambda: conversation.signals.lamp is Lamp.PAUSED and PAYMENT in conversation.call.holds,
        )
        if conversation.call.capture is not Capture.PAUSED:
            raise NotConfirmed(
                "the recorder did not confirm the pause, so the recording was ended; what was recorded since "
                "the pause was asked for is erased"
            )
        return self._standing(conversation)

    async def resume(self, target: Target, *, by: str) -> Standing:
        """See `Desk.resume`."""
        return await self._resume(self._one(target), by)

    async def _resume(self, conversation: Conversation, by: str) -> Standing:
        _recorded(conversation)
        await self._ask(
            conversation,
            ev.ResumeAsked(at=time.monotonic(), by=by, allowed=True),
            lambda: (
                conversation.signals.lamp is Lamp.RECORDING or conversation.call.capture is Capture.PAUSED
            ),
        )
        call = conversation.call
        if call.capture is Capture.PAUSED:
            others = ", ".join(sorted(call.holds - {PAYMENT}))
            raise NotAllowedNow(f"recording cannot go on yet: {others} holds it")
        if conversation.signals.lamp is not Lamp.RECORDING:
            raise NotConfirmed("the recorder did not go on, so the recording was ended")
        return self._standing(conversation)

    async def extend(self, target: Target, *, by: str, reason: str) -> Standing:
        """See `Desk.extend`."""
        return await self._extend(self._one(target), by, reason)

    async def _extend(self, conversation: Conversation, by: str, reason: str) -> Standing:
        call = conversation.call
        if PAYMENT not in call.holds or call.capture is not Capture.PAUSED:
            raise NotAllowedNow("there is no pause that could be made longer")
        if call.extended:
            raise NotAllowedNow("this pause was made longer once already; resume, and pause again")
        seconds = self._floor.config.pause.extend_seconds
        event = ev.ExtendAsked(
            at=time.monotonic(), by=by, seconds=(conversation.pause_left or 0.0) + seconds, reason=reason
        )
        await self._ask(conversation, event, lambda: True)
        return self._standing(conversation)

    async def withdraw(self, target: Target, *, by: str, shred: bool) -> Standing:
        """See `Desk.withdraw`."""
        return await self._withdraw(self._one(target), by, shred=shred)

    async def _withdraw(self, conversation: Conversation, by: str, *, shred: bool) -> Standing:
        event = ev.WithdrawalAsked(at=time.monotonic(), by=Party.CALLER, shred=shred, through=by)
        await self._ask(conversation, event, lambda: not conversation.call.captures)
        return self._standing(conversation)

    async def _refuse(self, conversation: Conversation, by: str) -> None:
        """The agent does not want to be recorded."""
        event = ev.WithdrawalAsked(at=time.monotonic(), by=Party.AGENT, through=by)
        await self._ask(conversation, event, lambda: not conversation.call.captures)

    async def _agreed(self, conversation: Conversation, by: str) -> None:
        """The agent read the announcement out, and the customer said yes."""
        call = conversation.call
        if call.state is not State.TALKING or call.outcome is not Outcome.AGENT_ASKS:
            raise NotAllowedNow(
                "this customer was not to be asked by an agent (queues.*.announced_by), or has answered"
            )
        answer = Answer(kind="agent", value="yes", at=time.monotonic())
        event = ev.PartyAnswered(at=time.monotonic(), who=CALLER, agreed=True, answer=answer)
        conversation.log.info("the agent says that the customer agreed", by=by)
        number = conversation.feed(event)
        async with asyncio.timeout(MARGIN + self._floor.config.dialogue.confirm_seconds):
            await conversation.until(
                lambda: conversation.taken > number and conversation.signals.lamp is not Lamp.OFF
            )

    async def assign(self, target: Target, *, by: str, case: str) -> Standing:
        """See `Desk.assign`."""
        conversation = self._one(target)
        conversation.case = case
        conversation.note(CaseAssigned(case=case, by=by))
        return self._standing(conversation)

    async def place(self, *, agent: str, number: str, queue: str, by: str) -> Placed:
        """See `Desk.place`."""
        return await place(self._floor, agent=agent, number=number, queue=queue, by=by)

    async def paid(self, target: Target, *, by: str, reference: str) -> Standing:
        """See `Desk.paid`."""
        conversation = self._one(target)
        paused = PAYMENT in conversation.call.holds
        conversation.note(Payment(reference=reference, by=by, paused=paused or conversation.pauses > 0))
        return self._standing(conversation)

    async def _ask(self, conversation: Conversation, event: ev.Event, done: Callable[[], bool]) -> None:
        """Have the core take an event in, and wait until what it led to is done, or the recording ended."""
        pause = self._floor.config.pause
        number = conversation.feed(event)
        try:
            async with asyncio.timeout(pause.confirm_seconds + pause.resume_guard_seconds + MARGIN):
                await conversation.until(
                    lambda: (
                        conversation.taken >= number
                        and (done() or conversation.call.capture in {Capture.OFF, Capture.STOPPED})
                    )
                )
        except TimeoutError:
            raise NotConfirmed(
                "Asterisk did not confirm it in time; `callguard calls` shows what the recorder does"
            ) from None

    # ------------------------------------------------------------------ hot keys

    async def key(self, conversation: Conversation, key: str) -> None:
        """An agent pressed a hot key; the dialplan waits to be told that it was done."""
        by = "hot key of " + (", ".join(self.agents(conversation)) or "an agent")
        config = self._floor.config.pause
        try:
            match key:
                case "pause":
                    await self._pause(conversation, by, None, 0.0)
                case "drop":
                    await self._pause(conversation, by, None, config.drop_last_seconds)
                case "resume":
                    await self._resume(conversation, by)
                case "extend":
                    await self._extend(conversation, by, "hot key")
                case "withdraw":
                    await self._withdraw(conversation, by, shred=conversation.call.agreed.shred_withdrawn)
                case "refuse":
                    await self._refuse(conversation, by)
                case "agreed":
                    await self._agreed(conversation, by)
                case _:
                    return
        except NotRecorded:
            conversation.log.info("a hot key on a call that is not recorded", key=key)
        except TimeoutError:
            self._floor.alert(f"hot key {key}", "the recording did not begin", conversation.call.id)
            return
        except (NotAllowedNow, NotConfirmed) as error:
            self._floor.alert(f"hot key {key}", str(error), conversation.call.id)
            return
        try:
            await self._floor.ami.set_variable(conversation.channel.id, "CALLGUARD_DONE", key)
        except AsteriskError as error:
            conversation.log.info("the dialplan was not told", key=key, why=str(error))


def _recorded(conversation: Conversation) -> None:
    if conversation.call.state is not State.TALKING or conversation.call.capture in {
        Capture.OFF,
        Capture.STOPPED,
    }:
        raise NotRecorded("this call is not being recorded, so there is nothing to pause or to resume")
