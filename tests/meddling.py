"""Others who record: every way to do so that a PBX offers, on real calls of callers who said no, or yes."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import aiohttp

from callguard.asterisk import Ami, AmiSettings
from callguard.config.dialplan import shipped_dialplan
from callguard.errors import LabError
from callguard.lab import Lab, audio
from callguard.lab.inspection import leg_of
from callguard.lab.phone import Phone
from callguard.lab.scenarios import known
from callguard.lab.site import Site

#: What a caller says before, while, and after recording is paused, in Hz.
BEFORE_HZ, DURING_HZ, AFTER_HZ = 620.0, 400.0, 750.0

#: How long is talked after somebody began to record (seconds): more than what any of them may keep.
TALK_SECONDS = 1.6

#: The first digit says what callers are asked (2: whether, 3: nothing), the rest who records.
NUMBERS = """
[lab-numbers]
exten => _[23]XX,1,Answer()
 same => n,Set(__FOREIGN=lab-${CALLERID(num):1})
 same => n,Set(MONITOR_FILENAME=${FOREIGN})
 same => n,ExecIf($["${EXTEN:1}"="05"]?MixMonitor(${FOREIGN}.wav))
 same => n,Set(WAY=${EXTEN:1})
 same => n,Gosub(callguard,consent,1(${IF($["${EXTEN:0:1}"="2"]?asked:told)},sales-unrecorded))
 same => n,Set(AGENT=${IF($["${CALLGUARD_QUEUE}"="sales"]?sales-agent:open-agent)})
 same => n,Goto(way-${WAY},1)
exten => way-00,1,Queue(${CALLGUARD_QUEUE},xX)
exten => way-01,1,Queue(${CALLGUARD_QUEUE}-monitored)
exten => way-02,1,Dial(PJSIP/${AGENT},30,xX)
exten => way-03,1,MixMonitor(${FOREIGN}.wav)
 same => n,Queue(${CALLGUARD_QUEUE})
exten => way-04,1,Dial(PJSIP/${AGENT},30,U(lab-recorded-agent))
exten => way-05,1,Queue(${CALLGUARD_QUEUE})
exten => way-06,1,ConfBridge(${FOREIGN},recorded,quiet)
exten => way-07,1,Stasis(others)
exten => way-08,1,Dial(Local/${AGENT}@lab-recorded-line/n,30)

[lab-recorded-agent]
exten => s,1,MixMonitor(${FOREIGN}.wav)
 same => n,Return()

[lab-recorded-line]
exten => _[a-z].,1,MixMonitor(${FOREIGN}.wav)
 same => n,Dial(PJSIP/${EXTEN},30)

[lab-listener]
exten => _[a-z].,1,Answer()
 same => n,ChanSpy(${SPIED},qr(${EXTEN}))
