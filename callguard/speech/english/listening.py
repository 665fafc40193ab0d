"""Three ears on the same answer, and what they say of it. Runs in a worker process only.

The strict ear knows nothing but the phrases that count, and in further looks those that refuse and those that
sound alike. It tells how well they fit, against a loop of any phones: a likelihood ratio. The free ear hears
any common words in any order. What would be a yes they hear once more in another way: on a telephone's leg
first by `callguard.speech.english.telephone` and then by sphinx itself, on a wideband leg the other way
round. The two make different mistakes. The third ear is another recogniser altogether, which learnt from
people (`callguard.speech.english.transcriber`); it gives its opinion of every answer, in two ways. What is
found is evidence for `callguard.speech.english.weighing`.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pocketsphinx import Config, Decoder, LogMath, NGramModel, get_model_path

from callguard.speech.english.answers import chances as chances_of_kinds
from callguard.speech.english.evidence import LOST, NO_FIT, Again, Evidence, Fit, View, hopeless
from callguard.speech.english.folding import folded, halved, views
from callguard.speech.english.language import arpa
from callguard.speech.english.phrases import BARE, BARE_RIVALS, DECOYS, NEGATIONS, NO, RIVALS, YES
from callguard.speech.english.spelling import ANSWERS, EVERY_ANSWER, plain, spelt
from callguard.speech.english.telephone import RATE, cepstra
from callguard.speech.english.transcriber import LEAST, Transcriber

#: Common words that the free ear knows besides those of the phrases.
COMMON = 2000
#: Weights of phrases in the free ear's model. Bare answers are weighed up because they are short.
WEIGHTS = ((YES, 3.0), (BARE, 6.0), (NO, 2.0), (DECOYS, 1.0))
#: Sphinx's unit of likelihood.
BASE = math.log(1.0001)
#: A word that is not in the big model is as likely as a rare one that is.
RARE = 1e-6
#: Frames of 10 ms in a second.
FRAMES = 100
#: Of what the transcriber would write, so much is searched for a "not".
WRITTEN = 2
#: The last frames of a hypothesis may be missing: sphinx's own rounding.
SLACK = 2
#: Seconds that a bare answer lasts at most, with what is around it.
LONGEST_BARE = 1.4
_FREE = "free"
_AGREED = (*YES, *BARE)


class Ears:
    """The loaded recognisers: 250 MB, 0.8 s to load."""

    def __init__(self) -> None:
        known = chances()
        listed = {word for phrase in (*YES, *BARE, *NO, *RIVALS) for word in phrase.split()}
        words = listed | set(sorted(known, key=lambda word: -known[word])[:COMMON])
        with tempfile.TemporaryDirectory(prefix="callguard-speech-") as directory:
            dictionary, model = Path(directory) / "words.dict", Path(directory) / "answers.lm"
            dictionary.write_text(_pronunciations(words), encoding="utf-8")
            weighed = {phrase: weight for phrases, weight in WEIGHTS for phrase in phrases}
            model.write_text(arpa(weighed, {word: known.get(word, RARE) for word in words}), encoding="utf-8")
            self._free = _decoder(dictionary, lm=str(model))
            # For a ratio all likelihoods have to be on one scale: no weights of a language model, and
            # every state of the model looked at in every frame.
            self._strict = _decoder(dictionary, lm=None, lw=1.0, pip=1.0, wip=1.0, compallsen=True)
        _add_phrases(self._strict, "yes", _AGREED)
        _add_phrases(self._strict, "bare", BARE)
        _add_phrases(self._strict, "no", NO)
        _add_phrases(self._strict, "rival", RIVALS)
        _add_phrases(self._strict, "bare rival", BARE_RIVALS)
        self._transcriber = Transcriber()
        self._texts = self._transcriber.tree({kind: spelt(answers) for kind, answers in ANSWERS.items()})
        self._strict.add_allphone_file("phones", get_model_path("en-us/en-us-phone.lm.bin"))

    def listen(self, pcm: bytes | bytearray, rate: int) -> Evidence:
        """Hear one answer: 16-bit samples, trimmed to the speech with a little silence around it."""
        seen = tuple(map(self._view, views(pcm, rate)))
        if hopeless(seen):
            return Evidence(yes=NO_FIT, no=NO_FIT, seconds=len(pcm) / 2 / rate, views=seen)
        return replace(self._by_grammar(pcm, rate), views=seen)

    def _by_grammar(self, pcm: bytes | bytearray, rate: int) -> Evidence:
        loud = loud_frames(pcm, rate)
        if rate == RATE:
            first, second = partial(_by_cepstra, cepstra(pcm)), partial(_by_samples, folded(pcm))
        else:
            first, second = partial(_by_samples, bytes(pcm)), partial(_by_cepstra, cepstra(halved(pcm)))
        look = partial(self._look, first, loud)
        yes, no = look("yes"), look("no")
        agreed, refused = yes.fit(_AGREED), no.fit(NO)
        seconds = yes.frames / FRAMES
        if not agreed.holds and seconds <= LONGEST_BARE:
            # A bare "yes" is easily lost among the phrases that begin with it.
            yes = look("bare")
            agreed = yes.fit(BARE)
        if not agreed.holds and not refused.holds:
            return Evidence(yes=agreed, no=refused, seconds=seconds, views=())
        loop, free = look("phones").score, look(_FREE)
        found = Evidence(
            yes=yes.fit(_AGREED, loop),
            no=no.fit(NO, loop),
            free=free.words,
            free_ratio=free.ratio(loop),
            seconds=seconds,
            views=(),
        )
        if not agreed.holds:
            return found
        bare = agreed.words in BARE
        rival = look("bare rival" if bare else "rival").fit(RIVALS, loop)
        return replace(found, rival=rival, again=self._again(partial(self._look, second, loud), bare=bare))

    def _again(self, look: Callable[[str], _Look], *, bare: bool) -> Again:
        """A would-be yes by the other way of hearing."""
        yes, rival = look("bare" if bare else "yes"), look("bare rival" if bare else "rival")
        loop, free = look("phones").score, look(_FREE)
        return Again(
            yes=yes.fit(_AGREED, loop),
            rival=rival.fit(RIVALS, loop),
            free=free.words,
            free_ratio=free.ratio(loop),
        )

    def _view(self, samples: NDArray[np.float32]) -> View:
        """What the transcriber makes of the answer."""
        frames = self._transcriber.frames(samples)
        begun = self._transcriber.begun(frames)
        written = self._transcriber.texts(begun)
        texts = [(plain(each.words), each.likely) for each in written]
        others = [likely for words, likely in texts if words not in EVERY_ANSWER]
        said = {word for words, _ in texts[:WRITTEN] for word in words.split()}
        return View(
            kinds={str(kind): likely for kind, likely in chances_of_kinds(frames).items()},
            texts=dict.fromkeys(ANSWERS, LEAST) | self._transcriber.likelihoods(begun, self._texts),
            text=texts[0][0] if texts else "",
            other=max(others, default=LEAST),
            negated=bool(NEGATIONS & said),
        )

    def _look(self, hear: Callable[[Decoder], None], loud: NDArray[np.bool_], search: str) -> _Look:
        decoder = self._free
        if search != _FREE:
            decoder = self._strict
            decoder.activate_search(search)
        decoder.start_utt()
        hear(decoder)
        decoder.end_utt()
        return _Look.of(decoder, loud)


def _by_cepstra(features: bytes, decoder: Decoder) -> None:
    # A copy: sphinx takes the mean off in place, and the next look would get what is left.
    decoder.process_cep(bytes(bytearray(features)), full_utt=True)


def _by_samples(samples: bytes, decoder: Decoder) -> None:
    decoder.process_raw(samples, full_utt=True)


@dataclass(frozen=True, slots=True)
class _Look:
    """What one search made of the answer."""

    words: str
    score: float
    uncovered: float
    frames: int

    @classmethod
    def of(cls, decoder: Decoder, loud: NDArray[np.bool_]) -> _Look:
        frames, found = decoder.n_frames(), decoder.hyp()
        if found is None or found.best_score <= 0:
            return cls("", -math.inf, 1.0, frames)
        segments = [(each.word, each.start_frame, each.end_frame) for each in decoder.seg()]
        # What ends early is a path that was lost on the way, and its score is of half the answer.
        whole = bool(segments) and segments[-1][2] >= frames - SLACK
        score = math.log(found.best_score) / BASE
        return cls(found.hypstr if whole else "", score, uncovered(loud, segments), frames)

    def ratio(self, loop: float) -> float:
        """Log likelihood per frame against the loop of phones."""
        if not math.isfinite(self.score) or not math.isfinite(loop):
            return LOST
        return (self.score - loop) / max(1, self.frames)

    def fit(self, known: Sequence[str], loop: float = -math.inf) -> Fit:
        """As evidence, if these words are known at all."""
        words = self.words if self.words in known else ""
        return Fit(words=words, ratio=self.ratio(loop), uncovered=self.uncovered)


def loud_frames(pcm: bytes | bytearray, rate: int) -> NDArray[np.bool_]:
    """Which frames of 10 ms are the answer rather than the line behind it."""
    size = rate // FRAMES
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    count = len(samples) // size
    if not count:
        return np.zeros(0, dtype=np.bool_)
    power = np.mean(np.square(samples[: count * size].reshape(count, size)), axis=1)
    level = np.convolve(10 * np.log10(power + 1), np.ones(3) / 3, "same")
    quiet, full = float(np.percentile(level, 5)), float(np.percentile(level, 97))
    # A third of the way up from the line's noise, and at most 25 dB below the loudest.
    return np.asarray(level > max(quiet + 0.35 * (full - quiet), full - 25))


def uncovered(loud: NDArray[np.bool_], segments: Iterable[tuple[str, int, int]]) -> float:
    """Share of the loud frames that are called silence or noise."""
    silent = np.zeros(len(loud), dtype=np.bool_)
    for word, first, last in segments:
        if word[0] in "<[":
            silent[first : last + 1] = True
    return int(np.count_nonzero(loud & silent)) / max(1, int(np.count_nonzero(loud)))


def _decoder(dictionary: Path, **options: object) -> Decoder:
    return Decoder(hmm=get_model_path("en-us/en-us"), dict=str(dictionary), loglevel="FATAL", **options)


def _add_phrases(decoder: Decoder, name: str, phrases: Sequence[str]) -> None:
    """A grammar as a tree: what begins alike is followed once."""
    states: dict[tuple[str, ...], int] = {(): 0}
    final, paths = 1, []
    for phrase in phrases:
        words = tuple(phrase.split())
        for at, word in enumerate(words):
            before, last = words[:at], at == len(words) - 1
            if not last and words[: at + 1] not in states:
                states[words[: at + 1]] = len(states) + 1
                paths.append((states[before], states[words[: at + 1]], 1.0, word))
            elif last:
                paths.append((states[before], final, 1.0, word))
    decoder.add_fsg(name, decoder.create_fsg(name, 0, final, paths))


@cache
def chances() -> dict[str, float]:
    """How likely each plain word of the dictionary is, from the big model that comes in the wheel."""
    model = NGramModel(Config(), LogMath(), get_model_path("en-us/en-us.lm.bin"))
    with Path(get_model_path("en-us/cmudict-en-us.dict")).open(encoding="utf-8") as lines:
        words = [line.split(" ", 1)[0] for line in lines]
    plain = [word for word in words if word.replace("'", "").isalpha()]
    return {word: math.exp(model.prob([word]) * BASE) for word in plain}


def _pronunciations(words: set[str]) -> str:
    with Path(get_model_path("en-us/cmudict-en-us.dict")).open(encoding="utf-8") as lines:
        return "".join(line for line in lines if line.split(" ", 1)[0].partition("(")[0] in words)
