"""Callers with a will of their own: each scenario is a real call, and what must have come of it.

A caller says one tone until the last key is pressed and another one afterwards, so that the recording
itself tells whether anything from before the answer is in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from callguard.errors import LabError
from callguard.lab import audio
from callguard.lab.inspection import channel_of, variable
from callguard.lab.lab import Lab
from callguard.lab.phone import Phone
from callguard.lab.site import Site
from callguard.lab.world import AGENT_HZ, Transport

#: What a caller says before and after the answer, in Hz, apart from each other and from every agent.
BEFORE_HZ = 620.0
AFTER_HZ = 750.0

#: How long caller and agent talk, in seconds: longer than Asterisk keeps samples back (2.05 s).
TALK_SECONDS = 2.5

#: What has to be there of each party's tone, in seconds: the talk less answering and flushing.
ENOUGH_SECONDS = 1.5

#: What a recording may hold of what was said before the answer: nothing.
NOTHING = 0.0

#: The longest a caller may wait for a queue, in seconds: three questions, silences and last words.
LONGEST_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What a caller does, and what must come of it."""

    name: str
    outcome: str  #: in the ledger, and on the channel where the dialplan sets it
    agent: str | None  #: who answers in the end; None when the caller never gets there
    captured: bool = False
    keys: tuple[str, ...] = ()  #: one key for each time the question is put
    caller: str = "+14155550100"
    leaves: bool = False  #: hangs up while the announcement plays
    ledger: bool = True  #: whether the ledger can know of the call


