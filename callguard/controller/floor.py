"""What goes on around the calls of a PBX: who talks with whom, what agents see and hear, who else records.

The conductor has the calls; what the manager interface says of the rest comes here.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import structlog

from callguard.asterisk import events as said
from callguard.asterisk.ami import Ami
from callguard.asterisk.ari import Ari
from callguard.asterisk.events import Channel
from callguard.config import Config
from callguard.consent import Call, Form, Plan
from callguard.consent import events as ev
from callguard.controller.aside import Asides
from callguard.controller.conversation import Conversation
from callguard.controller.desk import Lamp
from callguard.controller.ear import Whispered
from callguard.controller.hearing import Listeners
from callguard.controller.lamps import Lamps
from callguard.controller.latch import Latch
from callguard.controller.membership import Bridges, Member, phone_of
from callguard.controller.operator import Operator
from callguard.controller.peers import Peers
from callguard.controller.planning import Planner
from callguard.controller.tones import Sounds
from callguard.errors import AsteriskError, CallguardError
from callguard.ledger.bodies import AnyBody

log = structlog.get_logger(__name__)

#: The hot keys of a telephone, as callguard-features.conf names them.
HOTKEYS = "#".join(
    f"callguard-{name}" for name in ("pause", "drop", "resume", "extend", "withdraw", "refuse", "agreed")
)

#: What the core has an agent told, and the prompt that says it.
ASIDES = {
    "paused": "agent-paused",
    "resumed": "agent-resumed",
    "pause-ending": "agent-pause-ending",
    "pause-not-ended": "agent-still-paused",
    "recording-stopped": "agent-fault",
    "stopped": "agent-stopped",
    "card-digits": "agent-card",
}


class House(Protocol):
    """The conductor, as the floor sees it."""

    ami: Ami
    config: Config
    planner: Planner
    conversations: dict[str, Conversation]
    peers: Peers

    @property
    def ari(self) -> Ari | None:
        """The live connection to ARI."""

    def own(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run something in a task that is looked after."""

    def alert(self, what: str, detail: str, call: str) -> None:
        """Somebody has to look at this."""

    def note(self, body: AnyBody, call: str = "") -> None:
        """Write a fact into the ledger."""


