"""The laboratory itself: what it says it heard was said, and nothing of it outlives it."""

import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
import pytest_asyncio

from callguard.errors import LabError
from callguard.lab import Lab, audio
from callguard.lab.pbx import HOLD_HZ, NUMBERS
from callguard.lab.phone import Phone
from callguard.lab.world import AGENT_HZ, CALLER_HZ

STAND_IN = (Path(__file__).parent / "stand_in.conf").read_text()
MORE_NUMBERS = """
exten => 200,1,Set(GLOBAL(SEEN_NAME)=${CALLERID(name)})
 same => n,Set(GLOBAL(SEEN_NUMBER)=${CALLERID(num)})
 same => n,Set(GLOBAL(SEEN_HEADER)=${PJSIP_HEADER(read,X-Odd)})
 same => n,Set(GLOBAL(SEEN_TRUNK)=${CHANNEL(endpoint)})
 same => n,Answer()
 same => n,Hangup()
exten => 201,1,Progress()
 same => n,Playback(beep,noanswer)
 same => n,Hangup(17)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab() -> AsyncIterator[Lab]:
    async with Lab(STAND_IN, numbers=NUMBERS + MORE_NUMBERS) as lab:
        yield lab


async def seconds_heard(phone: Phone, hz: float) -> float:
    return audio.seconds_of_tone(*await phone.heard(), hz)


async def seconds_said(phone: Phone, hz: float) -> float:
    return audio.seconds_of_tone(*await phone.said(), hz)


async def global_variable(lab: Lab, name: str) -> str:
    """What the PBX keeps in a global variable; only for values without line breaks."""
    for line in (await lab.pbx.cli("dialplan show globals")).splitlines():
        key, _, value = line.strip().partition("=")
        if key == name:
            return value
    return ""


def running(pids: Iterable[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


async def test_caller_and_agent_hear_each_other(lab: Lab) -> None:
    caller = await lab.world.call("100")
    await caller.answered()
    await caller.speak(CALLER_HZ)
    await caller.press("1")
    agent = await lab.world.agent("sales-agent").next_call()
    await asyncio.sleep(1.5)
    await caller.hang_up()
    assert await agent.ended() == 16

    assert 1.2 < await seconds_heard(caller, AGENT_HZ["sales-agent"]) < 2.0
    assert 1.2 < await seconds_heard(agent, CALLER_HZ) < 2.0
    assert await seconds_said(caller, CALLER_HZ) > 1.2
    assert await seconds_said(agent, AGENT_HZ["sales-agent"]) > 1.2
    assert await seconds_heard(caller, CALLER_HZ) == 0
    assert await seconds_heard(caller, AGENT_HZ["open-agent"]) == 0


async def test_a_caller_who_presses_nothing_reaches_the_unrecorded_queue(lab: Lab) -> None:
    before = len(lab.world.agents["sales-agent"].calls)
    caller = await lab.world.call("100", caller_id="+33142961020")
    agent = await lab.world.agent("open-agent").next_call(number="+33142961020")
    await asyncio.sleep(0.6)
    await agent.hang_up()
    assert await caller.ended() == 16
    assert await seconds_heard(caller, AGENT_HZ["open-agent"]) > 0.4
    assert await seconds_heard(caller, AGENT_HZ["sales-agent"]) == 0
    assert len(lab.world.agents["sales-agent"].calls) == before


@pytest.mark.parametrize("keys", ["rfc4733", "inband", "info"])
@pytest.mark.parametrize("speaking", [False, True], ids=["silent", "speaking"])
async def test_keys_arrive_in_every_way(lab: Lab, keys: str, speaking: bool) -> None:
    caller = await lab.world.call("100", keys=keys)
    await caller.answered()
    if speaking:
        await caller.speak(CALLER_HZ)
        # Long enough for a detector to tell the key from the voice.
        await asyncio.sleep(0.3)
    await caller.press("1")
    agent = await lab.world.agent("sales-agent").next_call()
    await agent.press("9")
    await caller.key_pressed("9")
    await caller.press("7")
    await agent.key_pressed("7")
    assert (caller.keys, agent.keys) == ("9", "7")


async def test_waiting_callers_hear_the_hold_music(lab: Lab) -> None:
    lab.world.agents["open-agent"].answers_after = 1.0
    caller = await lab.world.call("100")
    await lab.world.agent("open-agent").next_call()
    await asyncio.sleep(2.5)
    # Asterisk writes half a second late and then by two seconds at once.
    assert audio.seconds_of_tone(*caller.heard_so_far(), HOLD_HZ) > 0.8
    await caller.hang_up()
    samples, rate = await caller.heard()
    music, voice = (audio.onset(samples, rate, hz) for hz in (HOLD_HZ, AGENT_HZ["open-agent"]))
    assert music is not None
    assert voice is not None
    assert 0.8 < voice - music < 1.3


async def test_a_phone_that_falls_silent_is_silent(lab: Lab) -> None:
    caller = await lab.world.call("100")
    agent = await lab.world.agent("open-agent").next_call()
    await caller.speak(900)
    await asyncio.sleep(0.5)
    await caller.hush()
    await asyncio.sleep(0.5)
    await caller.hang_up()
    samples, rate = await caller.said()
    tail = samples[-round(0.3 * rate) :]
    assert audio.peak_level(tail) == audio.SILENCE_DBFS
    assert 0.3 < await seconds_heard(agent, 900) < 0.8


async def test_what_sounds_before_the_answer_is_heard(lab: Lab) -> None:
    caller = await lab.world.call("201")
    assert await caller.ended() == 17
    assert audio.peak_level((await caller.heard())[0]) > -30
    with pytest.raises(LabError, match="not answered: the call ended with cause 17"):
        await caller.answered()


@pytest.mark.parametrize(
    ("name", "number", "transport", "seen_name", "seen_number"),
    [
        ("Zoë", "+33142961020", "udp", "Zoë", "+33142961020"),
        # Asterisk 22 leaves the backslashes of SIP's quoting in.
        ('${A},|^;"`$(id)', "anonymous", "udp", '${A},|^;\\"`$(id)', "anonymous"),
        ("", "${B}", "udp", "", "${B}"),
        # And keeps 79 bytes of each.
        ("x" * 10_000, "9" * 10_000, "tcp", "x" * 79, "9" * 79),
    ],
    ids=["utf-8", "syntax", "nameless", "10 kB"],
)
async def test_odd_callers_arrive_as_they_are(
    lab: Lab, name: str, number: str, transport: str, seen_name: str, seen_number: str
) -> None:
    # The dialplan reads no header of more than 4 kB.
    odd = name[:3000] or "none"
    caller = await lab.world.call(
        "200", caller_id=number, caller_name=name, transport=transport, headers={"X-Odd": odd}
    )
    await caller.ended()
    assert await global_variable(lab, "SEEN_NAME") == seen_name
    assert await global_variable(lab, "SEEN_NUMBER") == seen_number
    assert await global_variable(lab, "SEEN_HEADER") == odd
    assert await global_variable(lab, "SEEN_TRUNK") == "trunk"


async def test_nobody_becomes_an_agent_by_saying_so(lab: Lab) -> None:
    caller = await lab.world.call("200", caller_id="sales-agent")
    await caller.ended()
    assert await global_variable(lab, "SEEN_TRUNK") == "trunk"


@pytest.mark.parametrize("codec", ["alaw", "gsm"])
async def test_other_codecs_are_heard_too(lab: Lab, codec: str) -> None:
    caller = await lab.world.call("100", codec=codec)
    await lab.world.agent("open-agent").next_call()
    await asyncio.sleep(0.6)
    await caller.hang_up()
    assert await seconds_heard(caller, AGENT_HZ["open-agent"]) > 0.4


async def test_both_boot_without_a_complaint(lab: Lab) -> None:
    for instance in (lab.pbx, lab.world):
        boot = instance.log_tail(10_000).partition("Asterisk Ready")[0]
        assert boot
        assert [line for line in boot.splitlines() if "WARNING" in line or "ERROR" in line] == []


async def test_a_call_can_be_placed_while_one_goes_on_whose_number_begins_alike(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Calls placed in the same instant reach Asterisk in any order.
    monkeypatch.setattr(lab.world, "_numbers", iter((7110, 711, 71)))
    phones = [await lab.world.call("100") for _ in range(3)]
    await asyncio.gather(*(phone.answered() for phone in phones))
    assert all(phone.is_up for phone in phones)


async def test_a_call_that_cannot_be_placed_leaves_nothing_to_hang_up(lab: Lab) -> None:
    with pytest.raises(LabError, match="no-such-codec"):
        await lab.world.call("100", codec="no-such-codec")
    await lab.world.settle()


async def test_the_dialplan_can_be_changed_while_it_runs(lab: Lab) -> None:
    await lab.pbx.load_dialplan(numbers="[lab-numbers]\nexten => 300,1,Hangup(21)\n")
    try:
        caller = await lab.world.call("300")
        assert await caller.ended() == 21
    finally:
        await lab.pbx.load_dialplan(numbers=NUMBERS + MORE_NUMBERS)


async def test_labs_run_side_by_side_and_come_back_from_a_crash(lab: Lab) -> None:
    async with Lab(STAND_IN) as other:
        assert other.ari_settings.url != lab.ari_settings.url
        other.pbx.freeze()
        caller = await other.world.call("100")
        with pytest.raises(LabError, match=r"was not answered within 0\.5 s"):
            await caller.answered(0.5)
        other.pbx.thaw()
        await caller.answered()
        await other.pbx.kill()
        with pytest.raises(LabError, match="is not running"):
            other.pbx.freeze()
        await other.pbx.start()
        caller = await other.world.call("100")
        await caller.answered()
        pids = other.pbx.pid, other.world.pid
    assert not running(pids)
    assert await lab.pbx.cli("core show uptime")


async def test_a_lab_that_cannot_boot_says_why() -> None:
    with pytest.raises(LabError, match=r"pbx ended while it booted[\s\S]*res_no_such"):
        async with Lab(STAND_IN, conf={"modules.conf": "require = res_no_such.so\n"}):
            pass


async def test_no_asterisk_outlives_a_killed_python() -> None:
    # pytest's own temporary paths are too long for Asterisk's socket.
    directory = tempfile.mkdtemp(prefix="callguard-lab-")
    program = (
        "import asyncio, pathlib, sys\n"
        "from callguard.lab import Lab\n"
        "async def main():\n"
        "    async with Lab('', directory=pathlib.Path(sys.argv[1])) as lab:\n"
        "        print(lab.pbx.pid, lab.world.pid, flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    python = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, directory, stdout=asyncio.subprocess.PIPE
    )
    assert python.stdout is not None
    pids = [int(word) for word in (await python.stdout.readline()).split()]
    assert len(pids) == 2
    python.send_signal(signal.SIGKILL)
    await python.wait()
    async with asyncio.timeout(5):
        while running(pids):
            await asyncio.sleep(0.02)
    shutil.rmtree(directory)
