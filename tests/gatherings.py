"""Calls that somebody comes to: each on a real call, with a newcomer who agrees and one who does not.

All of them run at the same time, each with a queue, an agent and a newcomer of its own. Every party says a
tone of its own, so that the recording itself tells whose voice is in it, and when.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from callguard.config.dialplan import shipped_dialplan
from callguard.errors import LabError
from callguard.lab import Lab, audio
from callguard.lab.inspection import get
from callguard.lab.phone import Phone
from callguard.lab.site import Site

CUSTOMER_HZ, AGENT_HZ, NEWCOMER_HZ = 620.0, 1000.0, 1430.0

#: What has to be heard of a voice that is in a recording, and what may be of one that must not be (seconds).
ENOUGH, NOTHING = 1.0, 0.1

#: How long parties talk at each stage (seconds): longer than Asterisk keeps samples back.
TALK = 3.0

#: The longest that a newcomer may take to be told and asked (seconds).
ASKED = 30.0


@dataclass(slots=True)
class Gathering:
    """One call under way."""

    lab: Lab
    site: Site
    name: str
    number: int
    agrees: bool
    customer: Phone | None = None
    agent: Phone | None = None
    newcomer: Phone | None = None
    asked: bool = True  #: whether a newcomer comes who has to be asked
    outcome: str = "granted"  #: of the call, in the end
    never: bool = False  #: the newcomer uses a telephone that is never recorded
    call: str = ""
    problems: list[str] = field(default_factory=list)

    @property
    def caller(self) -> str:
        """The customer's number: Texas, so that the queue's own form decides."""
        return f"+1214555{self.number:04d}"

    @property
    def one(self) -> str:
        """The telephone that answers first."""
        return f"one-{self.number}"

    @property
    def two(self) -> str:
        """The telephone of the newcomer."""
        return f"two-{self.number}"

    def digits(self, name: str) -> str:
        """What an agent keys to reach a telephone."""
        return str(601 + self.lab.pbx.agents.index(name))

    def want(self, truth: bool, problem: str) -> None:
        """Note a problem unless ``truth``."""
        if not truth:
            self.problems.append(problem)


Scene = Callable[[Gathering], Awaitable[None]]


async def inbound(g: Gathering) -> None:
    """The customer calls, says yes or no, and talks."""
    g.customer = await g.lab.world.call(f"3{g.number:02d}", caller_id=g.caller)
    await g.customer.answered()
    await g.customer.speak(CUSTOMER_HZ)
    await g.site.until(g.caller, "asking", "listening", timeout=40)
    await g.customer.press("1")
    g.agent = await g.lab.world.agent(g.one).next_call(40)
    await g.agent.speak(AGENT_HZ)
    g.call = g.site.call_of(g.caller)
    await g.site.until_entry("capture.started", g.call, 20)
    await asyncio.sleep(TALK)


async def answer_as(g: Gathering, timeout: float = 40) -> Phone:
    """The newcomer answers the telephone."""
    g.newcomer = await g.lab.world.agent(g.two).next_call(timeout)
    await g.newcomer.speak(NEWCOMER_HZ)
    return g.newcomer


async def blind(g: Gathering) -> None:
    await inbound(g)
    await g.agent.press("#1")
    await asyncio.sleep(1.5)
    await g.agent.press(g.digits(g.two))
    await answer_as(g)


async def consult(g: Gathering) -> None:
    await inbound(g)
    await g.agent.press("*2")
    await asyncio.sleep(1.5)
    await g.agent.press(g.digits(g.two))


async def attended(g: Gathering) -> None:
    await consult(g)
    await answer_as(g)
    await asyncio.sleep(1.5)
    await g.agent.hang_up()


async def attended_failed(g: Gathering) -> None:
    """The one who is asked is not there; the agent is back with the customer."""
    await inbound(g)
    g.asked = False
    await g.agent.press("*2")
    await asyncio.sleep(1.5)
    await g.agent.press("699")
    await asyncio.sleep(6)


async def attended_aborted(g: Gathering) -> None:
    """The one who is asked hangs up; the agent is back with the customer."""
    await consult(g)
    g.asked = False
    other = await g.lab.world.agent(g.two).next_call(40)
    await asyncio.sleep(1.5)
    await other.hang_up()
    await asyncio.sleep(3)


async def three_way(g: Gathering) -> None:
    """The agent makes it a conversation of three."""
    await consult(g)
    await answer_as(g)
    await asyncio.sleep(1.5)
    await g.agent.press("*3")


async def another_queue(g: Gathering) -> None:
    """The agent hangs up and the dialplan brings the customer to another queue."""
    await inbound(g)
    await g.agent.hang_up()
    await answer_as(g)


async def parked(g: Gathering) -> None:
    """The agent parks the customer; somebody else takes the call from there."""
    await inbound(g)
    await g.agent.press("#7")
    entry = next(e for e in g.site.entries(g.call) if e["kind"] == "call.arrived")
    name = (await get(g.lab.pbx, f"/channels/{entry['body']['channel']}"))["name"]
    place = ""
    async with asyncio.timeout(30):
        while not place:
            await asyncio.sleep(0.2)
            shown = await g.lab.pbx.cli("parking show default")
            found = re.search(rf"Space\s*:\s*(\d+)\s*Channel\s*:\s*{re.escape(name)}\s", shown)
            place = found[1] if found else ""
    g.newcomer = await g.lab.world.call(place, caller_id=g.two, line="agents")
    await g.newcomer.answered()
    await g.newcomer.speak(NEWCOMER_HZ)


async def agent_leaves(g: Gathering) -> None:
    """The agent hangs up, and the customer hears the dialplan's last words."""
    await inbound(g)
    g.asked = False
    await g.agent.hang_up()
    await asyncio.sleep(2)


