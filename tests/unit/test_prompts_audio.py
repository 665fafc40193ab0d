"""Audio: real espeak-ng, real files, measured; and every kind of bad recording is refused."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from callguard.errors import PromptError
from callguard.prompts.build import Built, Needed, build, everything
from callguard.prompts.facts import PURPOSES, Duration, Facts
from callguard.prompts.library import Library, in_turn
from callguard.prompts.measure import (
    LEVEL,
    NARROW,
    SILENCE_AFTER,
    SILENCE_BEFORE,
    WIDE,
    measure,
    measured,
    prompt_findings,
)
from callguard.prompts.phrasing import PROMPTS
from callguard.prompts.render import Espeak
from callguard.prompts.sound import resampled, speech_in
from callguard.prompts.texts import SiteTexts, load_texts

TEXTS = load_texts()
FACTS = Facts(
    controller="Acme",
    purposes=("quality", "training"),
    retention=Duration.of_days(90),
    copy=True,
    withdraw_key="9",
)
Samples = NDArray[np.float64]


@pytest.fixture(scope="module")
def spoken() -> tuple[Samples, int]:
    """Real speech, as espeak-ng gives it."""
    return Espeak().speak(TEXTS.render("unrecorded", "en", FACTS), "en-us")


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """All prompts of a queue in the four main languages, both widths. Not to be changed by a test."""
    directory = tmp_path_factory.mktemp("prompts")
    return build(directory, TEXTS, everything(("en", "fr", "es", "de"), FACTS), wideband=True)


def one(directory: Path, name: str = "unrecorded", **options: bool) -> Library:
    return build(directory, TEXTS, [Needed(name=name, language="en", facts=FACTS)], **options)


def deliver(
    directory: Path, samples: Samples, rate: int, *, name: str = "unrecorded", said: str | None = None
) -> Path:
    """Lay a studio recording, and the words it says, where the build looks for them."""
    path = directory / "studio" / "en" / f"{name}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype="PCM_24")
    words = TEXTS.render("unrecorded", "en", FACTS) if said is None else said
    path.with_suffix(".txt").write_text(words, encoding="utf-8")
    return path


# ------------------------------------------------------------------------------------------- rendering


def test_espeak_speaks_four_languages_at_the_level_rate_and_length_of_a_telephone(four: Library) -> None:
    assert four.languages == {"en", "fr", "es", "de"}
    assert len(four.entries) == 4 * (len(PROMPTS) - 1)
    for entry in four.entries:
        found = measure(four.directory / entry.audio.file)
        assert (found.rate, found.channels, found.subtype) == (NARROW, 1, "PCM_16")
        assert found.level == pytest.approx(LEVEL, abs=0.2)
        assert found.clipped == 0
        # a soft s at either end lies above what a telephone carries, and is silence to it
        assert SILENCE_BEFORE <= found.before < SILENCE_BEFORE + 0.15
        assert SILENCE_AFTER <= found.after < SILENCE_AFTER + 0.15
        assert entry.audio.seconds == pytest.approx(found.seconds)
        assert 1.0 < found.speech < 20.0
        assert entry.source.startswith("espeak-ng 1.")
    assert four.check() == []


def test_each_language_is_spoken_by_its_own_voice(four: Library) -> None:
    voices = {entry.language: entry.source.split()[2] for entry in four.entries}
    assert voices == {"en": "en-us", "fr": "fr-fr", "es": "es", "de": "de"}


def test_the_wideband_twin_is_16_khz_and_says_the_same(four: Library) -> None:
    for entry in four.entries:
        assert entry.wideband is not None
        assert entry.wideband.file.endswith(".wav16")
        found = measure(four.directory / entry.wideband.file)
        assert found.rate == WIDE
        assert found.seconds == pytest.approx(entry.audio.seconds, abs=0.001)


def test_the_wideband_file_has_the_same_name_so_that_asterisk_finds_it(four: Library) -> None:
    for entry in four.entries:
        assert entry.wideband is not None
        assert entry.wideband.file == entry.audio.file + "16"


@pytest.mark.parametrize("language", TEXTS.languages)
def test_every_language_has_a_voice_that_can_be_heard(language: str, tmp_path: Path) -> None:
    """A voice that does not know the script says nothing or spells it, which the pace check notices."""
    texts = load_texts(site=SiteTexts(alternatives={"shop": {language: "Acme."}}))
    facts = Facts(controller="Acme", purposes=PURPOSES, retention=Duration.of_days(30), alternatives="shop")
    needed = [
        Needed(name=name, language=language, facts=facts) for name in ("announcement", "question-opt-out")
    ]
    library = build(tmp_path, texts, needed)
    assert library.check() == []


def test_an_unknown_voice_a_missing_program_and_a_hanging_one_are_named(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match=r"espeak-ng .*xx-nowhere|voice 'xx-nowhere'|does not exist"):
        Espeak().speak("Hello.", "xx-nowhere")
    with pytest.raises(PromptError, match="apt install espeak-ng"):
        Espeak(program="espeak-ng-that-is-not-there").speak("Hello.", "en-us")
    frozen = tmp_path / "frozen"
    frozen.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    frozen.chmod(frozen.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(PromptError, match=r"did not finish within 0\.2 s"):
        Espeak(program=str(frozen), deadline=0.2).speak("Hello.", "en-us")
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no such phoneme >&2\nexit 3\n")
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(PromptError, match="failed with status 3: no such phoneme"):
        Espeak(program=str(broken)).speak("Hello.", "en-us")


def test_text_never_reaches_a_shell(tmp_path: Path) -> None:
    target = tmp_path / "owned"
    Espeak().speak(f"`touch {target}`; $(touch {target}) -w {target} | touch {target}", "en-us")
    assert not target.exists()


# ------------------------------------------------------------------------------------------ arithmetic


def tone(frequency: float, rate: int, seconds: float = 1.0, level: float = 0.5) -> Samples:
    return np.asarray(level * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate))


@pytest.mark.parametrize("rate", [11025, 16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("frequency", [300, 1000, 3300])
def test_resampling_keeps_pitch_and_level(rate: int, frequency: int) -> None:
    got = resampled(tone(frequency, rate), rate, NARROW)
    assert len(got) == NARROW
    middle = got[1000:7000]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.01)
    strongest = np.argmax(np.abs(np.fft.rfft(middle * np.hanning(len(middle)))))
    assert strongest * NARROW / len(middle) == pytest.approx(frequency, abs=2)


@pytest.mark.parametrize("frequency", [4500, 6000, 7900])
def test_resampling_lets_nothing_fold_back_into_the_band(frequency: int) -> None:
    got = resampled(tone(frequency, 22050), 22050, NARROW)
    assert 20 * np.log10(np.sqrt(np.mean(got[1000:7000] ** 2)) + 1e-12) < -70


def test_the_level_is_that_of_the_speech_and_not_of_the_pauses(spoken: tuple[Samples, int]) -> None:
    samples, rate = spoken
    plain = speech_in(samples, rate)
    padded = speech_in(np.concatenate([np.zeros(rate * 3), samples, np.zeros(rate * 5)]), rate)
    assert plain is not None
    assert padded is not None
    assert padded.level == pytest.approx(plain.level, abs=0.3)
    assert padded.start == pytest.approx(plain.start + 3, abs=0.03)
    assert padded.end == pytest.approx(plain.end + 5, abs=0.03)


# ---------------------------------------------------------------------------------------------- studio


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_a_studio_recording_takes_precedence_and_is_brought_to_form(
    tmp_path: Path, spoken: tuple[Samples, int], rate: int
) -> None:
    samples = resampled(*spoken, rate)
    quiet = np.concatenate([np.zeros(rate), samples * 0.2, np.zeros(2 * rate)])
    deliver(tmp_path, np.column_stack([quiet, quiet]), rate)
    library = one(tmp_path)
    entry = library.entries[0]
    found = measure(library.directory / entry.audio.file)
    assert entry.source.startswith("studio unrecorded.wav ")
    assert (found.rate, found.channels, found.subtype) == (NARROW, 1, "PCM_16")
    assert found.level == pytest.approx(LEVEL, abs=0.2)
    assert found.seconds == pytest.approx(len(samples) / rate + 0.2, abs=0.6)
    assert library.check() == []


def test_a_studio_recording_of_other_words_is_not_used(tmp_path: Path, spoken: tuple[Samples, int]) -> None:
    deliver(tmp_path, *spoken, said="This call may be recorded.")
    assert one(tmp_path).entries[0].source.startswith("espeak-ng")


def test_one_prompt_can_have_a_recording_per_variant(tmp_path: Path, spoken: tuple[Samples, int]) -> None:
    deliver(tmp_path, *spoken, said="This call is never recorded.")
    deliver(tmp_path, *spoken, name="unrecorded.second")
    assert one(tmp_path).entries[0].source.startswith("studio unrecorded.second.wav ")


def test_a_studio_recording_without_its_words_is_refused(tmp_path: Path, spoken: tuple[Samples, int]) -> None:
    deliver(tmp_path, *spoken).with_suffix(".txt").unlink()
    with pytest.raises(
        PromptError, match=r"write its words into unrecorded\.txt: This call will not be recorded"
    ):
        one(tmp_path)


def test_a_changed_studio_recording_is_built_anew(tmp_path: Path, spoken: tuple[Samples, int]) -> None:
    samples, rate = spoken
    deliver(tmp_path, samples, rate)
    before = one(tmp_path).entries[0]
    deliver(tmp_path, np.concatenate([samples, samples]), rate)
    assert one(tmp_path).entries[0].audio.sha256 != before.audio.sha256
    assert (tmp_path / before.audio.file).exists()


BAD: dict[str, tuple[Callable[[Samples, int], tuple[Samples, int]], str]] = {
    "clipped": (lambda s, r: (np.clip(s * 20, -1, 1), r), "is clipped"),
    "silent": (lambda s, r: (np.zeros_like(s), r), "is silent"),
    "almost silent": (lambda s, r: (s * 1e-3, r), "is almost silent"),
    "too low a rate": (lambda s, r: (resampled(s, r, 6000), 6000), "has 6000 samples per second"),
    "too short": (lambda s, r: (s[r // 2 : r // 2 + r // 20], r), "too short|only"),
    "cut in half": (lambda s, r: (s[: int(len(s) * 0.3)], r), "too short|only"),
    "too long": (lambda s, r: (np.tile(s, 8), r), "too long for its text"),
    "a steady tone": (lambda s, r: (tone(440, r, 2.0), r), "no speech"),
    "hiss": (lambda s, r: (np.random.default_rng(1).normal(0, 0.05, 2 * r), r), "no speech"),
    "empty": (lambda s, r: (np.zeros(0), r), "is silent"),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_studio_recording_is_refused_and_the_old_prompts_stay(
    tmp_path: Path, spoken: tuple[Samples, int], fault: str
) -> None:
    before = one(tmp_path).entries
    spoil, message = BAD[fault]
    path = deliver(tmp_path, *spoil(*spoken))
    with pytest.raises(PromptError, match=message) as caught:
        one(tmp_path)
    assert str(path) in str(caught.value)
    assert ";" in str(caught.value)
    assert Library.open(tmp_path).entries == before


@pytest.mark.parametrize("content", [b"", b"RIFF", b"no audio at all" * 99])
def test_a_corrupt_studio_file_is_refused(
    tmp_path: Path, spoken: tuple[Samples, int], content: bytes
) -> None:
    path = deliver(tmp_path, *spoken)
    path.write_bytes(content)
    with pytest.raises(PromptError, match=r"unrecorded\.wav: is not audio.*export it again"):
        one(tmp_path)


def test_a_studio_file_that_was_cut_off_is_refused(tmp_path: Path, spoken: tuple[Samples, int]) -> None:
    path = deliver(tmp_path, *spoken)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(PromptError, match=r"unrecorded\.wav: "):
        one(tmp_path)


# --------------------------------------------------------------------------------------------- library


def test_the_hash_is_of_exactly_the_bytes_that_are_played(four: Library) -> None:
    for entry in four.entries:
        content = (four.directory / entry.audio.file).read_bytes()
        assert sha256(content).hexdigest() == entry.audio.sha256
        assert entry.audio.file == f"{entry.audio.sha256[:32]}.wav"


def test_a_call_gets_the_prompt_for_its_facts(four: Library) -> None:
    prompt = four.prompt("announcement", "en-GB", FACTS)
    entry = next(e for e in four.entries if (e.name, e.language) == ("announcement", "en"))
    assert prompt.media == (f"sound:{four.directory}/{entry.audio.sha256[:32]}",)
    assert Path(prompt.media[0].removeprefix("sound:") + ".wav").is_file()
    assert (prompt.name, prompt.language) == ("announcement", "en")
    assert (prompt.sha256, prompt.seconds) == (entry.audio.sha256, entry.audio.seconds)
    assert "90 days" in entry.text


def test_a_prompt_that_was_not_built_is_an_error(four: Library) -> None:
    other = Facts(controller="Acme", purposes=("fraud",))
    with pytest.raises(
        PromptError, match=r"was not built for .*purposes=fraud; run `callguard prompts build`"
    ):
        four.prompt("announcement", "en", other)
    with pytest.raises(PromptError, match="no texts in 'it'"):
        four.prompt("announcement", "it", FACTS)


def test_facts_that_a_prompt_does_not_state_do_not_matter_to_it(four: Library) -> None:
    other = Facts(controller="Somebody else", withdraw_key="9")
    assert four.prompt("invalid", "en", other) == four.prompt("invalid", "en", FACTS)
    assert four.prompt("thanks", "en", other) == four.prompt("thanks", "en", FACTS)


def test_the_call_path_touches_no_disk(four: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("the disk was touched")

    for name in ("open", "stat", "read_bytes"):
        monkeypatch.setattr(Path, name, forbidden)
    monkeypatch.setattr("builtins.open", forbidden)
    assert four.prompt("announcement", "de", FACTS).seconds > 1


def test_numpy_is_not_loaded_for_the_call_path(four: Library) -> None:
    import subprocess

    program = (
        "import sys; from pathlib import Path; from callguard.prompts.library import Library; "
        "from callguard.prompts.facts import Facts; "
        f"Library.open(Path({str(four.directory)!r})).prompt('invalid', 'en', Facts()); "
        "sys.exit(bool({'numpy', 'soundfile'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_prompts_in_turn_are_one_prompt(four: Library) -> None:
    french, english = (four.prompt("announcement", code, FACTS) for code in ("fr", "en"))
    both = in_turn((french, english))
    assert both.media == (*french.media, *english.media)
    assert both.language == "fr,en"
    assert both.seconds == pytest.approx(french.seconds + english.seconds)
    assert both.sha256 == sha256((french.sha256 + english.sha256).encode()).hexdigest()
    assert in_turn((english,)) is english


def test_a_second_build_changes_nothing(tmp_path: Path) -> None:
    told: list[Built] = []
    needed = everything(("en",), FACTS)
    first = build(tmp_path, TEXTS, needed, told=told.append)
    assert not any(one.reused for one in told)
    told.clear()
    second = build(tmp_path, TEXTS, needed, told=told.append)
    assert all(one.reused for one in told)
    assert second.entries == first.entries


def test_a_changed_file_is_found_and_not_played(tmp_path: Path) -> None:
    library = one(tmp_path)
    path = tmp_path / library.entries[0].audio.file
    content = bytearray(path.read_bytes())
    content[4000] ^= 1
    path.write_bytes(content)
    (finding,) = library.check()
    assert finding.where == str(path)
    assert "is not the audio that was built" in finding.what
    with pytest.raises(PromptError, match="is not the audio that was built"):
        Library.open(tmp_path).prompt("unrecorded", "en", FACTS)
    assert one(tmp_path).check() == []


def test_a_missing_file_is_found_and_not_played(tmp_path: Path) -> None:
    library = one(tmp_path, wideband=True)
    wide = library.entries[0].wideband
    assert wide is not None
    (tmp_path / wide.file).unlink()
    (finding,) = library.check()
    assert finding.what == "is missing"
    with pytest.raises(PromptError, match="is missing; run `callguard prompts build`"):
        Library.open(tmp_path).prompt("unrecorded", "en", FACTS)
    assert one(tmp_path, wideband=True).check() == []


def test_a_file_that_was_replaced_together_with_its_hash_is_still_measured(tmp_path: Path) -> None:
    """Somebody who edits the manifest as well cannot make an inaudible prompt pass."""
    library = one(tmp_path)
    old = library.entries[0].audio
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros(16000), NARROW, subtype="PCM_16")
    digest = sha256(silence.read_bytes()).hexdigest()
    silence.rename(tmp_path / f"{digest[:32]}.wav")
    manifest = tmp_path / "manifest.json"
    text = manifest.read_text().replace(old.sha256, digest).replace(old.file, f"{digest[:32]}.wav")
    manifest.write_text(text)
    (finding,) = Library.open(tmp_path).check()
    assert finding.what == "is silent"


@pytest.mark.parametrize(
    ("damage", "place"),
    [
        (lambda m: m.update(prompts="none"), "prompts"),
        (lambda m: m["prompts"][0]["audio"].update(file="../../etc/passwd.wav"), "prompts.0.audio.file"),
        (lambda m: m["prompts"][0]["audio"].update(seconds=-1), "prompts.0.audio.seconds"),
        (lambda m: m.update(extra=1), "extra"),
    ],
)
def test_a_damaged_manifest_is_refused_with_the_place(
    tmp_path: Path, damage: Callable[[dict[str, object]], None], place: str
) -> None:
    one(tmp_path)
    manifest = tmp_path / "manifest.json"
    content = json.loads(manifest.read_text())
    damage(content)
    manifest.write_text(json.dumps(content))
    with pytest.raises(PromptError, match=rf"is damaged at {place}"):
        Library.open(tmp_path)
    assert one(tmp_path).check() == []


def test_no_manifest_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="run `callguard prompts build`"):
        Library.open(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(PromptError, match="is damaged"):
        Library.open(tmp_path)


def test_a_directory_that_asterisk_would_cut_is_refused(tmp_path: Path) -> None:
    for name in ("with space", "a,b", "a&b", "a|b"):
        with pytest.raises(PromptError, match="Asterisk cannot play from this path"):
            one(tmp_path / name)


def test_a_build_reports_every_problem_and_writes_no_manifest(tmp_path: Path) -> None:
    needed = [
        Needed(name="announcement", language="en", facts=Facts(purposes=("quality",))),
        Needed(name="unrecorded", language="xx", facts=FACTS),
        Needed(name="unrecorded", language="en", facts=FACTS),
    ]
    with pytest.raises(PromptError) as caught:
        build(tmp_path, TEXTS, needed)
    assert "'controller'" in str(caught.value)
    assert "'xx'" in str(caught.value)
    assert not (tmp_path / "manifest.json").exists()
    with pytest.raises(PromptError, match="no prompt is needed"):
        build(tmp_path, TEXTS, [])


def test_audio_and_manifest_can_be_read_by_the_account_of_asterisk(four: Library) -> None:
    for path in four.directory.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert not [path for path in four.directory.iterdir() if path.suffix == ".part"]


# --------------------------------------------------------------------------------------- finished files


def test_each_fault_of_a_finished_prompt_is_named(spoken: tuple[Samples, int]) -> None:
    text = TEXTS.render("unrecorded", "en", FACTS)
    speech = resampled(*spoken, NARROW)
    samples = speech * 10 ** ((LEVEL - measured(speech, NARROW).level) / 20)  # type: ignore[operator]

    def whats(changed: Samples, rate: int = NARROW, channels: int = 1, subtype: str = "PCM_16") -> str:
        found = measured(changed, rate, channels, subtype)
        return "; ".join(f.what for f in prompt_findings(found, "x.wav", text))

    assert "s of silence after" not in whats(samples[: -NARROW // 10])
    assert "s of silence before" in whats(np.concatenate([np.zeros(NARROW), samples]))
    assert "s of silence after" in whats(np.concatenate([samples, np.zeros(NARROW)]))
    assert "speaks at -36.0 dBov" in whats(samples * 10 ** (-10 / 20))
    assert "16000 Hz" in whats(resampled(samples, NARROW, WIDE), WIDE)
    assert "2 channels" in whats(samples, channels=2)
    assert "ULAW" in whats(samples, subtype="ULAW")