"""

QUEUES = {
    "sales": "sales-agent",
    "sales-unrecorded": "open-agent",
    "sales-monitored": "sales-agent",
    "sales-unrecorded-monitored": "open-agent",
}

#: What an administrator may have left there, and one user of each interface who may do anything.
CONF = {
    "features.conf": "\n[featuremap](+)\nautomixmon => *3\n",
    "queues.conf": "\n[sales-monitored](+)\nmonitor-format = wav\nmonitor-type = MixMonitor\n"
    "\n[sales-unrecorded-monitored](+)\nmonitor-format = wav\nmonitor-type = MixMonitor\n",
    "pjsip.conf": "".join(
        f"\n[{agent}](+)\none_touch_recording = yes\nrecord_on_feature = automixmon\n"
        for agent in ("sales-agent", "open-agent")
    ),
    "confbridge.conf": "\n[recorded]\ntype = bridge\nrecord_conference = yes\n"
    "\n[quiet]\ntype = user\nquiet = yes\n",
    "manager.conf": "\n[meddler]\nsecret = {secret}\nread = all\nwrite = all\n",
}

SETTINGS = {
    # Texas: one party's knowledge is enough, so that the queue's own form decides.
    "site": {"name": "Us", "country": "US", "jurisdiction": "US-TX"},
    "queues": {
        name: {
            "recorded": "sales",
            "unrecorded": "sales-unrecorded",
            "purposes": ["tests"],
            "minimum_form": form,
        }
        for name, form in (("asked", "explicit"), ("told", "notice"))
    },
    "dialogue": {"thank": "no"},
    "prompts": {
        "texts": {
            "en": {
                "announcement": "We record {purposes} {controller}",
                "question": "{yes_key} or {no_key}",
                "unrecorded": "Not recorded.",
            }
        },
        "purposes": {"tests": {"en": "tests", "fr": "tests"}},
    },
}

CALLERS = (f"+1512666{number:04d}" for number in count())


class Meddlers:
    """A laboratory with callguard in it, and people who may do anything on its PBX."""

    def __init__(self, lab: Lab, site: Site, ami: Ami, session: aiohttp.ClientSession) -> None:
        self.lab, self.site, self.ami, self.session = lab, site, ami, session

    async def ari(self, method: str, path: str, **query: str) -> None:
        """Order something over ARI."""
        settings = self.lab.pbx.ari
        async with self.session.request(
            method, settings.url + path, params=query, headers=settings.headers
        ) as answer:
            if answer.status >= 400:
                raise LabError(f"{method} {path}: {answer.status} {await answer.text()}")

    async def channel(self, number: str, name: str = "PJSIP/trunk") -> dict[str, str]:
        """The caller's channel, or (by another name) that of the agent who talks with the caller."""
        return await leg_of(self.lab.pbx, number, name)

    def kept(self, number: str) -> float:
        """Seconds of audio in all files that others wrote about a call."""
        spool, digits = self.lab.pbx.directory / "spool", number.removeprefix("+")
        found = [path for path in spool.rglob("*") if digits in path.name]
        return sum(map(seconds_in, found))

    def file(self, number: str) -> Path:
        """The one file that others wrote about a call."""
        spool, digits = self.lab.pbx.directory / "spool", number.removeprefix("+")
        (one,) = [path for path in spool.rglob("*") if digits in path.name]
        return one

    def alerts(self, call: str, what: str) -> list[str]:
        """What somebody had to look at."""
        lines = self.site.log.read_text().splitlines()
        return [line for line in lines if "alert" in line and call in line and what in line]


def seconds_in(path: Path) -> float:
    """How much a file of 16 bits and 8 kHz holds, with or without a header."""
    return max(0, path.stat().st_size - 44) / 2 / audio.RATE


@contextlib.asynccontextmanager
async def meddlers(*, tell=lambda _: None):
    """The laboratory, running."""
    secret = secrets.token_hex(12)
    conf = CONF | {"manager.conf": CONF["manager.conf"].format(secret=secret)}
    async with (
        Lab(shipped_dialplan(), numbers=NUMBERS, queues=QUEUES, conf=conf, progress=tell) as lab,
        aiohttp.ClientSession() as session,
    ):
        site = Site(lab, settings=SETTINGS)
        await lab.pbx.load_dialplan(dialplan=site.dialplan())
        (lab.pbx.directory / "spool/monitor").mkdir(exist_ok=True)
        ami = Ami(AmiSettings(port=lab.pbx.ports.ami, username="meddler", password=secret))
        await ami.start()
        ari = lab.pbx.ari
        events = await session.ws_connect(
            f"{ari.url}/events", params={"app": "others", "api_key": f"{ari.username}:{ari.password}"}
        )
        reading = asyncio.create_task(_read(events))
        try:
            async with site:
                yield Meddlers(lab, site, ami, session)
        finally:
            reading.cancel()
            await ami.stop()


async def _read(events: aiohttp.ClientWebSocketResponse) -> None:
    async for _ in events:
        pass


# --------------------------------------------------------------------------- the ways


@dataclass(frozen=True)
class Call:
    """A call, from the moment both parties talk."""

    house: Meddlers
    number: str  #: the caller's
    caller: Phone
    agent: Phone | None

    @property
    def id(self) -> str:
        return self.house.site.call_of(self.number)

    @property
    def name(self) -> str:
        """What others call their file."""
        return f"lab-{self.number.removeprefix('+')}"


