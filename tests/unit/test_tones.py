"""The warning tone: which it is, its sound on disk, and its times on a call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import soundfile
from click.testing import CliRunner

from callguard.asterisk import Ari, AriSettings
from callguard.asterisk.verbs import Ears
from callguard.cli import callguard
from callguard.config import Config, load, loads
from callguard.controller import cadence
from callguard.controller.aside import Asides
from callguard.controller.cadence import Cadence, Sounded
from callguard.controller.keeping import vault_of
from callguard.controller.planning import facts_for, needed
from callguard.controller.tones import (
    AFTER,
    BEFORE,
    Sounds,
    put_tone,
    sounds_of,
    tone_again,
    tone_interval,
    tone_of,
)
from callguard.errors import ConfigError, PromptError
from callguard.law import Admission, PartyFacts, Terms, admit, load_table, rule_for
from callguard.prompts.library import Library
from callguard.prompts.phrasing import TO_AGENTS
from callguard.vault import Mark, RecordingKey
from callguard.vault.tone import FS1037C, US_LEGACY, find
from fakes.asterisk_http import Answer, FakeAsterisk
from fakes.sealing import NAME
from fakes.waiting import until

LEAST = """\
site: {name: Acme, country: US}
asterisk:
  ari: {password: one}
  ami: {password: two}
queues:
  sales: {}
