"""The third ear: Moonshine, a small neural recogniser that learnt from people's speech.

Two things are had from it. What it makes of the sound before any word is thought of (frames of figures, for
`callguard.speech.english.answers`), and how likely it finds texts: given ones, and those that it would write
by itself. Its likelihoods are those of whole texts, so what is listed needs no decoys to be weighed against.

The model ("tiny", English, MIT licence) comes within the wheel of moonshine-voice; it is run by onnxruntime,
and nothing of that package is imported: it would want a sound card. Runs in a worker process only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from callguard.speech.errors import SpeechError

Frames: TypeAlias = NDArray[np.float32]

RATE = 16000
#: Figures in a frame; one frame is 24 ms.
WIDTH = 288
#: The loudest sample is brought to this level: callers are anywhere between -40 and 0 dBFS.
PEAK = 0.6
#: Texts less likely than this (natural logarithm) are not followed any further.
LEAST = -16.0
#: Texts that are followed at once when it writes by itself, tokens in one, and how many are told.
BEAM, LONGEST, TOLD = 5, 14, 8
#: Tokens that begin and end a text (the model's own numbering).
BEGIN, END = 1, 2
_SPACE = "\u2581"
_PACKAGE, _MODEL = "moonshine_voice", "assets/tiny-en"


@dataclass(slots=True)
class Tree:
    """Texts by their tokens."""

    after: dict[int, Tree] = field(default_factory=dict)
    kind: str = ""  #: of the text that ends here


@dataclass(frozen=True, slots=True)
class Text:
    """What it would write, and how likely it finds that (natural logarithm)."""

    words: str
    likely: float


class Transcriber:
    """The loaded model: 110 MB, 0.15 s to load.

    Raises:
        SpeechError: the model is not installed.
    """

    def __init__(self) -> None:
        directory = model_directory()
        self._vocabulary = _vocabulary(directory / "tokenizer.bin")
        # The first ones are single bytes, for what has no token of its own; a comma comes again later.
        self._numbers = {word: number for number, word in enumerate(self._vocabulary)}
        options = onnxruntime.SessionOptions()
        # Each worker process is one answer on one core: threads of its own would only be in the way.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        load = {"sess_options": options, "providers": ["CPUExecutionProvider"]}
        self._encoder = onnxruntime.InferenceSession(str(directory / "encoder_model.ort"), **load)
        self._decoder = onnxruntime.InferenceSession(str(directory / "decoder_model_merged.ort"), **load)
        self._memory = [each.name for each in self._decoder.get_inputs() if each.name.startswith("past_")]
        self._outputs = [each.name for each in self._decoder.get_outputs()]
        heads, width = next(
            each.shape for each in self._decoder.get_inputs() if each.name.startswith("past_")
        )[1::2]
        self._empty = np.zeros((1, heads, 0, width), dtype=np.float32)

    def frames(self, samples: Frames) -> Frames:
        """What it makes of 16 kHz samples: shape (frames, WIDTH)."""
        loudest = float(np.abs(samples).max(initial=0.0))
        given = (samples * (PEAK / max(loudest, 1e-4))).astype(np.float32)[None]
        mask = np.ones(given.shape, dtype=np.int64)
        (found,) = self._encoder.run(None, {"input_values": given, "attention_mask": mask})
        return np.asarray(found[0], dtype=np.float32)

    def tree(self, kinds: Mapping[str, Iterable[str]]) -> Tree:
        """Texts of some kinds, spelt as it would write them, for `likelihoods`."""
        root = Tree()
        for kind, texts in kinds.items():
            for text in texts:
                at = root
                for token in self._tokens(text):
                    at = at.after.setdefault(token, Tree())
                at.kind = kind
        return root

    def begun(self, frames: Frames) -> State:
        """Before the first word."""
        return self._run(frames[None], [BEGIN], None)

    def likelihoods(self, state: State, tree: Tree) -> dict[str, float]:
        """How likely it is (natural logarithm) that a text of each kind was said; LEAST at least."""
        live = [(tree, 0.0)]
        found: defaultdict[str, list[float]] = defaultdict(lambda: [LEAST])
        while live:
            going: list[tuple[Tree, float, int, int]] = []
            for row, (node, sum_) in enumerate(live):
                if node.kind:
                    found[node.kind].append(sum_ + float(state.likely[row, END]))
                for token, after in node.after.items():
                    likely = sum_ + float(state.likely[row, token])
                    if likely > LEAST:
                        going.append((after, likely, row, token))
            live = [(node, likely) for node, likely, _, _ in going]
            if live:
                state = self._next(state, [each[3] for each in going], [each[2] for each in going])
        return {kind: float(np.logaddexp.reduce(likely)) for kind, likely in found.items()}

    def texts(self, state: State) -> list[Text]:
        """What it would write by itself; the likeliest first."""
        live: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
        done: list[tuple[float, tuple[int, ...]]] = []
        for _ in range(LONGEST):
            going = []
            for row, (tokens, sum_) in enumerate(live):
                for token in np.argpartition(-state.likely[row], BEAM)[:BEAM].tolist():
                    likely = sum_ + float(state.likely[row, token])
                    if token == END:
                        done.append((likely, tokens))
                    else:
                        going.append((likely, (*tokens, token), row))
            going.sort(reverse=True)
            del going[BEAM:]
            done.sort(reverse=True)
            if not going or (len(done) >= BEAM and going[0][0] < done[BEAM - 1][0]):
                break
            live = [(tokens, likely) for likely, tokens, _ in going]
            state = self._next(state, [tokens[-1] for tokens, _ in live], [row for _, _, row in going])
        else:
            # What is longer than any answer counts as far as it came.
            done = sorted([*done, *((likely, tokens) for tokens, likely in live)], reverse=True)
        return [Text(self._spelt(tokens), likely) for likely, tokens in done[:TOLD]]

    def _next(self, state: State, tokens: Sequence[int], rows: Sequence[int]) -> State:
        memory = {
            name: kept[list(rows)] if ".decoder." in name else kept[:1].repeat(len(rows), 0)
            for name, kept in state.memory.items()
        }
        return self._run(state.frames, tokens, memory)

    def _run(self, frames: Frames, tokens: Sequence[int], memory: dict[str, Frames] | None) -> State:
        count = len(tokens)
        given: dict[str, Any] = {
            "input_ids": np.array(tokens, dtype=np.int64)[:, None],
            "encoder_hidden_states": frames.repeat(count, 0),
            "encoder_attention_mask": np.ones((count, frames.shape[1]), dtype=np.int64),
            "use_cache_branch": np.array([memory is not None]),
        }
        given |= memory or dict.fromkeys(self._memory, self._empty)
        found = dict(zip(self._outputs, self._decoder.run(None, given), strict=True))
        kept = {
            # With a memory the model gives nothing new for the sound's part of it.
            name: memory[name]
            if memory and ".encoder." in name
            else found[name.replace("past_key_values", "present")]
            for name in self._memory
        }
        logits = found["logits"][:, -1].astype(np.float64)
        logits -= logits.max(axis=-1, keepdims=True)
        return State(frames, logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True)), kept)

    def _tokens(self, text: str) -> list[int]:
        """By the longest pieces that there are: for common words that is how the model writes them."""
        rest, found = (_SPACE + text.replace(" ", _SPACE)).encode(), []
        while rest:
            size = next(size for size in range(len(rest), 0, -1) if rest[:size] in self._numbers)
            found.append(self._numbers[rest[:size]])
            rest = rest[size:]
        return found

    def _spelt(self, tokens: Iterable[int]) -> str:
        whole = b"".join(self._vocabulary[token] for token in tokens)
        return whole.decode("utf-8", "replace").replace(_SPACE, " ").strip()


@dataclass(frozen=True, slots=True)
class State:
    """Where some texts have got to: how likely each token is next, and what the model remembers."""

    frames: Frames
    likely: NDArray[np.float64]
    memory: dict[str, Frames] = field(repr=False)


def model_directory() -> Path:
    """Where the model lies.

    Raises:
        SpeechError: nowhere.
    """
    found = find_spec(_PACKAGE)
    for place in (found.submodule_search_locations or ()) if found else ():
        directory = Path(place) / _MODEL
        if (directory / "tokenizer.bin").is_file():
            return directory
    raise SpeechError(
        "the model that English answers are heard with is not installed; "
        "run `pip install 'callguard[speech]'` (moonshine-voice 0.1.0: later ones come without it)"
    )


def _vocabulary(path: Path) -> list[bytes]:
    """One token after the other, each led by its length: one byte, or two from 128 on."""
    data, words, at = path.read_bytes(), [], 0
    while at < len(data):
        size = data[at]
        at += 1
        if size >= 128:
            size += data[at] * 128 - 128
            at += 1
        words.append(data[at : at + size])
        at += size
    return words