Act = Callable[[Call], Awaitable[None]]


async def nothing(_: Call) -> None:
    """The dialplan does it."""


async def agent_presses(call: Call) -> None:
    await call.agent.press("*3")


async def caller_presses(call: Call) -> None:
    await call.caller.press("*3")


async def record_button(call: Call) -> None:
    """What a telephone with a record button sends: SIP INFO with the header Record."""
    pbx = call.house.lab.pbx
    channel = (await call.house.channel(call.number, f"PJSIP/{call.agent.name}"))["name"]
    about = {}
    for what in ("call-id", "local_tag", "remote_tag", "local_uri", "remote_uri"):
        answer = await call.house.ami.action(
            "Getvar", {"Channel": channel, "Variable": f"CHANNEL(pjsip,{what})"}
        )
        about[what] = answer["Value"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind(("127.0.0.1", 0))
        line.setblocking(False)
        lines = (
            f"INFO sip:127.0.0.1:{pbx.ports.sip} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{line.getsockname()[1]};rport;branch=z9hG4bK{secrets.token_hex(8)}",
            "Max-Forwards: 70",
            f"From: {about['remote_uri']};tag={about['remote_tag']}",
            f"To: {about['local_uri']};tag={about['local_tag']}",
            f"Call-ID: {about['call-id']}",
            "CSeq: 90000 INFO",
            "Record: on",
            "Content-Length: 0",
            "\r\n",
        )
        loop = asyncio.get_running_loop()
        await loop.sock_sendto(line, "\r\n".join(lines).encode(), ("127.0.0.1", pbx.ports.sip))
        async with asyncio.timeout(5):
            answer = await loop.sock_recv(line, 4096)
        assert answer.startswith(b"SIP/2.0 200"), answer


async def console_on_caller(call: Call) -> None:
    channel = (await call.house.channel(call.number))["name"]
    await call.house.lab.pbx.cli(f"mixmonitor start {channel} {call.name}.wav")


async def console_on_agent(call: Call) -> None:
    channel = (await call.house.channel(call.number, f"PJSIP/{call.agent.name}"))["name"]
    await call.house.lab.pbx.cli(f"mixmonitor start {channel} {call.name}.wav")


async def manager_action(call: Call) -> None:
    channel = (await call.house.channel(call.number))["name"]
    await call.house.ami.action("MixMonitor", {"Channel": channel, "File": f"{call.name}.wav"})


async def many_at_once(call: Call) -> None:
    await asyncio.gather(*(manager_action(call) for _ in range(4)), console_on_agent(call))


async def listener(call: Call) -> None:
    channel = (await call.house.channel(call.number))["name"]
    order = {"Channel": f"Local/{call.name}@lab-listener", "Application": "Wait", "Data": "30"}
    await call.house.ami.action("Originate", {**order, "Variable": f"SPIED={channel}", "Async": "true"})


async def snoop(call: Call) -> None:
    channel = (await call.house.channel(call.number))["id"]
    tap = f"tap-{call.name}"
    with contextlib.suppress(LabError):  # it is gone before it can record, which is what we want
        await call.house.ari("POST", f"/channels/{channel}/snoop", spy="both", app="others", snoopId=tap)
        await call.house.ari("POST", f"/channels/{tap}/record", name=call.name, format="wav")


async def bridge_recording(call: Call) -> None:
    channel = (await call.house.channel(call.number))["id"]
    bridge = f"bridge-{call.name}"
    await call.house.ari("POST", "/bridges", type="mixing", bridgeId=bridge)
    await call.house.ari("POST", f"/bridges/{bridge}/addChannel", channel=channel)
    await asyncio.sleep(0.2)  # as people do: what begins in the same instant is not to be seen
    await call.house.ari("POST", f"/bridges/{bridge}/record", name=call.name, format="wav")


async def channel_recording(call: Call) -> None:
    """In the dialogue, while the channel is in the hands of an ARI application: ours."""
    channel = (await call.house.channel(call.number))["id"]
    await call.house.ari("POST", f"/channels/{channel}/record", name=call.name, format="wav")


MIXER, THEIRS = "MixMonitor on the caller's channel", "MixMonitor on the agent's channel"


@dataclass(frozen=True)
class Way:
    """A way to record a call."""

    name: str
    number: str  #: the last two digits that are dialled
    recorder: str  #: what the ledger calls it
    act: Act = nothing
    agent: bool = True  #: whether an agent is on the call
    in_talk: bool = True  #: can be begun in the middle of a conversation
    in_dialogue: bool = False  #: is begun while the caller is being asked
    stops_ours: bool = False  #: where a recorder runs already, this stops it: ours


WAYS = (
    Way("queue with monitor-format", "01", MIXER, in_talk=False),
    Way("automixmon pressed by the agent", "00", MIXER, agent_presses, stops_ours=True),
    Way("automixmon pressed by the caller", "00", THEIRS, caller_presses),
    Way("record button (SIP INFO)", "02", MIXER, record_button, stops_ours=True),
    Way("console: mixmonitor start, caller's channel", "00", MIXER, console_on_caller),
    Way("console: mixmonitor start, agent's channel", "00", THEIRS, console_on_agent),
    Way("AMI: MixMonitor", "00", MIXER, manager_action),
    Way("five recorders at once", "00", MIXER, many_at_once),
    Way("dialplan: MixMonitor before the queue", "03", MIXER, in_talk=False),
    Way("dialplan: MixMonitor before the question", "05", MIXER, in_talk=False),
    Way("dialplan: MixMonitor on the agent's channel", "04", THEIRS, in_talk=False),
    Way("dialplan: MixMonitor on a local channel between", "08", THEIRS, in_talk=False),
    Way("ChanSpy that keeps a file", "00", "ChanSpy on the caller's channel", listener),
    Way("ARI: snoop and record", "00", "ARI snoop on the caller's channel", snoop),
    Way(
        "ARI: record the channel in the dialogue", "00", "ARI recording on the caller's channel",
        channel_recording, in_talk=False, in_dialogue=True,
    ),
    Way(
        "ARI: record a bridge of another application", "07", "ARI recording of the conversation",
        bridge_recording, agent=False, in_talk=False,
    ),
    Way(
        "recorded conference", "06", "conference recording of the conversation", agent=False, in_talk=False
    ),
)  # fmt: skip


@dataclass
class Tried:
    """What came of it."""

    way: Way
    kept: float = 0.0  #: seconds of audio in the files of others
    allowed: bool | None = None  #: what the ledger says; None: it says nothing of this recorder
    stopped_ms: int | None = None
    alerts: int = 0
    went_on: bool = False  #: caller and agent were still talking afterwards
    reason: str = ""  #: why our own recording ended, where it did
    seconds: dict[str, float] = field(default_factory=dict)  #: of each tone in files and recordings

    @property
    def ok(self) -> bool:
        """Less than a second, a violation, an alert, and the call goes on."""
        return bool(self.kept < 1.0 and self.allowed is False and self.alerts and self.went_on)


async def refused(house: Meddlers, way: Way) -> Tried:
    """Somebody records the call of a caller who said no."""
    number, caller = await speaking(house, f"2{way.number}")
    await house.site.until(number, "announcing", "asking", "listening")
    if way.in_dialogue:
        await way.act(Call(house, number, caller, None))
    await house.site.until(number, "asking", "listening")
    await caller.press("2")
    agent = None
    if way.agent:
        agent = await house.lab.world.agent("open-agent").next_call(30, number=number)
    else:
        await house.site.until_entry("routed", house.site.call_of(number))
    call = Call(house, number, caller, agent)
    if not way.in_dialogue:
        await way.act(call)
    tried = await told(call, way)
    await asyncio.sleep(TALK_SECONDS)
    await over(call, tried)
    return tried


async def unguarded(house: Meddlers, way: Way) -> float:
    """The same with no callguard there: what others keep then, in seconds."""
    number, caller = await speaking(house, f"2{way.number}")
    agent = None
    if way.agent:
        agent = await house.lab.world.agent("open-agent").next_call(30, number=number)
    else:
        await asyncio.sleep(1.0)
    await way.act(Call(house, number, caller, agent))
    await asyncio.sleep(TALK_SECONDS + 1.0)
    await caller.hang_up()
    await asyncio.sleep(1.0)
    return house.kept(number)


async def paused(house: Meddlers, way: Way, *, before: bool = False) -> Tried:
    """Somebody records while an agent paused the recording; ``before``: somebody began before the pause."""
    call = await captured(house, way)
    caller, agent = call.caller, call.agent
    if before:
        await way.act(call)
        tried = await told(call, way)
        await asyncio.sleep(TALK_SECONDS)
    else:
        await asyncio.sleep(0.5)
    await agent.press("*4")
    await house.site.until_entry("capture.confirmed", call.id)
    await caller.speak(DURING_HZ)
    if not before:
        await way.act(call)
        tried = await told(call, way)
    await asyncio.sleep(TALK_SECONDS)
    await caller.hush()
    await agent.press("*6")
    await house.site.until_entry("capture.resumed", call.id)
    await asyncio.sleep(0.8)  # the guard of the resume
    await caller.speak(AFTER_HZ)
    await asyncio.sleep(TALK_SECONDS)
    await over(call, tried)
    said, _, rate = await house.site.recording(call.id)
    for name, hz in (("before", BEFORE_HZ), ("during", DURING_HZ), ("after", AFTER_HZ)):
        tried.seconds[name] = audio.seconds_of_tone(said, rate, hz)
    if before:
        theirs = audio.read_sln(house.file(call.number))
        tried.seconds["theirs before"] = audio.seconds_of_tone(*theirs, BEFORE_HZ)
        tried.seconds["theirs during"] = audio.seconds_of_tone(*theirs, DURING_HZ)
    return tried


async def stops_ours(house: Meddlers, way: Way) -> Tried:
    """Somebody begins to record, which by Asterisk's logic ends the recording that runs: ours."""
    call = await captured(house, way)
    await way.act(call)
    stopped = await house.site.until_entry("capture.stopped", call.id)
    await asyncio.sleep(TALK_SECONDS)
    tried = Tried(way)
    await over(call, tried, "capture stopped")
    tried.reason = stopped["body"]["reason"]
    said, _, rate = await house.site.recording(call.id)
    tried.seconds["ours"] = audio.seconds_of_tone(said, rate, BEFORE_HZ)
    return tried


async def speaking(house: Meddlers, extension: str) -> tuple[str, Phone]:
    """Somebody new who calls, and speaks; with their number."""
    number = next(CALLERS)
    caller = await house.lab.world.call(extension, caller_id=number)
    await caller.answered()
    await caller.speak(BEFORE_HZ)
    return number, caller


async def captured(house: Meddlers, way: Way) -> Call:
    """A call that is recorded by consent."""
    number, caller = await speaking(house, f"3{way.number}")
    agent = await house.lab.world.agent("sales-agent").next_call(30, number=number)
    call = Call(house, number, caller, agent)
    await house.site.until_entry("capture.started", call.id)
    return call


async def told(call: Call, way: Way) -> Tried:
    """Wait until the ledger tells of the recorder."""
    tried, site = Tried(way), call.house.site
    await known(site, call.number)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(5):
            while tried.allowed is None:
                for entry in site.entries(call.id):
                    body = entry["body"]
                    if entry["kind"] == "violation" and body["recorder"] == way.recorder:
                        tried.allowed, tried.stopped_ms = body["allowed"], body.get("stopped_ms")
                await asyncio.sleep(0.05)
    return tried


async def over(call: Call, tried: Tried, alert: str = "foreign recorder") -> None:
    """Hang up, and look at what there is."""
    tried.went_on = call.caller.is_up and (call.agent is None or call.agent.is_up)
    await call.caller.hang_up()
    if call.agent is not None:
        await call.agent.ended()
    tried.alerts = len(call.house.alerts(call.id, alert))
    await asyncio.sleep(0.3)  # Asterisk closes files after the end
    tried.kept = call.house.kept(call.number)
