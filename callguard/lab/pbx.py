"""The PBX under test: a trunk to the world, agents' phones, two queues, and the product's dialplan."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile

from callguard.config.dialplan import shipped_features, shipped_lamps
from callguard.errors import LabError
from callguard.lab import audio
from callguard.lab.instance import Instance
from callguard.lab.phone import Keys
from callguard.lab.ports import PortLease
from callguard.lab.rootfs import AsteriskBuild

#: What an administrator writes for a queue whose calls may be recorded.
NUMBERS = """
[lab-numbers]
exten => 100,1,Answer()
 same => n,Gosub(callguard,consent,1(sales))
 same => n,Queue(${CALLGUARD_QUEUE})
 same => n,Hangup()
"""

#: Each queue's members.
QUEUES: Mapping[str, str | Sequence[str]] = {"sales": "sales-agent", "sales-unrecorded": "open-agent"}

#: What waiting callers hear: a tone of its own, softer than any phone's.
HOLD_HZ = 300.0
HOLD_DBFS = -24.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """A line between the world and the PBX."""

    name: str
    address: str  #: the loopback address the world calls from: how the PBX tells trunks apart
    dtmf_mode: str  #: what the PBX listens for, as pjsip.conf names it
    phone_dtmf_mode: str = ""  #: what the world's phones send, where that is something else


TRUNKS: Sequence[Trunk] = (
    Trunk(name="trunk", address="127.0.0.2", dtmf_mode="rfc4733"),
    Trunk(name="trunk-inband", address="127.0.0.3", dtmf_mode="inband"),
    Trunk(name="trunk-info", address="127.0.0.4", dtmf_mode="info"),
    Trunk(name="trunk-unheard", address="127.0.0.5", dtmf_mode="rfc4733", phone_dtmf_mode="inband"),
)

#: What the PBX listens for on the line of an agent whose keys travel so, as pjsip.conf names it.
_HEARD: Mapping[Keys, str] = {
    "rfc4733": "rfc4733",
    "inband": "inband",
    "info": "info",
    "unheard": "rfc4733",
}


class Pbx(Instance):
    """The PBX that callers reach.

    Args:
        build: the Asterisk to run.
        directory: is made, and belongs to this instance alone.
        lease: its ports.
        world_sip: the world's SIP port.
        dialplan: the product's dialplan, included as ``callguard.conf``.
        numbers: context ``lab-numbers``: what the trunk and the agents can dial.
        queues: each queue's members; all of them ring.
        presses: how keys of agents travel, for those who do not send them as events (RFC 4733).
        bind: where SIP listens; ``0.0.0.0`` lets a softphone on another machine in.
        conf: more text for configuration files, by file name.
    """

    kind = "pbx"

    def __init__(
        self,
        build: AsteriskBuild,
        directory: Path,
        lease: PortLease,
        *,
        world_sip: int,
        dialplan: str,
        numbers: str = NUMBERS,
        queues: Mapping[str, str | Sequence[str]] = QUEUES,
        presses: Mapping[str, Keys] | None = None,
        bind: str = "127.0.0.1",
        conf: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(build, directory, lease, conf=conf)
        self.softphone_password = secrets.token_hex(6)
        self._queues = {
            name: (members,) if isinstance(members, str) else tuple(members)
            for name, members in queues.items()
        }
        self.agents = tuple(dict.fromkeys(agent for members in self._queues.values() for agent in members))
        self._presses = dict(presses or {})
        self._world_sip = world_sip
        self._bind = bind
        self._dialplan = dialplan
        self._numbers = numbers

    def values(self) -> dict[str, Any]:
        """What the templates may name."""
        return super().values() | {
            "agents": {agent: _HEARD[self._presses.get(agent, "rfc4733")] for agent in self.agents},
            "bind": self._bind,
            "queues": self._queues,
            "softphone_password": self.softphone_password,
            "trunks": TRUNKS,
            "world_sip": self._world_sip,
        }

    def write_conf(self) -> None:
        """Render the configuration, the dialplan and the hold music."""
        super().write_conf()
        self.write_file("callguard.conf", self._dialplan)
        self.write_file("callguard-features.conf", shipped_features())
        self.write_file("callguard-lamps.conf", shipped_lamps())
        self.write_file("numbers.conf", self._numbers)
        music = self.directory / "moh"
        music.mkdir(exist_ok=True)
        # Linear samples: compressed music takes part in the lost-voice fault of Debian's packages.
        soundfile.write(
            music / "hold.wav", audio.tone(HOLD_HZ, 10, dbfs=HOLD_DBFS), audio.RATE, subtype="PCM_16"
        )

    async def load_dialplan(self, *, dialplan: str | None = None, numbers: str | None = None) -> None:
        """Change the dialplan of the running PBX; what is not given stays.

        Raises:
            LabError: Asterisk did not take it.
        """
        self._dialplan = self._dialplan if dialplan is None else dialplan
        self._numbers = self._numbers if numbers is None else numbers
        self.write_file("callguard.conf", self._dialplan)
        self.write_file("numbers.conf", self._numbers)
        answer = await self.cli("dialplan reload")
        if "reloaded" not in answer.lower():
            raise LabError(f"The lab's pbx did not load the dialplan: {answer}")