async def outbound(g: Gathering) -> None:
    """The agent calls; the called party is the one who is asked."""
    number = g.caller.lstrip("+")
    g.agent = await g.lab.world.call(f"9{number}", caller_id=g.one, line="agents")
    g.customer = await g.lab.world.agent(number).next_call(30)
    await g.customer.speak(CUSTOMER_HZ)
    await g.site.until(number, "asking", "listening", timeout=40)
    await g.customer.press("1" if g.agrees else "2")
    await g.agent.answered(30)
    await g.agent.speak(AGENT_HZ)
    g.call = g.site.call_of(number)
    g.asked = False


async def agent_announces(g: Gathering) -> None:
    """Nobody but the agent tells the customer, and says by key that the customer agreed; or does not."""
    g.asked = False
    g.customer = await g.lab.world.call(f"3{g.number:02d}", caller_id=g.caller)
    await g.customer.answered()
    await g.customer.speak(CUSTOMER_HZ)
    g.agent = await g.lab.world.agent(g.one).next_call(40)
    await g.agent.speak(AGENT_HZ)
    g.call = g.site.call_of(g.caller)
    await asyncio.sleep(1)
    g.outcome = "granted" if g.agrees else "agent-asks"
    if g.agrees:
        await g.agent.press("*82")
        await g.site.until_entry("capture.started", g.call, 20)


async def staff_line(g: Gathering) -> None:
    """The call is passed on to a telephone that is never recorded."""
    await blind(g)
    g.asked, g.never = False, True
    await g.site.until_entry("capture.confirmed", g.call, 20)


SCENES: dict[str, Scene] = {
    "the agent announces": agent_announces,
    "never recorded telephone": staff_line,
    "inbound": inbound,
    "outbound": outbound,
    "blind transfer": blind,
    "attended transfer": attended,
    "attended, failed": attended_failed,
    "attended, aborted": attended_aborted,
    "conversation of three": three_way,
    "another queue": another_queue,
    "park and retrieve": parked,
    "agent hangs up": agent_leaves,
}

#: Those of which a newcomer who refuses makes no difference, because none comes.
ALONE = {"never recorded telephone", "inbound", "attended, failed", "attended, aborted", "agent hangs up"}


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one scenario."""

    name: str
    newcomer: str
    survives: bool
    told: bool
    paused: bool
    ledger: bool
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether everything was as it must be."""
        return self.survives and self.told and self.paused and self.ledger and not self.problems


def plan() -> list[tuple[str, bool]]:
    """Every scenario, with a newcomer who agrees, and where one comes, with one who refuses."""
    return [(name, agrees) for name in SCENES for agrees in (True, False) if agrees or name not in ALONE]


