"""What the manager's user may do and hear: exactly enough?"""

from __future__ import annotations

import re

from callguard.asterisk.ami_line import AmiLine
from callguard.asterisk.ari import Ari
from callguard.asterisk.errors import AmiRefused, AriRefused
from callguard.asterisk.events import ChannelDtmfReceived
from callguard.cli.checks.finding import Finding, fault, ok, warning
from callguard.cli.checks.probe import Probe
from callguard.cli.checks.visit import PATIENCE, TELLTALE, Visit

#: What callguard does over AMI; all of it is of the class ``call``.
NEEDED = ("Hangup", "MixMonitorMute", "PlayDTMF", "Redirect", "Setvar", "StopMixMonitor")

#: Classes by which somebody who learns the password can run programs or change the PBX.
SHELL = frozenset({"command", "config", "originate", "system"})

#: The classes that have to be readable, with the events of ours that show it, and what is lost without.
CLASSES = {
    "user": (("UserEvent",), "no recording is confirmed"),
    "call": (("MixMonitorStart", "Hangup"), "no recording is confirmed"),
    "dtmf": (
        ("DTMFBegin", "DTMFEnd"),
        "a card number that is keyed is not noticed, and nobody who joins a call can agree by a key",
    ),
}

#: What the manager's user has to be able to read.
_READ = "read = call,user,dtmf"

_SNIPPET = "take callguard-manager.conf of `callguard init`; then: asterisk -rx 'manager reload'"


async def check_may(visit: Visit, ami: AmiLine) -> list[Finding]:
    """What the user may do, as Asterisk lists it."""
    user = visit.config.asterisk.ami.username
    where = f"manager.conf [{user}] write="
    listed = await ami.ask("ListCommands", None, PATIENCE)
    classes = {
        action: frozenset(found[1].split(",")) - {"all", "<none>"}
        for action, text in listed.items()
        if (found := re.search(r"\(Priv: ([^)]*)\)$", text)) is not None
    }
    lacking = [action for action in NEEDED if action not in classes]
    if lacking:
        what = f"{user} may not {', '.join(lacking)}: a recording could not be paused or stopped"
        return [fault("AMI rights", what, where, f"write = call; {_SNIPPET}")]
    # An action of two classes is allowed by either, so it proves neither.
    beyond = sorted({next(iter(each)) for each in classes.values() if len(each) == 1 and "call" not in each})
    if not beyond and not await _refused(ami):
        beyond = ["system"]
    if not beyond:
        return [ok("AMI rights", f"{user} may do what callguard needs, and nothing that amounts to a shell")]
    shell = SHELL.intersection(beyond)
    danger = (
        f"; {', '.join(sorted(shell))} amounts to a shell for whoever learns the password" if shell else ""
    )
    what = f"{user} may do more than callguard needs: {', '.join(beyond)}{danger}"
    return [warning("AMI rights", what, where, f"write = call; {_SNIPPET}")]


async def _refused(ami: AmiLine) -> bool:
    """Whether starting a recording is refused for want of rights; on a channel that does not exist."""
    try:
        await ami.ask("MixMonitor", {"Channel": "callguard-doctor/none"}, PATIENCE)
    except AmiRefused as error:
        return "permission" in error.message.lower()
    return False