class Floor:
    """Around the calls of one PBX.

    Args:
        house: the conductor.
        sounds: the warning tone, where the site has one.
    """

    def __init__(self, house: House, sounds: Sounds | None) -> None:
        self._house = house
        self.sounds = sounds
        self.ami = house.ami
        self.conversations = house.conversations
        self.alert, self.own = house.alert, house.own
        self.bridges = Bridges()
        self.asides = Asides(lambda: house.ari)
        self.listeners = Listeners(house.config.speech, lambda: house.ari)
        self.lamps = Lamps(lambda: house.ari)
        self.desk = Operator(self)
        self.latch = Latch(
            ami=house.ami,
            ari=lambda: house.ari,
            bridges=self.bridges,
            conversations=house.conversations,
            own=house.own,
            alert=house.alert,
        )

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._house.config

    @property
    def ari(self) -> Ari | None:
        """The live connection to ARI."""
        return self._house.ari

    def note(self, body: AnyBody, call: str = "") -> None:
        """Write a fact into the ledger."""
        self._house.note(body, call)

    # ------------------------------------------------------------------ coming and going of the links

    async def ari_up(self, channels: Sequence[Channel]) -> None:
        """ARI can be reached again: remove what is left of whispers, and set every lamp."""
        await self.asides.sweep(channels)
        await self.listeners.sweep(channels)
        busy = {phone_of(channel.name) for channel in channels}
        await self.lamps.rewrite(busy if self._house.peers.shared else None)

    async def ami_up(self, channels: Sequence[Mapping[str, str]]) -> None:
        """AMI can be reached again: learn anew who talks with whom, and what records."""
        self.bridges.clear()
        for channel in channels:
            if bridge := channel.get("BridgeID"):
                # A status does not tell what kind of bridge it is; nearly all are between two parties.
                self.bridges.entered({"BridgeType": "basic", **channel, "BridgeUniqueid": bridge})
        await self.latch.catch_up(channels)
        for conversation in list(self.conversations.values()):
            if conversation.routed:
                conversation.company.now(self.bridges.others(conversation.channel.id))
            if conversation.taping.recorder.broken:
                self.own(conversation.stop_broken(), f"stop {conversation.channel.id}")

    async def leave(self) -> None:
        """Callguard stops, and the connections are still up."""
        await self.asides.close()
        await self.listeners.close()
        if self._house.peers.alone:
            await self.lamps.leave()

    # ------------------------------------------------------------------ what Asterisk says

    def ari_event(self, event: said.Event) -> bool:
        """An event of ARI; returns whether it is nobody else's."""
        if isinstance(event, said.RecordingStarted | said.RecordingFinished):
            self.latch.recording(event.name, event.target, began=isinstance(event, said.RecordingStarted))
            return True
        return self.asides.take(event) or self.listeners.take(event)

    def ami_event(self, event: Mapping[str, str]) -> None:
        """An event of AMI."""
        channel = event.get("Uniqueid", "")
        match event.get("Event"):
            case "BridgeEnter":
                before = self.bridges.bridge_of(channel)
                if member := self.bridges.entered(event):
                    self._members_changed(before, self.bridges.bridge_of(channel))
                    self._arm_all(member)
            case "BridgeLeave":
                bridge, member = self.bridges.left(event)
                if member is not None:
                    self._members_changed(bridge, channel=channel)
            case "Hangup":
                before = self.bridges.bridge_of(channel)
                self.bridges.gone(channel)
                self._members_changed(before)
            case "UserEvent":
                self._user_event(event)
        self.latch.hear(event)

    def _user_event(self, event: Mapping[str, str]) -> None:
        conversation = self.conversations.get(event.get("Uniqueid", ""))
        if conversation is None:
            return
        match event.get("UserEvent"):
            case "CallguardCapture" if event.get("Call") == conversation.call.id:
                recorder, segment = event.get("MixMonitorID", ""), event.get("Segment", "1")
                number = int(segment) if segment.isdecimal() else 1
                self.own(conversation.capture_started(recorder, number), f"capture {conversation.call.id}")
            case "CallguardKey":
                work = self.desk.key(conversation, event.get("Key", ""))
                self.own(work, f"hot key on {conversation.call.id}")
            case "CallguardKeyUnheard":
                conversation.failed(ev.Fault.CAPTURE, "a hot key was not answered in time")

    def _members_changed(self, *bridges: str, channel: str = "") -> None:
        """Tell the calls whose customers are in these bridges, or were, who is with them now."""
        customers = {channel, *(each for bridge in bridges for each in self.bridges.in_bridge(bridge))}
        for customer in customers:
            conversation = self.conversations.get(customer)
            if conversation is not None and conversation.routed:
                conversation.company.now(self.bridges.others(customer))

    def pressed(self, channel: str, digit: str) -> None:
        """Somebody else than a customer pressed a key, and may have answered what was asked."""
        for conversation in self.conversations.values():
            if channel in conversation.company.here:
                conversation.company.pressed(channel, digit)

    # ------------------------------------------------------------------ hot keys for those who come later

    def _arm_all(self, member: Member) -> None:
        for each in (member, *self.bridges.others(member.channel)):
            if each.is_person and each.channel not in self.conversations and self._will_need_keys(each):
                self.own(self._arm(each.channel), f"hot keys for {each.channel}")

    def _will_need_keys(self, member: Member) -> bool:
        """Whether it talks with an agent of ours and may be handed a customer next.

        Asterisk gives a leg its hot keys when it enters a bridge, and a telephone that an agent calls with a
        second call of its own has inherited none.
        """
        phones = {each.phone for each in self.bridges.others(member.channel)}
        companies = (each.company.here for each in self.conversations.values())
        return any(
            member.channel not in here and phones & {each.phone for each in here.values()}
            for here in companies
        )

    async def _arm(self, channel: str) -> None:
        try:
            await self.ami.set_variable(channel, "DYNAMIC_FEATURES", HOTKEYS)
        except AsteriskError as error:
            log.info("a telephone has no hot keys", channel=channel, why=str(error))

    # ------------------------------------------------------------------ what calls want

    def shows(self, call: str, agents: Iterable[str], lamp: Lamp) -> None:
        """Show on these agents' telephones what the recorder of a call does."""
        for agent in agents:
            self.lamps.show(agent, call, lamp)

    def whisper(self, conversation: Conversation, who: str, what: str) -> None:
        """Tell the agent something that nobody else hears; newcomers are told by the company they join."""
        agent, name = conversation.company.agent, ASIDES.get(what)
        if who == "agent" and agent is not None and name is not None:
            self.own(self._whisper(conversation, agent, name), f"whisper to {agent.phone}")

    async def _whisper(self, conversation: Conversation, agent: Member, name: str) -> None:
        try:
            prompt = self._house.planner.aside(name, conversation.queue)
        except CallguardError as error:
            log.warning("an agent cannot be told", what=name, why=str(error))
            return
        whispered = await self.asides.whisper(agent.channel, prompt.media, prompt.seconds, cut=True)
        if whispered.ended == "failed":
            log.warning("an agent was not told", what=name, agent=agent.phone)

    async def tell(self, channel: str, media: Sequence[str], seconds: float) -> Whispered:
        """Say something to one channel only."""
        return await self.asides.whisper(channel, media, seconds)

    def joined(self, call: Call, number: str) -> tuple[Plan, Plan | None]:
        """What a party who comes later is told and asked, and the plan of the call if it gets stricter.

        Raises:
            PromptError: it cannot be said.
        """
        request = next(each.request for each in self.conversations.values() if each.call.id == call.id)
        plan = self._house.planner.joined(request, number).plan
        forms = list(Form)
        if call.plan is None or forms.index(plan.form) <= forms.index(call.plan.form):
            return plan, None
        return plan, replace(call.plan, form=plan.form, basis=plan.basis)

    async def silence(self, conversation: Conversation) -> None:
        """Whatever else records or listens on this call falls silent."""
        try:
            await self.latch.silence(conversation.channel.id)
        except AsteriskError as error:
            self.alert("something may still listen to a paused call", str(error), conversation.call.id)
