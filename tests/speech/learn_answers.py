"""``python -m tests.speech.learn_answers``: make ``answers.npz``.

Lessons are spoken by voices of their own (none of the corpus, on either side), brought to a telephone or a
wideband leg, quiet or noisy, and turned into the transcriber's frames; then a few networks learn from them.
Takes two hours on two cores; needs the group ``learn`` of ``pyproject.toml`` and, besides the
synthesisers of the corpus, Debian's `rhvoice`, `rhvoice-english` and `libttspico-utils` (non-free).
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax
import soundfile

from callguard.lab.audio import Samples
from callguard.speech.english.answers import NETWORKS, SPREADS, TAPS, Kind
from callguard.speech.english.folding import views
from callguard.speech.english.transcriber import WIDTH, Frames, Transcriber

from . import noises
from .corpus import corpus, crowd_of
from .lessons import Lesson, lessons, minimal_pairs, what_is_asked_for, without_pauses
from .line import NARROW, NOISES, leg, silences, telephone
from .sentences import FOREIGN
from .voices import WIDE, cache, resampled

#: The kinds of what is learnt from, and its frames in both views.
Given: TypeAlias = tuple[list[Kind], list[list[Frames]]]
Net: TypeAlias = dict[str, jax.Array]

#: So many things said, so many more in which one word of an answer is replaced, and so many without pauses.
LESSONS, PAIRS, IN_ONE_BREATH = 30000, 15000, 5000
#: So many of what is asked for; and said by natural voices: so many lessons, of what is asked for, and pairs.
ASKED_FOR = 14000
NATURALLY = (9000, 10000, 3000)
#: The same by voices of espeak-ng with other mouths.
STRETCHING = (4000, 8000, 3000)
SEED, OF_NATURAL, OF_STRETCHED = 20261122, 20261123, 20261124
#: Variants of espeak-ng that speak lessons, and its kinds of English.
VARIANTS = (
    "m1", "m8", "Alex", "Andrea", "AnxiousAndy", "Denis", "Diogo", "Gene", "Gene2", "Henrique", "Hugo",
    "Jacky", "Marco", "Michael", "Mike", "Nguyen", "Storm", "Tweaky", "adam", "anika", "antonio", "aunty",
    "belinda", "benjamin", "boris", "caleb", "croak", "david", "ed", "edward", "edward2", "grandma",
    "grandpa", "gustave", "iven", "iven2", "iven3", "john", "kaukovalta", "klatt", "klatt2", "klatt3",
    "klatt6", "max", "michel", "miguel", "norbert", "pablo", "paul", "pedro", "rob", "robert", "shelby",
    "travis", "victor", "zac", "RicishayMax",
)  # fmt: skip
ENGLISH = (
    "en-us", "en-us", "en-gb", "en-029", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-rp", "en-gb-x-gbcwmd",
    "en-us-nyc",
)  # fmt: skip
#: Voices made from people's recordings, under licences that leave open what is done with them: flite's,
#: RHVoice's (LGPL; its other English ones may not be used for profit) and Pico's (Apache).
NATURAL = (
    ("flite", "kal16"), ("rhvoice", "alan"), ("rhvoice", "bdl"), ("rhvoice", "clb"), ("pico", "en-US"),
    ("pico", "en-GB"),
)  # fmt: skip
#: Their vocal tracts are made shorter or longer by so much, which makes other people of them.
STRETCHED = (0.86, 1.16)
#: Share of lessons that flite's voice says, that are in another language, that are no speech.
FLITE, FOREIGN_SHARE, SOUND_SHARE = 0.12, 0.02, 0.02
#: Share on a wideband leg; decibels of speech over noise, None for a quiet line.
WIDEBAND = 0.2
LEVELS = (None, None, None, 25.0, 20.0, 20.0, 15.0, 10.0)
#: Seconds left around the speech.
AROUND = (0.05, 0.4)
#: Frames that a lesson has at most; what is longer is cut.
LONGEST = 160

#: Networks that begin with the lessons alone, and as many that begin with the pairs too.
NETWORK_COUNT = 3
NARROWED, INNER = 64, 64
#: How often each goes through what it learns from: the first ones, the others, those when they go on; and in
#: the end every one through all there is.
EPOCHS = (14, 11, 4, 4)
BATCH, RATE, DECAY, DROPPED = 256, 2e-3, 0.02, 0.2


class _Voices:
    """Whoever speaks the lessons, heard by the transcriber; one in each process."""

    def __init__(self) -> None:
        self.transcriber = Transcriber()
        plain = corpus(held_out=False)
        self.crowd = crowd_of(plain)

    def lesson(self, task: tuple[int, int, str]) -> list[Frames]:
        """The frames of one lesson, in both views."""
        seed, number, words = task
        chance = np.random.default_rng([seed, number])
        rate = WIDE if chance.random() < WIDEBAND else NARROW
        share = chance.random()
        if share < SOUND_SHARE:
            made = noises.sound(str(chance.choice(noises.NAMES)), chance)
            pcm = leg(made[: int(chance.uniform(0.5, 2.5) * WIDE)], rate)
        else:
            if seed == OF_NATURAL and share >= SOUND_SHARE + FOREIGN_SHARE:
                speech = _naturally(words, chance)
            elif seed == OF_STRETCHED and share >= SOUND_SHARE + FOREIGN_SHARE:
                speech = _stretched(words, chance)
            else:
                speech = self._spoken(words, chance, foreign=share < SOUND_SHARE + FOREIGN_SHARE)
            line = int(chance.integers(1 << 32))
            before = silences(np.random.default_rng(line))[0]
            snr, noise = LEVELS[int(chance.integers(len(LEVELS)))], str(chance.choice(NOISES))
            whole = telephone(
                speech, np.random.default_rng(line), rate=rate, snr=snr, noise=noise, crowd=self.crowd
            )
            first = before - chance.uniform(*AROUND)
            last = before + len(speech) / WIDE + chance.uniform(*AROUND)
            pcm = whole[round(max(0.0, first) * rate) * 2 : round(last * rate) * 2]
        return [self.transcriber.frames(view)[:LONGEST].astype(np.float16) for view in views(pcm, rate)]

    def _spoken(self, words: str, chance: np.random.Generator, *, foreign: bool) -> Samples:
        english, variant = (str(chance.choice(each)) for each in (ENGLISH, VARIANTS))
        with tempfile.NamedTemporaryFile(dir="/dev/shm", suffix=".wav") as made:
            if not foreign and chance.random() < FLITE:
                stretch = f"duration_stretch={chance.uniform(0.8, 1.3):.2f}"
                pitch = f"int_f0_target_mean={chance.uniform(85, 150):.0f}"
                voice = ["flite", "-voice", "kal16", "--setf", stretch, "--setf", pitch]
                command = [*voice, "-t", words, "-o", made.name]
            else:
                if foreign:
                    english, words = FOREIGN[int(chance.integers(len(FOREIGN)))]
                pace, pitch = str(int(chance.integers(115, 210))), str(int(chance.integers(25, 80)))
                command = _espeak(f"{english}+{variant}", pace, pitch, words, made.name)
            samples, rate = _said(command, made.name)
        return resampled(samples, rate, WIDE)


def _naturally(words: str, chance: np.random.Generator) -> Samples:
    """By one of the natural voices, or rather by somebody whose mouth is larger or smaller."""
    program, name = NATURAL[int(chance.integers(len(NATURAL)))]
    longer, pace = chance.uniform(*STRETCHED), chance.uniform(0.8, 1.25)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        path, text = f"{directory}/said.wav", f"{directory}/words"
        # What is stretched is spoken faster before.
        pace *= longer
        if program == "flite":
            command = ["flite", "-voice", name, "--setf", f"duration_stretch={1 / pace:.2f}"]
            command += ["-t", words, "-o", path]
        elif program == "rhvoice":
            Path(text).write_text(words + "\n", encoding="utf-8")
            command = ["RHVoice-test", "-p", name, "-r", f"{100 * pace:.0f}", "-i", text, "-o", path]
        else:
            pitch = int(chance.integers(80, 130))
            spoken = f'<pitch level="{pitch}"><speed level="{100 * pace:.0f}">{words}</speed></pitch>'
            command = ["pico2wave", "-l", name, "-w", path, spoken]
        samples, rate = _said(command, path)
    return resampled(samples, round(rate / longer), WIDE)


def _stretched(words: str, chance: np.random.Generator) -> Samples:
    """By espeak-ng, and somebody whose mouth is larger or smaller."""
    english, variant = (str(chance.choice(each)) for each in (ENGLISH, VARIANTS))
    longer = chance.uniform(*STRETCHED)
    pace, pitch = str(round(chance.uniform(115, 215) * longer)), str(int(chance.integers(25, 80)))
    with tempfile.NamedTemporaryFile(dir="/dev/shm", suffix=".wav") as made:
        samples, rate = _said(_espeak(f"{english}+{variant}", pace, pitch, words, made.name), made.name)
    return resampled(samples, round(rate / longer), WIDE)


def _espeak(voice: str, pace: str, pitch: str, words: str, path: str) -> list[str]:
    return ["espeak-ng", "-v", voice, "-s", pace, "-p", pitch, "-w", path, "--", words]


def _said(command: list[str], path: str) -> tuple[Samples, int]:
    """The samples of what a synthesiser has put there, and their rate."""
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    samples, rate = soundfile.read(path, dtype="float32")
    return samples, rate


def kind_of(seed: int, number: int, kind: Kind) -> Kind:
    """What a lesson is, once it is known whether the words were said at all."""
    share = np.random.default_rng([seed, number]).random(2)[1]
    return Kind.OTHER if share < SOUND_SHARE + FOREIGN_SHARE else kind


_voices: _Voices


def _prepare() -> None:
    global _voices
    _voices = _Voices()


def _lesson(task: tuple[int, int, str]) -> list[Frames]:
    return _voices.lesson(task)


def heard(told: list[Lesson], seed: int = SEED) -> Given:
    """All these lessons; listened to once and kept beside the voices."""
    which = json.dumps(told) + {SEED: "", OF_NATURAL: "natural", OF_STRETCHED: "stretched"}[seed]
    path = cache() / f"lessons-{hashlib.sha256(which.encode()).hexdigest()[:24]}.npz"
    if not path.exists():
        with ProcessPoolExecutor(2, mp_context=get_context("spawn"), initializer=_prepare) as pool:
            tasks = ((seed, number, words) for number, (_, words) in enumerate(told))
            found = list(pool.map(_lesson, tasks, chunksize=50))
        lengths = np.array([len(view) for views in found for view in views])
        np.savez(path, lengths=lengths, frames=np.concatenate([view for views in found for view in views]))
    with np.load(path) as kept:
        each = np.split(kept["frames"], np.cumsum(kept["lengths"])[:-1])
    return [kind_of(seed, number, kind) for number, (kind, _) in enumerate(told)], [
        each[at : at + 2] for at in range(0, len(each), 2)
    ]


def begun(seed: int) -> Net:
    """A network that knows nothing."""
    chance = np.random.default_rng(seed)
    sizes = {"narrow": (WIDTH, NARROWED), "inner": (2 * NARROWED, INNER), "outer": (INNER, len(Kind))}
    sizes |= {f"step{step}": (TAPS * NARROWED, NARROWED) for step in range(len(SPREADS))}
    made = {}
    for name, (into, out) in sizes.items():
        made[name] = jnp.asarray(chance.normal(0, (2 / into) ** 0.5, (into, out)), dtype=jnp.float32)
        made[f"{name}_bias"] = jnp.zeros(out)
    return made


def answer(net: Net, frames: jax.Array, mask: jax.Array, key: jax.Array | None) -> jax.Array:
    """As `callguard.speech.english.answers` does it, for many at once; parts are dropped while it learns."""

    def dropped(values: jax.Array, part: int) -> jax.Array:
        if key is None:
            return values
        kept = jax.random.bernoulli(jax.random.fold_in(key, part), 1 - DROPPED, values.shape)
        return jnp.where(kept, values / (1 - DROPPED), 0)

    seen = (dropped(frames, 0) @ net["narrow"] + net["narrow_bias"]) * mask
    for step, spread in enumerate(SPREADS):
        reach = TAPS // 2 * spread
        wider = jnp.pad(jax.nn.relu(seen), ((0, 0), (reach, reach), (0, 0)))
        taps = [wider[:, at * spread : at * spread + seen.shape[1]] for at in range(TAPS)]
        seen = (seen + jnp.concatenate(taps, axis=2) @ net[f"step{step}"] + net[f"step{step}_bias"]) * mask
    seen = jax.nn.relu(seen)
    whole = jnp.concatenate([seen.max(axis=1), seen.sum(axis=1) / mask.sum(axis=1)], axis=1)
    inner = jax.nn.relu(dropped(whole, 1) @ net["inner"] + net["inner_bias"])
    return dropped(inner, 2) @ net["outer"] + net["outer_bias"]


def learnt(given: Given, seed: int, epochs: int, net: Net | None = None) -> Net:
    """A network that went through all that is given some times; a new one, or one that goes on."""
    kinds, frames = given
    net, rate = (begun(seed), RATE) if net is None else (net, RATE / 2)
    order = np.random.default_rng([seed, epochs])
    labels = np.array([list(Kind).index(kind) for kind in kinds])
    steps = epochs * (len(labels) // BATCH + 1)
    optimizer = optax.adamw(optax.cosine_decay_schedule(rate, steps), weight_decay=DECAY)
    state = optimizer.init(net)

    def loss(net, given, mask, right, key):  # type: ignore[no-untyped-def]
        found = optax.softmax_cross_entropy_with_integer_labels(answer(net, given, mask, key), right)
        return found.mean()

    @jax.jit
    def step(net, state, given, mask, right, key):  # type: ignore[no-untyped-def]
        cost, slope = jax.value_and_grad(loss)(net, given, mask, right, key)
        change, state = optimizer.update(slope, state, net)
        return optax.apply_updates(net, change), state, cost

    for epoch in range(epochs):
        view = order.integers(2, size=len(labels))
        lengths = np.array([len(frames[at][view[at]]) for at in range(len(labels))])
        # Those of about one length together, so that little of a batch is empty.
        near = np.argsort(lengths + order.uniform(0, 20, len(labels)))
        batches = np.array_split(near, len(labels) // BATCH + 1)
        costs = []
        for number in order.permutation(len(batches)):
            chosen = batches[number]
            size = -(-int(lengths[chosen].max()) // 32) * 32
            given = np.zeros((BATCH + 8, size, WIDTH), dtype=np.float32)
            mask = np.zeros((BATCH + 8, size, 1), dtype=np.float32)
            mask[:, 0] = 1
            for row, at in enumerate(chosen):
                one = frames[at][view[at]]
                given[row, : len(one)], mask[row, : len(one)] = one, 1
            right = np.full(BATCH + 8, list(Kind).index(Kind.OTHER))
            right[: len(chosen)] = labels[chosen]
            key = jax.random.PRNGKey(int(order.integers(1 << 31)))
            net, state, cost = step(net, state, given, mask, right, key)
            costs.append(float(cost))
        sys.stdout.write(f"network {seed}, epoch {epoch + 1}: {np.mean(costs):.4f}\n")
        sys.stdout.flush()
    return net


def every_lesson() -> Iterator[Given]:
    """What there is to learn from: lessons, pairs, in one breath, what is asked for; other voices."""

    def chance(number: int) -> np.random.Generator:
        return np.random.default_rng(SEED + number)

    yield heard(list(lessons(LESSONS, chance(0))))
    yield heard(list(minimal_pairs(PAIRS, chance(1))))
    yield heard(list(without_pauses(IN_ONE_BREATH, chance(2))))
    yield heard(list(what_is_asked_for(ASKED_FOR, chance(3))))
    for seed, (first, second, third) in ((OF_NATURAL, NATURALLY), (OF_STRETCHED, STRETCHING)):
        many = chance(4 + seed - OF_NATURAL)
        told = [*lessons(first, many), *what_is_asked_for(second, many), *minimal_pairs(third, many)]
        yield heard(told, seed)


def main() -> None:
    """Decided 2026-11: half of the networks hear the pairs late; all six err less than either half."""
    given = list(every_lesson())
    plain, pairs, breath = given[:3]
    first, second, third, last = EPOCHS
    begun_with = [learnt(plain, seed, first) for seed in range(NETWORK_COUNT)]
    for seed in range(NETWORK_COUNT):
        net = learnt(_all(plain, pairs), seed, second)
        begun_with.append(learnt(_all(plain, pairs, breath), seed, third, net))
    nets = [learnt(_all(*given), at % NETWORK_COUNT, last, net) for at, net in enumerate(begun_with)]
    parts = {
        f"{number}.{name}": np.asarray(values).astype(np.float16)
        for number, net in enumerate(nets)
        for name, values in net.items()
    }
    np.savez_compressed(NETWORKS, **parts)


def _all(*given: Given) -> Given:
    return [kind for kinds, _ in given for kind in kinds], [one for _, frames in given for one in frames]


if __name__ == "__main__":
    main()