@dataclass(slots=True, kw_only=True)
class Report:
    """What came of it."""

    name: str
    outcome: str = ""
    queue: str = ""
    captured_seconds: float = 0.0
    ledger_entry: int | None = None  #: position of the consent entry
    recording: str = ""  #: the call, where the vault has it
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything was as it must be."""
        return not self.problems

    def want(self, truth: bool, problem: str) -> None:
        """Note a problem unless ``truth``."""
        if not truth:
            self.problems.append(problem)


#: One for each way that the question of recording can end, as callers cause it.
SCENARIOS = (
    Scenario(name="yes by key", keys=("1",), outcome="granted", agent="sales-agent", captured=True),
    Scenario(name="no by key", keys=("2",), outcome="refused", agent="open-agent"),
    Scenario(name="silence", outcome="no-input", agent="open-agent"),
    Scenario(
        name="wrong keys, then yes", keys=("9", "1"), outcome="granted", agent="sales-agent", captured=True
    ),
    Scenario(name="hangs up in the prompt", leaves=True, outcome="hung-up", agent=None),
    Scenario(name="emergency bypass", caller="112", outcome="exempt", agent="open-agent"),
)

#: Played alone, because it takes the controller away from everybody.
CONTROLLER_DOWN = Scenario(name="controller down", outcome="absent", agent="open-agent", ledger=False)


async def play(
    lab: Lab,
    site: Site,
    scenario: Scenario,
    *,
    caller: str | None = None,
    caller_name: str = "",
    transport: Transport = "udp",
) -> Report:
    """Place the call, behave as the scenario says, and look at everything that came of it.

    What goes wrong in the laboratory is a problem in the report, not an exception.
    """
    report = Report(name=scenario.name)
    number = caller or scenario.caller
    phone: Phone | None = None
    try:
        phone = await lab.world.call("100", caller_id=number, caller_name=caller_name, transport=transport)
        await phone.answered()
        await phone.speak(BEFORE_HZ)
        if scenario.leaves:
            await site.until(number, "announcing")
            await phone.hang_up()
        else:
            await _talk(lab, site, scenario, report, phone, number)
        await _examine(site, scenario, report, number)
    except LabError as error:
        report.problems.append(str(error))
    finally:
        if phone is not None and phone.is_up:
            await phone.hang_up()
    return report


async def _talk(lab: Lab, site: Site, scenario: Scenario, report: Report, phone: Phone, number: str) -> None:
    for count, key in enumerate(scenario.keys, start=1):
        await site.until(number, "asking", "listening", asked=count)
        if count == len(scenario.keys):
            await phone.speak(AFTER_HZ)
        await phone.press(key)
    agent = await lab.world.agent(scenario.agent or "").next_call(LONGEST_SECONDS, number=number)
    channel = await channel_of(lab.pbx, number)
    report.outcome = await variable(lab.pbx, channel, "CALLGUARD_OUTCOME")
    report.queue = await variable(lab.pbx, channel, "CALLGUARD_QUEUE")
    await asyncio.sleep(TALK_SECONDS)
    await phone.hang_up()
    await agent.ended()
    report.want(
        report.outcome == scenario.outcome,
        f"the dialplan was told {report.outcome!r}, not {scenario.outcome!r}",
    )
    heard, rate = await agent.heard()
    hz = AFTER_HZ if scenario.keys else BEFORE_HZ
    report.want(audio.seconds_of_tone(heard, rate, hz) > ENOUGH_SECONDS, "the agent did not hear the caller")
    heard, rate = await phone.heard()
    report.want(
        audio.seconds_of_tone(heard, rate, AGENT_HZ[scenario.agent or ""]) > ENOUGH_SECONDS,
        "the caller did not hear the agent",
    )


async def known(site: Site, number: str, timeout: float = 10.0) -> str:
    """Wait until the ledger knows of a call from a number, and return its id.

    Raises:
        LabError: it did not in time.
    """
    deadline = asyncio.get_running_loop().time() + timeout
    while True:
        try:
            return site.call_of(number)
        except LabError:
            if asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(0.05)


async def _examine(site: Site, scenario: Scenario, report: Report, number: str) -> None:
    """The ledger, and the recording itself or that there is none."""
    if not scenario.ledger:
        return
    call = await known(site, number)
    consent = await site.until_entry("consent", call)
    report.ledger_entry = consent["n"]
    report.outcome = report.outcome or consent["body"]["outcome"]
    report.want(
        consent["body"]["outcome"] == scenario.outcome,
        f"the ledger says {consent['body']['outcome']!r}, not {scenario.outcome!r}",
    )
    if scenario.agent is not None and scenario.outcome != "exempt":
        await site.until_entry("call.ended", call)
    if not scenario.captured:
        report.want(call not in site.kept(), "something was captured")
        return
    report.recording = call
    caller, agent, rate = await site.recording(call)
    _listen(report, (caller, rate), (agent, rate), scenario.agent or "")
    _in_order(site.entries(call), report)


def _listen(report: Report, caller: tuple[Any, int], agent: tuple[Any, int], name: str) -> None:
    """Each party on its own channel, and nothing from before the answer."""
    report.captured_seconds = round(max(len(caller[0]), len(agent[0])) / caller[1], 2)
    report.want(
        audio.seconds_of_tone(*caller, AFTER_HZ) > ENOUGH_SECONDS, "the caller is not on the caller's channel"
    )
    report.want(
        audio.seconds_of_tone(*agent, AGENT_HZ[name]) > ENOUGH_SECONDS,
        "the agent is not on the agent's channel",
    )
    report.want(
        audio.seconds_of_tone(*caller, AGENT_HZ[name]) == NOTHING, "the agent is on the caller's channel"
    )
    report.want(audio.seconds_of_tone(*agent, AFTER_HZ) == NOTHING, "the caller is on the agent's channel")
    report.want(
        audio.seconds_of_tone(*caller, BEFORE_HZ) == NOTHING, "speech from before the answer was captured"
    )


def _in_order(entries: list[dict[str, Any]], report: Report) -> None:
    """Consent stands in the ledger before any change of capture."""
    kinds = [entry["kind"] for entry in entries]
    report.want(
        "capture.started" in kinds and kinds.index("consent") < kinds.index("capture.started"),
        f"capture is not preceded by consent in the ledger: {kinds}",
    )


async def play_all(
    lab: Lab, site: Site, told: Callable[[Report], Awaitable[None] | None] | None = None
) -> list[Report]:
    """All scenarios, those that can be at the same time, and last the one without a controller."""

    async def one(place: int, scenario: Scenario) -> Report:
        caller = scenario.caller if scenario.caller == "112" else f"+1415555{100 + place:04d}"
        report = await play(lab, site, scenario, caller=caller)
        if told is not None and (waiting := told(report)) is not None:
            await waiting
        return report

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(place, scenario)) for place, scenario in enumerate(SCENARIOS)]
    reports = [task.result() for task in tasks]
    await site.kill()
    reports.append(await one(len(SCENARIOS), CONTROLLER_DOWN))
    return reports