"""


def config(directory: Path = Path("/prompts"), wideband: str = "no", **tone: object) -> Config:
    told = "".join(f"  {key}: {value}\n" for key, value in {"when": "always", **tone}.items())
    return loads(f"{LEAST}prompts: {{directory: {directory}, wideband: {wideband}}}\ntone:\n{told}", "c.yaml")


OWN = {"profile": "custom", "frequency_hz": 1000, "length_seconds": 0.2, "interval_seconds": 12}


# ---------------------------------------------------------------------- which tone


def test_the_profiles_and_a_tone_of_ones_own() -> None:
    assert tone_of(config().tone) == FS1037C
    assert tone_of(config(profile="us-legacy", level_dbfs=-26).tone) == replace(US_LEGACY, dbfs=-26)
    own = tone_of(config(**OWN).tone)
    assert (own.hz, own.seconds, own.interval, own.dbfs) == (1000, 0.2, 12, -20)


@pytest.mark.parametrize(
    ("tone", "told"),
    [
        ({"frequency_hz": 1000}, "fs1037c has a frequency_hz of its own"),
        ({"profile": "custom", "frequency_hz": 1000}, "custom tone needs length_seconds"),
        ({**OWN, "interval_seconds": 2}, "3"),
        ({"heard_by": "nobody"}, "both"),
    ],
)
def test_a_tone_that_cannot_be_is_refused(tone: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        config(**tone)


TABLE = load_table()


def admission(*codes: str) -> Admission:
    parties = [
        PartyFacts(role=role, record=code) for role, code in zip(("caller", "agent"), codes, strict=False)
    ]
    return admit(TABLE, rule_for(TABLE, parties), Terms(purposes=("quality",)))


@pytest.mark.parametrize(
    ("tone", "codes", "seconds"),
    [
        ({"when": "never"}, ("US-CT",), None),
        ({"when": "law"}, ("US-CT",), 15),
        ({"when": "law"}, ("US-CT", "US-CA"), None),  # one of them takes no tone
        ({"when": "law"}, ("US-TX",), None),
        ({"when": "always"}, ("US-TX",), 15),
        ({**OWN, "interval_seconds": 20}, ("US-CT",), 15),
        ({**OWN, "interval_seconds": 20}, ("US-TX",), 20),
        (OWN, ("US-CT",), 12),
    ],
)
def test_how_often_it_sounds_is_the_sites_choice_and_never_less_often_than_a_law_that_takes_it_says(
    tone: dict[str, object], codes: tuple[str, ...], seconds: float | None
) -> None:
    assert tone_interval(config(**tone), admission(*codes)) == seconds


@pytest.mark.parametrize(
    ("tone", "flags", "seconds"),
    [
        ({"when": "never"}, {"beep_alternative"}, None),
        ({"when": "law"}, {"beep_alternative"}, 15),
        ({"when": "law"}, {"stop_on_objection"}, None),
        ({**OWN, "interval_seconds": 20}, {"beep_alternative"}, 15),
        ({**OWN, "interval_seconds": 20}, set(), 20),
    ],
)
def test_it_goes_on_sounding_on_a_call_that_another_controller_began(
    tone: dict[str, object], flags: set[str], seconds: float | None
) -> None:
    assert tone_again(config(**tone), frozenset(flags)) == seconds


# ---------------------------------------------------------------------- its sound


@pytest.mark.parametrize("tone", [{}, OWN])
def test_the_sound_is_the_tone_between_two_short_silences(tmp_path: Path, tone: dict[str, object]) -> None:
    site = config(tmp_path, "yes", **tone)
    path = put_tone(site)
    sounds = sounds_of(site)
    assert path is not None and sounds is not None
    assert sounds.media == f"sound:{path.with_suffix('')}"
    for file, rate in ((path, 8000), (path.with_suffix(".wav16"), 16000)):
        samples, found = soundfile.read(file, dtype="int16")
        assert (found, len(samples)) == (rate, round(sounds.seconds * rate))
        (heard,) = find(samples[:: rate // 8000], sounds.tone.hz)
        assert heard.start == pytest.approx(BEFORE, abs=0.002)
        assert heard.seconds == pytest.approx(sounds.tone.seconds, abs=0.004)
        assert heard.dbfs == pytest.approx(sounds.tone.dbfs, abs=0.3)
        assert not samples[-round(AFTER * rate) :].any()


def test_another_tone_is_another_file_and_the_old_one_stays(tmp_path: Path) -> None:
    first, second = put_tone(config(tmp_path)), put_tone(config(tmp_path, profile="us-legacy"))
    assert first != second
    assert put_tone(config(tmp_path)) == first
    assert len(list(tmp_path.iterdir())) == 2


def test_no_tone_no_file(tmp_path: Path) -> None:
    assert put_tone(config(tmp_path, when="never")) is None
    assert sounds_of(config(tmp_path, when="never")) is None
    assert list(tmp_path.iterdir()) == []


def test_a_sound_that_is_missing_or_changed_is_told(tmp_path: Path) -> None:
    site = config(tmp_path)
    with pytest.raises(PromptError, match="prompts build"):
        sounds_of(site)
    path = put_tone(site)
    assert path is not None
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(PromptError, match="who changed it"):
        sounds_of(site)
    assert put_tone(site) == path
    assert sounds_of(site) is not None


def test_it_is_made_with_the_prompts_and_callers_are_told_of_it(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"{LEAST}prompts: {{directory: {tmp_path}/prompts}}\ntone: {{when: always}}\n")
    path.chmod(0o600)
    run = CliRunner()
    built = run.invoke(callguard, ["prompts", "build", "--json", "-c", str(path)])
    assert built.exit_code == 0, built.output
    site = load(path)
    sounds = sounds_of(site)
    assert sounds is not None
    library = Library.open(site.prompts.directory)
    announcements = [entry.text for entry in library.entries if entry.name == "announcement"]
    assert announcements and all("a short tone from time to time" in text for text in announcements)
    told = {entry.name: entry.language for entry in library.entries if entry.name in TO_AGENTS}
    assert told == dict.fromkeys(TO_AGENTS, "en")
    assert run.invoke(callguard, ["prompts", "check", "-c", str(path)]).exit_code == 0
    Path(f"{sounds.media.removeprefix('sound:')}.wav").unlink()
    checked = run.invoke(callguard, ["prompts", "check", "-c", str(path)])
    assert checked.exit_code == 1
    assert "the warning tone cannot be read" in checked.output


@pytest.mark.parametrize(
    ("tone", "variants"),
    [
        ({"when": "never"}, {False}),
        ({"heard_by": "agent"}, {False}),
        ({"when": "always"}, {True}),
        ({"when": "law"}, {False, True}),
    ],
)
def test_callers_are_told_of_a_tone_that_they_may_hear(tone: dict[str, object], variants: set[bool]) -> None:
    site = config(**tone)
    assert {each.facts.tone for each in needed(site, TABLE) if each.name == "announcement"} == variants
    for codes in (("US-CT",), ("US-TX",)):
        heard = tone_interval(site, admission(*codes)) is not None and site.tone.heard_by != "agent"
        assert facts_for(site, "sales", admission(*codes)).tone is heard


@pytest.mark.parametrize(
    ("lay", "words", "laid"),
    [
        ("no", [], []),
        ("no", ["--tone", "site"], [2.0]),
        ("yes", [], [2.0]),
        ("yes", ["--tone", "none"], []),
    ],
)
def test_an_export_has_the_tones_that_sounded_where_the_site_wants_them(
    tmp_path: Path, lay: str, words: list[str], laid: list[float]
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        f"{LEAST}ledger: {{url: 'sqlite:///{tmp_path}/ledger.db'}}\n"
        f"vault: {{directory: {tmp_path}/vault, keys: {tmp_path}/keys, key: {{file: {tmp_path}/site.key}}}}\n"
        "tone: {profile: custom, frequency_hz: 1000, length_seconds: 0.2, interval_seconds: 12, "
        f"lay_into_export: {lay}}}\n"
    )
    run = CliRunner()
    assert run.invoke(callguard, ["vault", "new-key", "-c", str(path)]).exit_code == 0
    vault = vault_of(load(path))
    vault.prepare()
    writing = vault.begin(NAME, {}, b"", [], RecordingKey.generate().raw)
    writing.seal(bytes(4 * 8000 * 5))
    detail = {"frequency": "1000", "level": "-20", "heard": "both"}
    writing.finish([Mark(serial=1, kind="tone", start=16000, end=17600, detail=detail)])
    out = tmp_path / "out.wav"
    done = run.invoke(
        callguard, ["vault", "export", NAME, "-o", str(out), "--purpose", "x", "-c", str(path), *words]
    )
    assert done.exit_code == 0, done.output
    samples, _ = soundfile.read(out, dtype="int16")
    assert [round(each.start, 1) for each in find(samples[:, 1], 1000)] == laid
    audited = run.invoke(callguard, ["audit", NAME, "--tone", "site", "--dry-run", "-c", str(path)])
    assert "warning tone" not in audited.output


# ---------------------------------------------------------------------- its times

CALLER = "caller-1"
SHORT = Sounds(tone=replace(FS1037C, seconds=0.05, interval=0.3), media="sound:tone", ears=Ears.BOTH)


class Call:
    """A call with a warning tone, on an Asterisk that plays everything in no time."""

    def __init__(self, asterisk: FakeAsterisk) -> None:
        self.asterisk = asterisk
        self.ari: Ari | None = None
        self.asides = Asides(lambda: self.ari)
        self.told: list[Sounded] = []
        self.missed: list[str] = []
        self.cadence = Cadence(self.asides, CALLER, SHORT, told=self.told.append, missed=self.missed.append)
        self.lasts = SHORT.seconds
        self._plays: set[asyncio.Task[None]] = set()

    def take(self, event: Any) -> None:
        self.asides.take(event)
        if type(event).__name__ == "PlaybackStarted":
            task = asyncio.create_task(self._play(event.playback))
            self._plays.add(task)
            task.add_done_callback(self._plays.discard)

    async def _play(self, playback: str) -> None:
        await asyncio.sleep(self.lasts)
        if playback in self.asterisk.playbacks:
            await self.asterisk.end_playback(playback)

    async def sounded(self, count: int) -> list[Sounded]:
        await until(lambda: len(self.told) >= count)
        return self.told


@pytest.fixture
async def call(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Call]:
    monkeypatch.setattr(cadence, "AHEAD", 0.1)
    async with FakeAsterisk() as asterisk:
        asterisk.channel(CALLER)
        made = Call(asterisk)
        settings = AriSettings(
            url=asterisk.url, app="callguard", username=asterisk.username, password=asterisk.password
        )
        made.ari = await Ari.open(settings, made.take)
        yield made
        made.cadence.hold()
        await made.asides.close()
        await made.ari.close()


def played(call: Call) -> int:
    return sum("/play/" in each.path for each in call.asterisk.requests)


async def test_it_sounds_at_once_and_then_in_time(call: Call) -> None:
    began = time.monotonic()
    call.cadence.sound()
    call.cadence.sound()  # twice is once
    told = await call.sounded(4)
    # Against the first, not the one before: what drifts would add up.
    late = [each.at - told[0].at - number * SHORT.tone.interval for number, each in enumerate(told)]
    assert max(map(abs, late)) < 0.05
    assert told[0].at - began < 0.3
    assert {(each.seconds, each.heard, each.tone) for each in told} == {(0.05, "both", SHORT.tone)}
    assert told[0].detail == {"frequency": "1400", "level": "-20", "heard": "both"}
    assert call.asterisk.requests and not call.missed
    made = [each for each in call.asterisk.requests if "/snoop/" in each.path]
    assert {each.query["whisper"] for each in made} == {"both"}


async def test_it_does_not_sound_while_held_and_begins_anew_afterwards(call: Call) -> None:
    call.cadence.sound()
    await call.sounded(1)
    call.cadence.hold()
    call.cadence.hold()
    before = played(call)
    await asyncio.sleep(2 * SHORT.tone.interval)
    assert played(call) == before
    again = time.monotonic()
    call.cadence.sound()
    told = await call.sounded(2)
    assert again < told[1].at < again + 0.3


async def test_a_tone_that_is_cut_is_told_with_its_length_and_falls_silent(call: Call) -> None:
    call.lasts = 5.0
    call.cadence.sound()
    await until(lambda: played(call))
    await asyncio.sleep(BEFORE + 0.02)
    call.cadence.hold()
    (told,) = await call.sounded(1)
    assert 0 < told.seconds <= SHORT.tone.seconds
    await until(lambda: set(call.asterisk.channels) == {CALLER})


async def test_one_that_cannot_sound_is_told_once_and_the_times_stay(call: Call) -> None:
    call.cadence.sound()
    (first,) = await call.sounded(1)
    line, call.ari = call.ari, None
    await until(lambda: call.missed)
    await asyncio.sleep(2 * SHORT.tone.interval)
    assert len(call.missed) == 1 and "no connection" in call.missed[0]
    call.ari = line
    later = (await call.sounded(2))[1]
    off = (later.at - first.at) % SHORT.tone.interval
    assert min(off, SHORT.tone.interval - off) < 0.05


async def test_the_end_of_the_call_is_no_missed_tone(call: Call) -> None:
    call.cadence.sound()
    await call.sounded(1)
    del call.asterisk.channels[CALLER]
    await until(lambda: sum("/snoop/" in each.path for each in call.asterisk.requests) >= 2)
    await asyncio.sleep(SHORT.tone.interval)
    assert call.missed == []


@pytest.mark.parametrize(
    ("ears", "packets", "heard"),
    [
        (Ears.BOTH, (1, 1), "both"),
        (Ears.BOTH, (1, 0), "caller"),
        (Ears.BOTH, (0, 1), "agent"),
        (Ears.BOTH, (0, 0), "nobody"),
        (Ears.PARTY, (1, 0), "caller"),
        (Ears.PARTY, (0, 1), "nobody"),
        (Ears.OTHERS, (0, 1), "agent"),
    ],
)
async def test_who_heard_it_is_told_by_the_packets(
    call: Call, ears: Ears, packets: tuple[int, int], heard: str
) -> None:
    counts = 0

    async def count() -> Answer:
        nonlocal counts
        counts += 1
        return Answer(value={"txcount": counts * packets[0], "rxcount": counts * packets[1]})

    call.asterisk.script("GET", f"channels/{CALLER}/rtp_statistics", count)
    tone = Cadence(call.asides, CALLER, replace(SHORT, ears=ears), told=call.told.append, missed=print)
    tone.sound()
    assert (await call.sounded(1))[0].heard == heard
    tone.hold()
