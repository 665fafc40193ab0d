"""An Asterisk for tests on which others record: its MixMonitors live and die as those of 22.10.1 do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fakes.ami_server import FakeAmi

RECORDED = Path(__file__).parent.parent / "unit" / "recorder_events.txt"

NOTHING = "Response: Error\nActionID: {id}\nMessage: Could not stop monitoring channel\n\n"
DENIED = "Response: Error\nActionID: {id}\nMessage: Permission denied\n\n"
DONE = "Response: Success\nActionID: {id}\n\n"


def recorded(title: str) -> list[dict[str, str]]:
    """What Asterisk said while somebody recorded in this way."""
    _, _, rest = RECORDED.read_text().partition(f"\n## {title}\n")
    assert rest, f"nothing was recorded of {title!r}"
    lines = rest.partition("\n\n")[0].splitlines()
    return [event(*line.split(" ")) for line in lines]


def titles() -> list[str]:
    """All ways to record that there are events of."""
    return [line[3:] for line in RECORDED.read_text().splitlines() if line.startswith("## ")]


def event(kind: str, *fields: str) -> dict[str, str]:
    """An event from words such as ``Uniqueid=1.1``."""
    return {"Event": kind} | dict(each.split("=", 1) for each in fields)


@dataclass
class RecordingPbx(FakeAmi):
    """Say events with `say`; a MixMonitorStart among them starts one here, MixMonitorStop none."""

    mixers: defaultdict[str, list[str]] = field(
        default_factory=lambda: defaultdict(list)
    )  #: ids, oldest first
    muted: set[str] = field(default_factory=set)  #: ids
    hung: list[str] = field(default_factory=list)  #: what was hung up
    names: dict[str, str] = field(default_factory=dict)
    _started: int = 0

    def __post_init__(self) -> None:
        self.scripted |= {
            "StopMixMonitor": self._stop,
            "MixMonitorMute": self._mute,
            "Hangup": self._hang_up,
            "Getvar": lambda _: DONE.replace("\n\n", "\nValue: /var/spool/it.wav\n\n"),
        }

    async def say(self, *events: Mapping[str, str]) -> None:
        """Say these, in order."""
        for each in events:
            channel = each.get("Uniqueid", "")
            self.names[channel] = each.get("Channel", "")
            if each["Event"] == "MixMonitorStart":
                self._started += 1
                self.mixers[channel].append(f"0x{self._started}")
            elif each["Event"] == "Hangup":
                self.mixers.pop(channel, None)
        await self.send("".join(map(_wire, events)).encode())

    @property
    def recording(self) -> list[str]:
        """The MixMonitors that run and are not muted."""
        return [each for mixers in self.mixers.values() for each in mixers if each not in self.muted]

    def _stop(self, action: dict[str, str]) -> str:
        channel = action["Channel"]
        mixers = self.mixers[channel]
        which = action.get("MixMonitorID") or (mixers[-1] if mixers else "")
        if which not in mixers:
            return NOTHING
        mixers.remove(which)
        return _wire(event("MixMonitorStop", f"Uniqueid={channel}")).replace("\r", "") + DONE

    def _mute(self, action: dict[str, str]) -> str:
        mixers = self.mixers[action["Channel"]]
        which = {action["MixMonitorID"]} if "MixMonitorID" in action else set(mixers)
        if not which or not which <= set(mixers):
            return NOTHING
        self.muted = self.muted | which if action["State"] == "1" else self.muted - which
        fields = (f"Uniqueid={action['Channel']}", f"State={action['State']}")
        return _wire(event("MixMonitorMute", *fields)).replace("\r", "") + DONE

    def _hang_up(self, action: dict[str, str]) -> str:
        self.hung.append(action["Channel"])
        return DONE


def _wire(said: Mapping[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in said.items()) + "\r\n"
