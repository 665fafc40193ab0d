"""The world: a second Asterisk whose phones call the PBX and are rung by it, over real SIP and RTP."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, Literal

from callguard.errors import LabError
from callguard.lab import audio, voices
from callguard.lab.ari import Line
from callguard.lab.counting import Family
from callguard.lab.instance import Instance
from callguard.lab.pbx import TRUNKS
from callguard.lab.phone import PATIENCE, Keys, Phone
from callguard.lab.ports import PortLease
from callguard.lab.rootfs import AsteriskBuild
from callguard.lab.voices import Voice

APP = "world"
#: What each party says, in Hz: apart from each other and from hold music. The caller's stays clear of the
#: low tones of keys (697 to 941 Hz), so that sounding keys are told from it.
CALLER_HZ = 520.0
AGENT_HZ: Mapping[str, float] = {"sales-agent": 1100.0, "open-agent": 1500.0}

Transport = Literal["udp", "tcp"]


class Agent:
    """Somebody the PBX rings: answers after a while and says something.

    Attributes:
        answers_after: seconds of ringing before picking up; ``None`` lets it ring.
        says: what to say after picking up; ``None`` for nothing.
        presses: how its pressed keys travel; the PBX's end of the line has to agree (`Pbx`).
        calls: every call that rang here, oldest first.
        answered_calls: those that were picked up.
    """

    def __init__(self, name: str, *, says: float | Family | None, presses: Keys = "rfc4733") -> None:
        self.name = name
        self.presses: Keys = presses
        self._usual = says
        self._changed = asyncio.Condition()
        self.reset()

    def reset(self) -> None:
        """Be as at the start: pick up at once, say the usual, remember no call."""
        self.says = self._usual
        self.answers_after: float | None = 0.0
        self.calls: list[Phone] = []
        self.answered_calls: list[Phone] = []
        self._given: set[Phone] = set()

    async def next_call(self, timeout: float = PATIENCE, *, number: str | None = None) -> Phone:
        """The next answered call (from that number) that was not given out before.

        Raises:
            LabError: none came in time.
        """

        def fitting() -> Phone | None:
            for phone in self.answered_calls:
                if phone not in self._given and number in (None, phone.caller_number):
                    return phone
            return None

        try:
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(lambda: fitting() is not None)
                phone = fitting()
        except TimeoutError:
            phone = None
        if phone is None:
            whom = f" from {number}" if number else ""
            raise LabError(f"No call{whom} was answered by {self.name} within {timeout:g} s.")
        self._given.add(phone)
        return phone

    async def serve(self, phone: Phone) -> None:
        """Let it ring, pick up, speak."""
        self.calls.append(phone)
        if self.answers_after is None:
            return
        await asyncio.sleep(self.answers_after)
        if self.presses != "rfc4733":
            await phone.press_differently()
        await phone.answer()
        await phone.answered()
        if self.says is not None:
            await phone.speak(self.says)
        self.answered_calls.append(phone)
        async with self._changed:
            self._changed.notify_all()


class World(Instance):
    """The other end of every line of the PBX.

    Args:
        build: the Asterisk to run.
        directory: is made, and belongs to this instance alone.
        lease: its ports.
        pbx_sip: the PBX's SIP port.
        presses: how keys of agents travel, as the PBX was told.
        conf: more text for configuration files, by file name.
    """

    kind = "world"

    def __init__(
        self,
        build: AsteriskBuild,
        directory: Path,
        lease: PortLease,
        *,
        pbx_sip: int,
        presses: Mapping[str, Keys] | None = None,
        conf: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(build, directory, lease, conf=conf)
        self.agents: dict[str, Agent] = {}
        self._presses = dict(presses or {})
        self._pbx_sip = pbx_sip
        self._line = Line(self, APP, self._hear)
        self._phones: dict[str, Phone] = {}
        self._numbers = itertools.count(1)
        self._voices: set[Voice] = set()
        self._voice_lock = asyncio.Lock()
        self._deeds: set[asyncio.Task[None]] = set()

    def values(self) -> dict[str, Any]:
        """What the templates may name."""
        return super().values() | {"app": APP, "pbx_sip": self._pbx_sip, "trunks": TRUNKS}

    def write_conf(self) -> None:
        """Render the configuration and the voices that are always needed."""
        super().write_conf()
        for name in ("heard", "said", "voices"):
            (self.directory / name).mkdir(exist_ok=True)
        for voice in {CALLER_HZ, *AGENT_HZ.values(), *self._voices}:
            self._write_voice(voice)

    async def start(self) -> None:
        """Start, and listen for what happens on its phones."""
        await super().start()
        try:
            await self._line.open()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop; every call ends."""
        for task in self._deeds:
            task.cancel()
        await asyncio.gather(*self._deeds, return_exceptions=True)
        await self._line.close()
        await super().stop()

    def agent(self, name: str) -> Agent:
        """Whoever answers at that name or number; made when first asked for."""
        if name not in self.agents:
            self.agents[name] = Agent(
                name, says=AGENT_HZ.get(name), presses=self._presses.get(name, "rfc4733")
            )
        return self.agents[name]

    async def call(
        self,
        number: str,
        *,
        caller_id: str = "+14155550123",
        caller_name: str = "",
        line: str = "",
        transport: Transport = "udp",
        keys: Keys = "rfc4733",
        headers: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        codec: str | None = None,
        record: bool = True,
    ) -> Phone:
        """Call a number of the PBX; returns while it rings.

        Args:
            number: what is dialled.
            caller_id: the number in From:, sent as it is.
            caller_name: the name in From:, sent as it is.
            line: ``agents`` for a call by an agent (``caller_id`` is then its name); a trunk when not given.
            transport: ``tcp`` carries what is too long for a datagram.
            keys: how pressed keys travel.
            headers: more SIP headers for the INVITE.
            variables: channel variables and functions of the world's side, set before dialling.
            codec: offer only this one (``ulaw``, ``alaw``, ``gsm``).
            record: keep what is heard and said.

        Raises:
            LabError: the call could not be placed.
        """
        line = line or ("trunk" if keys == "rfc4733" else f"trunk-{keys}")
        endpoint = line if transport == "udp" else f"{line}-over-tcp"
        # All of one length: to Asterisk (22.10.1) an id is taken as soon as a longer one begins with it.
        channel = f"call-{next(self._numbers):06d}"
        phone = self._phone(channel, number, presses=keys)
        phone.caller_number, phone.caller_name = caller_id, caller_name
        settings = {
            "CONNECTEDLINE(name-charset,i)": "utf8",
            "CONNECTEDLINE(name,i)": caller_name,
            "CONNECTEDLINE(num,i)": caller_id,
            "CONNECTEDLINE(pres)": "allowed",
            **{f"PJSIP_HEADER(add,{name})": value for name, value in (headers or {}).items()},
            **(variables or {}),
        }
        query = {"endpoint": f"PJSIP/{number}@{endpoint}", "app": APP, "channelId": channel}
        if codec is not None:
            query["formats"] = codec
        try:
            await self._line.ask("POST", "/channels/create", query=query, body={"variables": settings})
        except LabError:
            # Not dialled yet: even where Asterisk has made it after all, nobody's telephone rings.
            del self._phones[channel]
            raise
        await phone.created()
        if record:
            files = "".join(
                f"{option}({self.directory}/{folder}/{channel}.sln)"
                for option, folder in (("r", "heard"), ("t", "said"))
            )
            await self._line.act("MixMonitor", Channel=channel, Options=files)
        await self._line.ask("POST", f"/channels/{channel}/dial", query={"timeout": "120"})
        return phone

    async def settle(self) -> None:
        """End every call there is and forget it; agents behave again as at the start."""
        live = [phone for phone in self._phones.values() if phone.cause is None]
        await asyncio.gather(*(phone.hang_up() for phone in live))
        self._phones.clear()
        for agent in self.agents.values():
            agent.reset()

    def _phone(self, channel: str, name: str, *, presses: Keys = "rfc4733") -> Phone:
        phone = Phone(
            self._line,
            channel,
            self.directory,
            name=name,
            pid=lambda: self.pid,
            speaks=self._music_class,
            presses=presses,
        )
        self._phones[channel] = phone
        return phone

    def _hear(self, event: dict[str, Any]) -> None:
        """Sort one event to its phone; the reading loop calls this and must not wait."""
        channel = event.get("channel", {})
        kind = event["type"]
        if kind == "StasisStart" and event["args"][:1] == ["incoming"]:
            name = event["args"][1]
            phone = self._phone(channel["id"], name, presses=self.agent(name).presses)
            phone.caller_number = channel["caller"]["number"]
            phone.caller_name = channel["caller"]["name"]
            self._do(phone, self.agent(phone.name).serve(phone))
        known = self._phones.get(channel.get("id", ""))
        if known is None:
            return
        if kind in ("StasisStart", "ChannelStateChange"):
            known.happened(channel["state"])
            if channel["state"] == "Up":
                self._do(known, known.open_line())
        elif kind == "ChannelDtmfReceived":
            known.hears_key(event["digit"])
        elif kind == "ChannelDestroyed":
            known.over(event["cause"])

    def _do(self, phone: Phone, deed: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(_unless_ended(phone, deed))
        self._deeds.add(task)
        task.add_done_callback(self._deeds.discard)

    async def _music_class(self, voice: Voice) -> str:
        """The hold-music class that says this."""
        async with self._voice_lock:
            if voice not in self._voices:
                await asyncio.to_thread(self._write_voice, voice)
                await self.cli("moh reload")
        return voices.name(voice)

    def _write_voice(self, voice: Voice) -> None:
        name = voices.name(voice)
        folder = self.directory / "voices" / name
        folder.mkdir(parents=True, exist_ok=True)
        audio.write_sln(folder / "voice.sln", voices.sound(voice))
        self.write_file(f"voices/{name}.conf", f"[{name}]\nmode = files\ndirectory = {folder}\n")
        self._voices.add(voice)


async def _unless_ended(phone: Phone, deed: Coroutine[Any, Any, None]) -> None:
    try:
        await deed
    except LabError:
        # A call that ends while something is done on it is an ordinary thing; anything else is not.
        await phone.ended()