@contextlib.asynccontextmanager
async def house(names: list[str]):
    """A laboratory with a queue, an agent and a newcomer for each of these scenarios."""
    queues, numbers, settings, never = {}, ["[lab-numbers]"], {}, []
    places = len(names)
    for number, name in enumerate(names):
        queues[f"q{number}"] = f"one-{number}"
        queues[f"r{number}"] = f"two-{number}"
        by = "agent" if name == "the agent announces" else "callguard"
        settings[f"q{number}"] = {"purposes": ["quality"], "minimum_form": "explicit", "announced_by": by}
        if name == "never recorded telephone":
            never.append(f"PJSIP/two-{number}")
        numbers += [
            f"exten => 3{number:02d},1,Answer()",
            f" same => n,Gosub(callguard,consent,1(q{number},r{number}))",
            " same => n,Queue(${CALLGUARD_QUEUE},ctTkK)",
            f" same => n,GotoIf($[{number} >= {places - 1}]?bye)",
            ' same => n,GotoIf($["${QUEUESTATUS}"!="CONTINUE"]?bye)',
            f" same => n,Queue(r{number},tTkK,,,20)",
            " same => n(bye),Wait(4)",
            " same => n,Hangup()",
        ]
    for number in range(places):
        customer = f"1214555{number:04d}"
        numbers += [
            f"exten => 9{customer},1,Gosub(callguard,outbound,1(q{number},PJSIP/{customer}@trunk,60))",
            " same => n,Hangup()",
        ]
    text = "\n".join(numbers) + "\n"
    async with Lab(shipped_dialplan(), numbers=text, queues=queues) as lab:
        site = Site(
            lab, settings={"site": {"jurisdiction": "US-TX", "staff_lines": never}, "queues": settings}
        )
        await lab.pbx.load_dialplan(dialplan=site.dialplan(), numbers=text)
        async with site:
            yield lab, site


async def play(lab: Lab, site: Site, name: str, number: int, *, agrees: bool) -> Row:
    """One scenario from the first ring to the finished recording."""
    g = Gathering(lab, site, name, number, agrees)
    try:
        await SCENES[name](g)
        await _newcomer_answers(g)
        await asyncio.sleep(TALK)
        await _everybody_leaves(g)
        return await _examined(g)
    except (LabError, TimeoutError) as error:
        g.problems.append(str(error) or type(error).__name__)
        with contextlib.suppress(LabError):
            await _everybody_leaves(g)
        return Row(name, _newcomer(g), False, False, False, False, tuple(g.problems))


async def _newcomer_answers(g: Gathering) -> None:
    """Wait until the newcomer was told and is asked, and answer."""
    if not g.asked or g.newcomer is None:
        return
    await g.site.until_entry("capture.confirmed", g.call, ASKED)
    joined = [e for e in g.site.entries(g.call) if e["kind"] == "party.joined"][-1]["body"]
    async with asyncio.timeout(ASKED):
        while True:
            # The question comes after the announcement; a key before it is no answer, and does no harm.
            await g.newcomer.press("1" if g.agrees else "2")
            for _ in range(10):
                if _decision(g, joined["party"]):
                    return
                await asyncio.sleep(0.2)


def _decision(g: Gathering, party: str) -> dict[str, Any] | None:
    for entry in g.site.entries(g.call):
        if entry["kind"] == "consent" and entry["body"]["party"] == party:
            return entry["body"]
    return None


async def _everybody_leaves(g: Gathering) -> None:
    for phone in (g.customer, g.newcomer, g.agent):
        if phone is not None and phone.is_up:
            await phone.hang_up()


def _newcomer(g: Gathering) -> str:
    return "-" if g.name in ALONE else "agrees" if g.agrees else "refuses"


async def _examined(g: Gathering) -> Row:
    await g.site.until_entry("call.ended", g.call, 30)
    entries = g.site.entries(g.call)
    recorded = g.agrees or g.name not in {"outbound", "the agent announces"}
    if g.name == "outbound" and not g.agrees:
        g.outcome = "refused"
    survives = True
    if recorded:
        caller, other, rate = await g.site.recording(g.call)
        survives = _voices(g, caller, other, rate)
    else:
        g.want(g.call not in g.site.kept(), "something was kept of a call that was refused")
    told, paused = _told(g, entries), _paused(g, entries)
    ended = entries[-1]["body"]
    g.want(ended["outcome"] == g.outcome, f"ended as {ended['outcome']}")
    violations = [e["body"] for e in entries if e["kind"] == "violation"]
    g.want(not violations, f"violations without a recorder of others: {violations}")
    faults = [e["body"] for e in entries if e["kind"] == "fault"]
    g.want(not faults, f"faults: {faults}")
    return Row(g.name, _newcomer(g), survives, told, paused, not g.problems, tuple(g.problems))


