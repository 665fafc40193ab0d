"""Whispers: one after the other, cut, failed, cancelled, left behind; each is removed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from callguard.asterisk import Ari, AriSettings
from callguard.asterisk.events import StasisStart, channel_of
from callguard.asterisk.verbs import Ears
from callguard.controller import aside, ear
from callguard.controller.aside import PREFIX, Asides
from callguard.controller.ear import Whispered
from fakes.asterisk_http import Answer, FakeAsterisk
from fakes.waiting import until

AGENT = "agent-1"


class House:
    """A fake Asterisk with an agent on the line, and the whispers into it."""

    def __init__(self, asterisk: FakeAsterisk, ari: Ari | None = None) -> None:
        self.asterisk = asterisk
        self.ari = ari
        self.asides = Asides(lambda: self.ari)
        self.others: list[Any] = []

    def take(self, event: Any) -> None:
        if not self.asides.take(event):
            self.others.append(event)

    def start(self, **how: Any) -> asyncio.Task[Whispered]:
        return asyncio.create_task(self.asides.whisper(AGENT, ["sound:x"], 0.2, **how))

    async def playing(self, count: int = 1) -> str:
        """Wait until something plays, and say which playback is the newest."""
        await until(lambda: len(self.played()) >= count)
        return self.played()[-1]

    def played(self) -> list[str]:
        asked = [each.path for each in self.asterisk.requests if "/play/" in each.path]
        return [path.rpartition("/")[2] for path in asked]

    def whispers(self) -> list[str]:
        return [name for name in self.asterisk.channels if name.startswith(PREFIX)]


@pytest.fixture
async def house(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr(ear, "STEP_SECONDS", 0.2)
    monkeypatch.setattr(aside, "STEP_SECONDS", 0.2)
    monkeypatch.setattr(ear, "COUNT_EVERY", 0.05)
    monkeypatch.setattr(ear, "COUNT_LEAST", 0.01)
    async with FakeAsterisk() as asterisk:
        asterisk.channel(AGENT)
        made = House(asterisk)
        settings = AriSettings(
            url=asterisk.url, app="callguard", username=asterisk.username, password=asterisk.password
        )
        made.ari = await Ari.open(settings, made.take)
        yield made
        await made.asides.close()
        await made.ari.close()


async def test_what_was_played_to_its_end_was_heard_and_the_whisper_is_gone(house: House) -> None:
    task = house.start(ears=Ears.PARTY)
    playback = await house.playing()
    made = next(each for each in house.asterisk.requests if "/snoop/" in each.path)
    assert made.path.startswith(f"channels/{AGENT}/snoop/{PREFIX}")
    assert made.query == {"whisper": "out", "spy": "none", "app": "callguard"}
    await house.asterisk.end_playback(playback)
    told = await task
    assert (told.ended, told.completely) == ("done", True)
    assert told.began is not None
    assert (told.party, told.others) == (None, None)  # nobody counts packets here
    assert house.whispers() == []
    assert house.others == []


async def test_what_ended_early_was_not_heard_completely(house: House) -> None:
    task = asyncio.create_task(house.asides.whisper(AGENT, ["sound:x"], 2.0))
    await house.asterisk.end_playback(await house.playing())
    told = await task
    assert told.ended == "done"
    assert not told.completely


@pytest.mark.parametrize(
    ("ears", "grows", "party", "others"),
    [
        (Ears.PARTY, (1, 0), True, None),
        (Ears.PARTY, (0, 1), False, None),
        (Ears.OTHERS, (0, 1), None, True),
        (Ears.BOTH, (1, 0), True, False),
    ],
)
async def test_without_packets_nothing_is_heard(
    house: House, ears: Ears, grows: tuple[int, int], party: bool | None, others: bool | None
) -> None:
    house.asterisk.packets[AGENT] = (100, 100)
    task = house.start(ears=ears)
    playback = await house.playing()
    counted = f"channels/{AGENT}/rtp_statistics"
    for count in range(1, 4):
        await until(lambda n=count: len(house.asterisk.asked("GET", counted)) >= n)
        sent, received = house.asterisk.packets[AGENT]
        house.asterisk.packets[AGENT] = (sent + grows[0], received + grows[1])
    await house.asterisk.end_playback(playback)
    told = await task
    assert (told.party, told.others) == (party, others)
    assert told.completely is (False not in (party, others))


async def test_one_after_the_other_on_a_channel(house: House) -> None:
    first, second = house.start(), house.start()
    playback = await house.playing()
    assert len(house.whispers()) == 1
    await house.asterisk.end_playback(playback)
    assert (await first).completely
    await house.asterisk.end_playback(await house.playing(2))
    assert (await second).completely
    assert house.whispers() == []


async def test_an_important_one_cuts_and_those_that_wait_are_forgotten(house: House) -> None:
    first, second = house.start(), house.start()
    await house.playing()
    third = house.start(cut=True)
    assert [(await each).ended for each in (first, second)] == ["cut", "cut"]
    await house.asterisk.end_playback(await house.playing(2))
    assert (await third).completely
    assert len(house.played()) == 2


async def test_one_that_is_only_being_made_is_cut_as_well(house: House) -> None:
    held = asyncio.Event()
    carry_out = house.asterisk._on_channel

    async def slow(method: str, channel: str, rest: list[str], given: dict[str, Any]) -> Answer:
        answer = await carry_out(method, channel, rest, given)
        if rest[:1] == ["snoop"] and not held.is_set():
            await held.wait()
        return answer

    house.asterisk._on_channel = slow  # type: ignore[method-assign]
    first = house.start()
    await until(house.whispers)
    second = house.start(cut=True)
    await asyncio.sleep(0)
    held.set()
    assert (await first).ended == "cut"
    await house.asterisk.end_playback(await house.playing())
    assert (await second).completely


async def test_the_one_it_spoke_to_hangs_up(house: House) -> None:
    task = house.start()
    playback = await house.playing()
    whisper = house.whispers()[0]
    await house.asterisk.end_playback(playback, "failed")
    await house.asterisk.say(type="StasisEnd", channel={"id": whisper})
    told = await task
    assert (told.ended, told.completely) == ("failed", False)


async def no_such_channel(house: House) -> None:
    del house.asterisk.channels[AGENT]


async def no_sound(house: House) -> None:
    async def say_nothing(**_: Any) -> None:
        """Neither a StasisStart nor anything else arrives."""

    house.asterisk.say = say_nothing  # type: ignore[method-assign]


async def no_connection(house: House) -> None:
    house.ari = None


@pytest.mark.parametrize("trouble", [no_such_channel, no_sound, no_connection])
async def test_trouble_is_told_not_raised_and_nothing_stays(
    house: House, trouble: Callable[[House], Awaitable[None]]
) -> None:
    line = house.ari
    await trouble(house)
    told = await house.start()
    assert (told.ended, told.completely, told.began) == ("failed", False, None)
    assert house.whispers() == []
    house.ari = line


async def test_what_ends_unseen_was_not_heard(house: House) -> None:
    task = house.start()
    playback = await house.playing()
    house.asides.lost()
    assert (await task).ended == "cut"
    assert playback not in house.asterisk.playbacks


async def test_a_playback_that_never_ends_is_given_up(house: House) -> None:
    told = await house.start()
    assert told.ended == "failed"
    assert house.whispers() == []


async def test_whoever_gives_up_leaves_no_whisper(house: House) -> None:
    task = house.start()
    await house.playing()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await until(lambda: not house.whispers())


async def test_one_that_comes_too_late_is_removed(house: House) -> None:
    late = house.asterisk.channel(f"{PREFIX}late")
    assert house.asides.take(StasisStart(channel=channel_of(late)))
    await until(lambda: not house.whispers())


async def test_what_another_controller_left_is_removed_and_nothing_else(house: House) -> None:
    house.asterisk.channel(f"{PREFIX}left", dialplan={"app_name": "Stasis", "app_data": "callguard"})
    house.asterisk.channel(f"{PREFIX}theirs", dialplan={"app_name": "Stasis", "app_data": "other"})
    house.asterisk.channel("someone", dialplan={"app_name": "Stasis", "app_data": "callguard"})
    task = house.start()
    playback = await house.playing()
    assert house.ari is not None
    assert await house.asides.sweep(await house.ari.channels()) == 1
    assert set(house.asterisk.channels) == {AGENT, f"{PREFIX}theirs", "someone", playback}
    await house.asterisk.end_playback(playback)
    assert (await task).completely


async def test_closing_cuts_and_removes_all_and_makes_no_more(house: House) -> None:
    task = house.start()
    whisper = await house.playing()
    assert house.asides.ours(whisper)
    await house.asides.close()
    assert house.whispers() == []
    assert (await task).ended == "cut"
    assert (await house.start()).ended == "failed"
    assert not house.asides.ours(whisper)


async def test_a_removal_that_asterisk_does_not_answer_is_tried_again(house: House) -> None:
    tries = 0
    carry_out = house.asterisk._on_channel

    async def deaf(method: str, channel: str, rest: list[str], given: dict[str, Any]) -> Answer:
        nonlocal tries
        if method == "DELETE" and channel.startswith(PREFIX):
            tries += 1
            if tries == 1:
                return Answer(500, {"message": "Allocation failed"})
        return await carry_out(method, channel, rest, given)

    house.asterisk._on_channel = deaf  # type: ignore[method-assign]
    task = house.start()
    await house.asterisk.end_playback(await house.playing())
    assert (await task).completely
    assert (tries, house.whispers()) == (2, [])
