"""The conductor: which call an event belongs to, and everything that concerns more than one call.

Decided 2026-11: one task and one inbox for each call, owned by one task group, instead of one queue
for all calls: a call that waits for Asterisk delays nobody else, and an error in one of them is that
call's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections import deque
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from callguard.asterisk import events as said
from callguard.asterisk.ami import Ami
from callguard.asterisk.ari import Ari
from callguard.asterisk.link import AriLink
from callguard.asterisk.settings import AmiSettings, AriSettings
from callguard.config import Config
from callguard.consent import Call, State, advance
from callguard.consent import actions as do
from callguard.consent import events as ev
from callguard.consent.capturing import PAYMENT
from callguard.consent.words import Outcome, Plan
from callguard.controller.conversation import Conversation
from callguard.controller.entrance import Entrance, agent_codes
from callguard.controller.figures import Figures
from callguard.controller.floor import Floor
from callguard.controller.inheritance import Heir
from callguard.controller.keypad import card_guard
from callguard.controller.leases import Leases
from callguard.controller.notify import notify
from callguard.controller.operator import Operator
from callguard.controller.peers import Nobody, Peers
from callguard.controller.planning import Planner, Request
from callguard.controller.recovery import (
    Left,
    left_behind,
)
from callguard.controller.register import Register
from callguard.controller.sealing import Keeper
from callguard.controller.sweep import stop_every_recorder, stop_recorders
from callguard.controller.switch import Switch
from callguard.controller.terms import ruled
from callguard.controller.tones import Sounds, tone_interval
from callguard.errors import AsteriskError, CallguardError
from callguard.ledger import Entry, Kind, Ledger, body_for
from callguard.ledger.bodies import AnyBody, Arrived, Fault, Rescued
from callguard.ledger.bodies import Switch as SwitchEntry
from callguard.recording import Measures, Spool
from callguard.vault import Vault

log = structlog.get_logger(__name__)


#: Of how many calls it is kept how soon they heard something.
FIRST_PROMPTS = 10_000

#: How long callers in the dialogue are given to be led on when callguard stops (seconds).
LEAVE_SECONDS = 5.0

#: How long they are given to come to the end of it, where others take what arrives (seconds).
SEE_OFF_SECONDS = 90.0

#: How long another controller takes to end every recorder of the PBX (seconds).
SWEEP_SECONDS = 1.0

#: Answers of a caller that a site may remember for the next calls.
REMEMBERED = frozenset({Outcome.GRANTED, Outcome.REFUSED, Outcome.WITHDRAWN})


class Conductor:
    """All calls of one PBX. ``start`` it, ``stop`` it; what happens in between comes from Asterisk."""

    def __init__(
        self,
        *,
        config: Config,
        planner: Planner,
        ledger: Ledger,
        spool: Spool,
        switch: Switch,
        register: Register,
        sounds: Sounds | None = None,
        peers: Peers | None = None,
    ) -> None:
        self.peers = peers or Nobody()
        self.config = config
        self.planner = planner
        self.ledger = ledger
        self.spool = spool
        self.switch = switch
        self.register = register
        self.conversations: dict[str, Conversation] = {}
        self.replaced = asyncio.Event()
        #: Seconds from when a caller was handed to us to the start of the first prompt, newest last.
        self.first_prompts: deque[float] = deque(maxlen=FIRST_PROMPTS)
        self.keeper: Keeper | None = None
        self.entrance = Entrance(agent_codes(config))
        self.alerts = 0  #: how often somebody had to look at something
        self.unresumed = 0  #: pauses that nobody ended
        self._leaving = False
        self._left: list[Left] | None = None  #: calls of the run before, until Asterisk was first reached
        self._tasks: set[asyncio.Task[None]] = set()
        self._off = switch.off
        ari, ami = config.asterisk.ari, config.asterisk.ami
        self.link = AriLink(
            AriSettings(
                url=ari.url,
                app=config.app,
                username=ari.username,
                password=ari.password.get_secret_value(),
                deadline=ari.deadline,
                transport=ari.transport,
            ),
            on_event=self._ari_event,
            on_up=self._ari_up,
            on_down=self._ari_down,
            on_replaced=self.replaced.set,
        )
        self.ami = Ami(
            AmiSettings(
                host=ami.host,
                port=ami.port,
                username=ami.username,
                password=ami.password.get_secret_value(),
            ),
            on_event=self._ami_event,
            on_up=self._ami_up,
        )
        self.floor = Floor(self, sounds)
        self.heir = Heir(self)
        self.leases = Leases(self)

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Connect. AMI first: a capture that could not be stopped must not be started."""
        # Without a writer these are the calls of all: only where nobody else has any.
        whose = [by for by in self.peers.taken_over if by] or [""]
        self._left = [left for by in whose for left in await left_behind(self.ledger, self.planner, by)]
        self.own(self._listen(), "start the recognisers of speech")
        await self.ami.start()
        await self.link.start()

    async def take_from(self, member: str) -> None:
        """A controller of the pool is gone: its callers are led on, and its calls are ours from now on.

        Raises:
            CallguardError: not now; nothing of it is lost, and it may be tried again, here or elsewhere.
        """
        ari, app = self.ari, self.config.app_of(member)
        if ari is None or not self.ami.connected:
            raise AsteriskError("Asterisk cannot be reached")
        channels = await ari.channels()
        await self.heir.adopt_all(channels, await ari.channels_of(app))
        await self.heir.take_up(ari, await left_behind(self.ledger, self.planner, app), former=app)
        await self.floor.asides.sweep(channels, app)

    async def _listen(self) -> None:
        """Make ready for callers who answer by voice; until then, and where it fails, they answer by keys."""
        listeners = self.floor.listeners
        try:
            await listeners.start()
        except CallguardError as error:
            self.alert("callers cannot answer by voice", str(error), "")
        self.planner.hears = listeners.serves

    async def keep(self, vault: Vault, measures: Measures) -> None:
        """Seal recordings into a vault from now on.

        Raises:
            CallguardError: the vault or its key cannot be used.
        """
        self.keeper = Keeper(
            vault,
            self.spool,
            measures,
            note=self.note,
            alert=self.alert,
            stop=self._capture_failed,
            own=self.own,
            guard=lambda: card_guard(self.config),
            owner=self.config.app if self.peers.shared else "",
        )
        await self.keeper.start()

    def _capture_failed(self, call: str, fault: ev.Fault, detail: str) -> None:
        for conversation in self.conversations.values():
            if conversation.call.id == call:
                conversation.failed(fault, detail)

    async def stop(self) -> None:
        """Let go of the PBX: callers in the dialogue go on unrecorded, conversations are left as they are.

        Where other controllers take what arrives, those in the dialogue are led to its end before.
        """
        self._leaving = True
        if not self.peers.alone:
            await self._see_off()
        for conversation in list(self.conversations.values()):
            if not conversation.routed:
                conversation.failed(ev.Fault.CONTROLLER, "callguard was stopped")
        # Those who cannot be led on in time are led on by the dialplan's lease.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                while any(not each.routed for each in self.conversations.values()):  # noqa: ASYNC110 - bounded
                    await asyncio.sleep(0.02)
        await self.peers.take_up_no_more()
        await self.floor.leave()
        await self.link.stop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.ami.stop()
        if self.keeper is not None:
            await self.keeper.close()

    async def _see_off(self) -> None:
        """Let the dialogues that are under way come to their end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SEE_OFF_SECONDS):
                while any(not each.routed for each in self.conversations.values()):
                    notify(f"EXTEND_TIMEOUT_USEC={round(2e6 * LEAVE_SECONDS)}")
                    await asyncio.sleep(0.1)

    def own(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run something in a task that is ours; what it raises is logged, never lost."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the controller failed", task=task.get_name(), exc_info=error)
            self.note(Fault(where=task.get_name(), detail=repr(error)[:500]))

    def take_over(self, config: Config, planner: Planner, sounds: Sounds | None) -> None:
        """From the next call on, these rules."""
        self.config, self.planner = config, planner
        planner.hears = self.floor.listeners.serves
        self.floor.sounds = sounds
        self.entrance.codes = agent_codes(config)

    # ------------------------------------------------------------------ what conversations need

    @property
    def desk(self) -> Operator:
        """Where people and programs ask about live calls."""
        return self.floor.desk

    @property
    def ari(self) -> Ari | None:
        """The live connection to ARI."""
        return self.link.ari

    def obstacle(self) -> ev.Failed | None:
        """Why no capture may start now."""
        now = time.monotonic()
        if self._off:
            return ev.Failed(at=now, fault=ev.Fault.CONTROLLER, detail="recording is switched off")
        if not self.ami.connected:
            detail = "no connection to AMI: a recording could not be paused or stopped"
            return ev.Failed(at=now, fault=ev.Fault.ASTERISK, detail=detail)
        if detail := self.spool.obstacle():
            return ev.Failed(at=now, fault=ev.Fault.SPOOL, detail=detail)
        return None

    def alert(self, what: str, detail: str, call: str) -> None:
        """Somebody has to look at this: it stands in the log and in the ledger."""
        self.alerts += 1
        log.warning("alert", what=what, detail=detail, call=call)
        self.note(Fault(where=what, detail=detail[:500]), call)

    def figures(self) -> Figures:
        """See `Watched`."""
        return Figures(
            ari=self.ari is not None,
            ami=self.ami.connected,
            ledger=self.ledger.healthy,
            recording_off=self._off,
            alerts=self.alerts,
            unresumed=self.unresumed,
            sealing=self.keeper.sealing() if self.keeper is not None else None,
        )

    def ended(self, conversation: Conversation) -> None:
        """The call is over."""
        if PAYMENT in conversation.call.holds:
            self.unresumed += 1
        conversation.signals.dark()
        self.conversations.pop(conversation.channel.id, None)
        days, outcome = self.config.law.remember_answers_days, conversation.call.outcome
        if days is not None and outcome in REMEMBERED and conversation.call.plan is not None:
            self.own(self._remember(conversation, outcome, days), f"remember {conversation.call.id}")

    async def _remember(self, conversation: Conversation, outcome: Outcome, days: int) -> None:
        """Keep the caller's answer for the next calls of the same number."""
        now = datetime.now(UTC)
        body = await self.register.remember(
            conversation.request.caller,
            conversation.call.agreed.purposes,
            outcome,
            now.date() + timedelta(days=days),
            now=now,
            call=conversation.call.id,
        )
        if body is not None:
            conversation.note(body)

    def note(self, body: AnyBody, call: str = "") -> None:
        """Write a fact into the ledger; nobody waits for it."""
        self.ledger.note(Entry.now(body, call))

    # ------------------------------------------------------------------ arrivals

    def _ari_event(self, event: said.Event) -> None:
        if self.floor.ari_event(event):
            return
        match event:
            case said.ChannelDtmfReceived():
                if conversation := self.conversations.get(event.channel.id):
                    conversation.digit(event.digit)
            case said.PlaybackFinished():
                if conversation := self.conversations.get(event.channel):
                    conversation.playback_finished(event.playback, event.state)
            case said.PlaybackStarted():
                self._prompt_began(event.channel)
            case said.CallBroadcast():
                self.own(self._claim(event.channel.id), f"claim {event.channel.id}")
            case said.StasisStart():
                self._arrived(event)
            case said.StasisEnd():
                self._left_stasis(event.channel.id)
            case said.ChannelHangupRequest() | said.ChannelDestroyed():
                if conversation := self.conversations.get(event.channel.id):
                    conversation.hung_up()

    def _left_stasis(self, channel: str) -> None:
        conversation = self.conversations.get(channel)
        if conversation and not conversation.routed:
            self.own(conversation.left_stasis(), f"left {channel}")

    def _prompt_began(self, channel: str) -> None:
        conversation = self.conversations.get(channel)
        if conversation is not None and not conversation.heard_us:
            conversation.heard_us = True
            self.first_prompts.append(time.monotonic() - conversation.arrived)

    async def _claim(self, channel: str) -> None:
        if self.ari is None or (self._leaving and not self.peers.alone):
            return
        try:
            await self.ari.claim(channel)
        except AsteriskError as error:
            # Whoever is not claimed is led on by the dialplan, or by another controller.
            log.warning("a call was not claimed", channel=channel, why=str(error))

    def _arrived(self, event: said.StasisStart) -> None:
        channel, (what, queue, called, customer) = event.channel, arguments(event.args)
        outbound = what == "outbound"
        if what not in {"consent", "outbound"} or queue not in self.config.queues:
            known = ", ".join(self.config.queues)
            detail = f"the dialplan asked for queue {queue!r}; config.yaml has: {known}"
            log.error("no such queue, the call goes on unrecorded", channel=channel.id, detail=detail)
            self.note(Fault(where="dialplan", detail=detail[:500]))
            self.own(self.heir.let_go(channel, f"{queue}-unrecorded"), f"let go {channel.id}")
            return
        request = Request(
            queue=queue,
            caller=called if outbound else channel.caller_number,
            called="" if outbound else called,
            customer=customer or None,
            outbound=outbound,
        )
        conversation = Conversation(
            house=self,
            channel=channel,
            queue=queue,
            call=Call(id=str(uuid.uuid4())),
            arrived=time.monotonic(),
            request=request,
        )
        self.conversations[channel.id] = conversation
        conversation.note(
            Arrived(
                channel=channel.id,
                caller="" if outbound else request.caller[:128],
                called=called,
                queue=queue,
                direction="out" if outbound else "in",
            )
        )
        self.own(conversation.run(self._plan(request, conversation)), f"call {conversation.call.id}")

    def _plan(self, request: Request, conversation: Conversation) -> Plan:
        try:
            planned = self.planner.plan(request, conversation.call.id, switched_off=self._off)
        except CallguardError as error:
            self.alert("no plan for this call", str(error), conversation.call.id)
            return self.planner.unplanned(request.queue)
        if conversation.channel.name.rpartition("-")[0] in self.config.site.staff_lines:
            return self.planner.unplanned(request.queue, exempt=True)
        conversation.signals.tone = tone_interval(self.config, planned.admission)
        conversation.note(ruled(planned.ruling, planned.admission, sampled=planned.sampled))
        if planned.concern:
            self.alert("call not recorded", planned.concern, conversation.call.id)
        return planned.plan

    # ------------------------------------------------------------------ the manager interface

    def _ami_event(self, event: Mapping[str, str]) -> None:
        channel = event.get("Uniqueid", "")
        self.floor.ami_event(event)
        match event.get("Event"):
            case "DTMFBegin" | "DTMFEnd" as what if event.get("Direction") == "Received":
                self._keyed(event)
                if what == "DTMFEnd":
                    self.floor.pressed(channel, event.get("Digit", ""))
            case "Hangup":
                self.entrance.gone(channel)
                if conversation := self.conversations.get(channel):
                    conversation.hung_up()
                elif self.keeper is not None:
                    self.keeper.hung_up(channel)
            case "MixMonitorStart" if self._off:
                self.own(self._stop_late(channel), f"switched off {channel}")
            case "UserEvent":
                self._user_event(event)

    def _keyed(self, event: Mapping[str, str]) -> None:
        """A key was pressed on a call; which one goes no further than the entrance."""
        channel, bridges = event.get("Uniqueid", ""), self.floor.bridges
        if conversation := self.conversations.get(channel):
            for at in self.entrance.take(event, has_codes=False):
                conversation.keyed(0, at)
            return
        for each in bridges.in_bridge(bridges.bridge_of(channel)):
            conversation = self.conversations.get(each)
            if conversation is not None and not conversation.company.is_asked(channel):
                for at in self.entrance.take(event, has_codes=True):
                    conversation.keyed(1, at)
                return

    def _user_event(self, event: Mapping[str, str]) -> None:
        channel = event.get("Uniqueid", "")
        conversation = self.conversations.get(channel)
        match event.get("UserEvent"):
            case "CallguardRescue" | "CallguardUnheard" as what:
                detail = "the lease ran out" if what == "CallguardRescue" else "no controller took the call"
                call = conversation.call.id if conversation else ""
                if conversation is not None or self.peers.speaks:
                    self.note(Rescued(channel=channel, queue=event.get("Queue", ""), detail=detail), call)
                if conversation is not None:
                    conversation.routed = True
                    self.leases.doubt(channel)
                    conversation.failed(ev.Fault.CAPTURE, detail)
            case "CallguardBypass" if self.peers.speaks:
                self._bypassed(event)

    def _bypassed(self, event: Mapping[str, str]) -> None:
        """An exempt caller was let through by the dialplan alone; the ledger learns of it afterwards."""
        queue, call, now = event.get("Queue", ""), Call(id=str(uuid.uuid4())), time.monotonic()
        if queue not in self.config.queues:
            return
        plan = self.planner.unplanned(queue, exempt=True)
        caller = event.get("CallerIDNum", "")[:128]
        self.note(Arrived(channel=event.get("Uniqueid", ""), caller=caller, called="", queue=queue), call.id)
        _, actions = advance(call, ev.CallArrived(at=now, plan=plan))
        for action in actions:
            if isinstance(action, do.Commit):
                self.note(body_for(action.entry), call.id)

    async def _stop_late(self, channel: str) -> None:
        """A recorder that started although all recording is stopped."""
        stopped = await stop_recorders(self.ami, channel)
        self.alert("a recorder started although recording is stopped", f"{stopped} ended on {channel}", "")

    # ------------------------------------------------------------------ coming and going of the links

    async def _ari_up(self, ari: Ari) -> None:
        """Find the callers who wait for a controller, and those of ours who are gone."""
        channels = await ari.channels()
        alive = {channel.id for channel in channels}
        self.own(self.floor.ari_up(channels), "whispers and lamps of a new connection")
        for conversation in list(self.conversations.values()):
            if conversation.channel.id not in alive:
                conversation.hung_up()
            elif not conversation.routed:
                conversation.feed(ev.Recovered(at=time.monotonic()))
        app = self.config.app
        if self.peers.shared:
            given = await ari.channels_of(app)
        else:
            given = {each.id for each in channels if app in ",".join(each.app_data.split(",")[:2])}
        await self.heir.adopt_all(channels, given)
        if self._left is not None:
            left, self._left = self._left, None
            self.own(self.heir.take_up_left(left), "take up what was left")

    def _ari_down(self, why: str) -> None:
        log.debug("ARI is gone", why=why)
        self.floor.asides.lost()
        self.floor.listeners.lost()

    async def _ami_up(self, ami: Ami) -> None:
        """What ended while nobody told us, and what records although recording is switched off."""
        channels = await ami.status()
        alive = {channel.get("Uniqueid", "") for channel in channels}
        for conversation in list(self.conversations.values()):
            if conversation.channel.id not in alive:
                conversation.hung_up()
        await self.floor.ami_up(channels)
        self.leases.look()
        if self._off:
            await stop_every_recorder(ami)

    # ------------------------------------------------------------------ the one switch

    async def switch_off(self, by: str) -> int:
        """Stop all recording on the PBX; returns how many recorders were stopped.

        Raises:
            RecordingError: recording was stopped, but would start again with the next start of callguard.
            AsteriskError: Asterisk could not be told to stop recorders.
        """
        self._off = True
        log.warning("all recording is stopped", by=by)
        try:
            self.switch.turn_off(by)
        finally:
            self.note(SwitchEntry(kind=Kind.RECORDING_OFF, by=by))
            for conversation in self.conversations.values():
                conversation.feed(ev.RecordingSwitchedOff(at=time.monotonic(), by=by))
        return await stop_every_recorder(self.ami)

    async def switch_on(self, by: str) -> None:
        """Let recording start again, for calls that arrive from now on.

        Raises:
            RecordingError: the file that remembers the switch cannot be removed.
        """
        self.switch.turn_on()
        self._off = False
        self.note(SwitchEntry(kind=Kind.RECORDING_ON, by=by))
        log.warning("recording is allowed again", by=by)

    def look_at_switch(self) -> None:
        """Another controller may have stopped all recording, or allowed it again."""
        off, before = self.switch.off, self._off
        self._off = off
        if off and not before:
            # The other one ends every recorder of the PBX at this moment. What is left is told to stop, not
            # what is just being stopped.
            asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._switched_off_elsewhere)

    def _switched_off_elsewhere(self) -> None:
        for conversation in self.conversations.values() if self._off else ():
            conversation.feed(ev.RecordingSwitchedOff(at=time.monotonic(), by="another controller"))

    @property
    def is_off(self) -> bool:
        """Whether all recording is stopped."""
        return self._off

    def summary(self) -> list[dict[str, Any]]:
        """The live calls, for people."""
        now = time.monotonic()
        return [
            {
                "call": each.call.id,
                "channel": each.channel.id,
                "caller": each.request.caller,
                "queue": each.queue,
                "state": each.call.state.value,
                "asked": each.call.asked,
                "speaking": each.call.speaking,
                "outcome": each.call.outcome.value if each.call.outcome else None,
                "capture": each.call.capture.value,
                "seconds": round(now - each.arrived, 1),
            }
            for each in self.conversations.values()
            if each.call.state is not State.ENDED
        ]


def arguments(args: tuple[str, ...]) -> tuple[str, str, str, str]:
    """What the dialplan passed: what is asked, queue, called number, the customer's jurisdiction."""
    padded = (*args, "", "", "", "")
    return padded[0], padded[1], padded[2], padded[3]