def _voices(g: Gathering, caller: Any, other: Any, rate: int) -> bool:
    """Who is in the recording."""
    before = len(g.problems)
    g.want(audio.seconds_of_tone(caller, rate, CUSTOMER_HZ) > ENOUGH, "the customer is not in the recording")
    g.want(audio.seconds_of_tone(other, rate, AGENT_HZ) > ENOUGH, "the agent is not in the recording")
    newcomer = audio.seconds_of_tone(other, rate, NEWCOMER_HZ)
    if g.asked and g.newcomer is not None and g.agrees:
        g.want(newcomer > ENOUGH, f"the newcomer is in the recording for {newcomer:.1f} s only")
        last = caller[-round(1.5 * rate) :]
        g.want(audio.seconds_of_tone(last, rate, CUSTOMER_HZ) > ENOUGH, "the recording did not go on")
    else:
        g.want(newcomer <= NOTHING, f"{newcomer:.2f} s of somebody who did not agree are in the recording")
    if g.newcomer is not None and ((g.asked and not g.agrees) or g.never):
        end = caller[-round(1.0 * rate) :]
        g.want(not end.any(), "the customer was recorded with somebody who had refused")
    return len(g.problems) == before


def _told(g: Gathering, entries: list[dict[str, Any]]) -> bool:
    """Whether whoever came later heard the announcement, and nobody was asked who need not be."""
    later = [e["body"] for e in entries if e["kind"] == "consent" and e["body"]["party"] != "caller"]
    if not g.asked or g.newcomer is None:
        g.want(not later, f"somebody was asked who need not be: {later}")
        return not later
    heard = later and any(h["prompt"] == "announcement" and h["completely"] for h in later[0]["heard"])
    g.want(bool(heard), "the newcomer did not hear the announcement to its end")
    outcome = later[0]["outcome"] if later else ""
    g.want(outcome == ("granted" if g.agrees else "refused"), f"the newcomer's answer is {outcome!r}")
    return bool(heard)


def _paused(g: Gathering, entries: list[dict[str, Any]]) -> bool:
    """Whether the recording was paused for the one who was not told, and for nobody else."""
    holds = [e["body"]["hold"] for e in entries if e["kind"] == "capture.paused"]
    wanted = 1 if g.newcomer is not None and (g.asked or g.never) else 0
    g.want(len(holds) == wanted, f"paused for {holds}")
    resumed = [e for e in entries if e["kind"] == "capture.resumed"]
    if wanted and g.agrees and not g.never:
        g.want(len(resumed) == 1, f"resumed {len(resumed)} times")
    else:
        # When the one who refused has left, it may go on.
        left = [n for n, e in enumerate(entries) if e["kind"] == "party.left"]
        early = [e for e in resumed if not left or entries.index(e) < left[-1]]
        g.want(not early or not wanted, "resumed while somebody was there who had refused")
    return len(holds) == wanted


async def play_all(wanted: list[tuple[str, bool]]) -> list[Row]:
    """All at the same time."""
    async with house([name for name, _ in wanted]) as (lab, site):
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(play(lab, site, name, number, agrees=agrees))
                for number, (name, agrees) in enumerate(wanted)
            ]
        status, said = await site.command("ledger", "verify", check=False)
        rows = [task.result() for task in tasks]
        if status != 0:
            rows.append(Row("the ledger verifies", "-", True, True, True, False, (said[-500:],)))
        return rows


def table(rows: list[Row]) -> str:
    """The rows as text."""
    lines = [f"{'scenario':24}{'newcomer':10}{'survives':10}{'told':8}{'paused':8}{'ledger':8}"]
    for row in rows:
        marks = ["yes" if each else "NO" for each in (row.survives, row.told, row.paused, row.ledger)]
        lines.append(
            f"{row.name:24}{row.newcomer:10}{marks[0]:10}{marks[1]:8}{marks[2]:8}{marks[3]:8}"
            + "; ".join(row.problems)
        )
    return "\n".join(lines)