async def check_hears(visit: Visit, ari: Ari, ami: AmiLine, probe: Probe, *, mute: bool) -> list[Finding]:
    """Do on our own call what the controller does, and see which events arrive.

    Args:
        visit: doctor's connections.
        ari: its REST interface.
        ami: its manager interface.
        probe: our own call.
        mute: whether this Asterisk can be trusted to mute a recording.
    """
    await ami.ask("Events", {"EventMask": "on"}, PATIENCE)
    findings: list[Finding] = []
    recorder = await ari.variable(probe.far, "CALLGUARD_MIXMONITOR") or ""
    expected = ["UserEvent", "MixMonitorStart"]
    try:
        if recorder and mute:
            fields = {"Channel": probe.far, "MixMonitorID": recorder, "Direction": "both", "State": "1"}
            await ami.ask("MixMonitorMute", fields, PATIENCE)
            expected.append("MixMonitorMute")
        if recorder:
            fields = {"Channel": probe.far, "MixMonitorID": recorder}
            await ami.ask("StopMixMonitor", fields, PATIENCE)
            expected.append("MixMonitorStop")
    except AmiRefused as error:
        findings.append(fault("AMI rights", str(error), "manager.conf", f"write = call; {_SNIPPET}"))
    expected += await _stir(visit, ari, probe)
    expected += await _press(visit, ari, probe)
    await ari.hangup(probe.far)
    expected.append("Hangup")
    await visit.until(lambda: True if not _unheard(visit, probe, expected) else None, 2.0)
    return findings + _judged(visit, _unheard(visit, probe, expected))


async def _stir(visit: Visit, ari: Ari, probe: Probe) -> list[str]:
    """Join a bridge and be listened to; returns the events that this must bring."""
    expected: list[str] = []
    bridge, snoop = f"{probe.call}-bridge", f"{probe.call}-snoop"
    try:
        await ari.request("POST", f"bridges/{bridge}", {"type": "mixing"})
        await ari.request("POST", f"bridges/{bridge}/addChannel", {"channel": probe.near})
        expected += ["BridgeEnter", "BridgeLeave"]
    except AriRefused:
        pass  # no bridging module: nothing to expect
    finally:
        await visit.take_back(("DELETE", f"bridges/{bridge}"))
    try:
        await ari.request("POST", f"channels/{probe.near}/snoop/{snoop}", {"spy": "in", "app": visit.app})
        if await visit.entered(snoop):
            expected += ["ChanSpyStart", "ChanSpyStop"]
    except AriRefused:
        pass  # res_stasis_snoop is not loaded, which is a finding of its own
    finally:
        await ari.hangup(snoop)
    return expected


async def _press(visit: Visit, ari: Ari, probe: Probe) -> list[str]:
    """Let the recorded end receive a key; returns the events that this must bring."""
    await ari.subscribe(f"channel:{probe.far}")
    await ari.request("POST", f"channels/{probe.near}/dtmf", {"dtmf": "0"})

    def arrived() -> bool | None:
        keys = [each for each in visit.heard if isinstance(each, ChannelDtmfReceived)]
        return True if any(key.channel.id == probe.far for key in keys) else None

    return ["DTMFBegin", "DTMFEnd"] if await visit.until(arrived, 1.0) else []


def _unheard(visit: Visit, probe: Probe, expected: list[str]) -> list[str]:
    ours = {
        event.get("Event", "")
        for event in visit.noticed
        if probe.call in (event.get("Uniqueid", "") + event.get("SpyeeUniqueid", "") + event.get("Probe", ""))
    }
    return [name for name in expected if name not in ours]


def _judged(visit: Visit, unheard: list[str]) -> list[Finding]:
    where = f"manager.conf [{visit.config.asterisk.ami.username}] read="
    findings: list[Finding] = []
    for name, (events, lost) in CLASSES.items():
        if all(event in unheard for event in events):
            what = f"no events of the class {name} arrive ({', '.join(events)}): {lost}"
            findings.append(fault("AMI events", what, where, f"{_READ}; {_SNIPPET}"))
    if unheard and not findings:
        what = f"these events do not arrive, though their class does: {', '.join(unheard)}"
        findings.append(fault("AMI events", what, "manager.conf eventfilter=", _SNIPPET))
    beyond = sorted({TELLTALE[name] for each in visit.noticed if (name := each.get("Event", "")) in TELLTALE})
    if beyond:
        what = f"its user hears more than callguard needs ({', '.join(beyond)})"
        findings.append(warning("AMI events", what, where, f"{_READ}; {_SNIPPET}"))
    return findings or [ok("AMI events", "those that callguard acts on arrive, and no others were seen")]
