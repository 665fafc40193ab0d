"""What processes write, and where: strace beside Asterisk and callguard, and whether it is speech."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import re
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from callguard.vault import Vault
from callguard.vault.blocks import Sealing
from callguard.vault.export import whole
from callguard.vault.sound import stereo

#: Ways to write whose bytes strace shows; RTP goes out by sendto, and has to.
SHOWN = ("write", "writev", "pwrite64", "pwritev", "pwritev2")
#: Ways to write whose bytes it does not show: nobody may use them.
BLIND = ("sendfile", "splice", "vmsplice", "tee", "copy_file_range", "io_uring_setup", "process_vm_writev")

#: How many bytes have to be the same before they count as speech: eight samples of 16 bits.
WINDOW = 16
#: Every so many samples (or bytes) such a window is looked for, at any place: 2 ms of speech are found.
STRIDE = 8

_CALL = re.compile(r"^\d+\s+(\w+)\((.*)$")
_PLACE = re.compile(r"^\d+<((?:[^>\\]|\\.)*)>")
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"(\.\.\.)?')


@dataclass(frozen=True)
class Written:
    """Something that one of them wrote."""

    path: str  #: of the file; what kind of socket or pipe it is otherwise
    data: bytes

    @property
    def is_file(self) -> bool:
        return self.path.startswith("/")


@dataclass(frozen=True)
class Trace:
    """Everything that was written."""

    writes: tuple[Written, ...]
    blind: tuple[str, ...]  #: calls by which something unseen may have been written
    mapped: frozenset[str]  #: files that can be written through memory

    def outside(self, memory: Path) -> Iterator[Written]:
        """All but what went into a directory in memory."""
        return (one for one in self.writes if not one.path.startswith(f"{memory}/"))

    def inside(self, memory: Path) -> Iterator[Written]:
        return (one for one in self.writes if one.path.startswith(f"{memory}/"))


@contextlib.asynccontextmanager
async def traced(*pids: int) -> AsyncIterator[list[Trace]]:
    """Trace processes with all their threads; the list holds the trace once it is over."""
    assert shutil.which("strace"), "strace is missing: apt-get install strace"
    found: list[Trace] = []
    before = set().union(*(_mapped(pid) for pid in pids))
    # What is traced is speech in the clear: it stays in memory.
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        out = Path(directory) / "trace"
        words = ["-f", "-yy", "-xx", "-s", str(1 << 22), "-e", "signal=none", "-o", str(out)]
        calls = ",".join((*SHOWN, *BLIND, "mmap"))
        for pid in pids:
            words += ["-p", str(pid)]
        process = await asyncio.create_subprocess_exec(
            "strace", *words, "-e", f"trace={calls}", stderr=asyncio.subprocess.PIPE
        )
        assert process.stderr is not None
        rest = None
        try:
            await _attached(process.stderr, pids)
            rest = asyncio.create_task(process.stderr.read())  # it tells of each new thread
            yield found
        finally:
            # It lets go of those that still live, and they go on. Not by asyncio's send_signal, which
            # would take the end of the process away from whoever waits for it.
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGINT)
            if rest is not None:
                await rest
            await process.wait()
        after = set().union(*(_mapped(pid) for pid in pids))
        found.append(read(out.read_text(), before | after))


async def _attached(told: asyncio.StreamReader, pids: tuple[int, ...]) -> None:
    """Until strace holds them, with every thread that there is now."""
    waiting = set(pids)
    async with asyncio.timeout(20):
        while waiting:
            line = (await told.readline()).decode()
            assert line, "strace ended: may this account trace (kernel.yama.ptrace_scope)?"
            if said := re.search(r"Process (\d+) attached", line):
                waiting.discard(int(said[1]))


def _mapped(pid: int) -> set[str]:
    """Files that a process may write through memory now; none when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return set()
    fields = (line.split(maxsplit=5) for line in lines)
    return {parts[5] for parts in fields if len(parts) == 6 and parts[1][1::2] == "ws" and parts[5][0] == "/"}


def read(text: str, mapped: Iterable[str] = ()) -> Trace:
    """What strace wrote down."""
    writes, blind, maps = [], [], set(mapped)
    for line in text.splitlines():
        if not (said := _CALL.match(line)):
            continue
        call, rest = said[1], said[2]
        place = _PLACE.match(rest)
        if call in SHOWN:
            assert place, line[:200]
            texts = _TEXT.findall(rest)
            assert not any(cut for _, cut in texts), "strace cut something off"
            writes.append(Written(_bytes(place[1]).decode(), b"".join(_bytes(one) for one, _ in texts)))
        elif call in BLIND:
            blind.append(line)
        elif "MAP_SHARED" in rest and "PROT_WRITE" in rest and (file := re.search(r"\d+<([^>]*)>", rest)):
            maps.add(_bytes(file[1]).decode())
    return Trace(tuple(writes), tuple(blind), frozenset(maps))


def _bytes(text: str) -> bytes:
    return text.encode("latin-1").decode("unicode_escape").encode("latin-1")


class Speech:
    """The speech of recordings in every form in which somebody might write it, and its keys."""

    def __init__(self) -> None:
        self._windows: dict[bytes, str] = {}
        self._samples: set[bytes] = set()  #: as they stand in the spool

    @classmethod
    def of(cls, vault: Vault, *calls: str) -> Speech:
        """What was sealed of these calls."""
        speech = cls()
        for name in (name for call in calls for name in vault.of_call(call)):
            key = vault.ring.unwrap(name, (vault.keys / name[:2] / f"{name}.key").read_bytes())
            speech._windows |= {key.raw[:WINDOW]: "its key", key.raw[WINDOW:]: "its key"}
            speech._windows[base64.b64encode(key.raw)[:WINDOW]] = "its key"
            sealing = Sealing(name, key.derive("blocks"))
            reading = vault.open(name)
            for path in sorted(reading.directory.glob("*.block")):
                speech._add("FLAC before encryption", sealing.open(path.read_bytes(), path.name).flac, 1)
            speech._hear(stereo(whole(reading)))
        return speech

    @classmethod
    def said(cls, samples: np.ndarray) -> Speech:
        """These samples (float) of one party."""
        speech = cls()
        one = np.round(samples * 32768).astype("<i2")
        speech._hear(np.stack([one, np.zeros_like(one)], axis=1))
        return speech

    def _hear(self, both: np.ndarray) -> None:
        self._add("samples of both", np.ascontiguousarray(both).tobytes(), 4)
        for side, who in enumerate(("caller", "agent")):
            one = np.ascontiguousarray(both[:, side])
            self._add(f"samples of the {who}", one.tobytes(), 2)
            self._add(f"samples of the {who}, big-endian", one.byteswap().tobytes(), 2)
            for kind in ("ULAW", "ALAW"):
                self._add(f"{kind} of the {who}", _coded(one, kind), 1)
            self._samples.update(_windows(one.tobytes(), 2 * STRIDE))

    def _add(self, what: str, data: bytes, step: int) -> None:
        for window in _windows(data, step * STRIDE):
            self._windows.setdefault(window, what)

    def found_in(self, data: bytes) -> Counter[str]:
        """How often which form of it begins somewhere in ``data``."""
        found = (self._windows.get(data[at : at + WINDOW]) for at in range(len(data) - WINDOW + 1))
        return Counter(what for what in found if what is not None)

    def seen_in(self, writes: Iterable[Written]) -> float:
        """How much of the speech stands, as samples, in what was written: 1 is all of it."""
        seen: set[bytes] = set()
        for one in writes:
            for offset in (0, 1):
                seen.update(_windows(one.data[offset:], 2))
        return len(self._samples & seen) / max(1, len(self._samples))


def leaks(trace: Trace, speech: Speech, memory: Path) -> Counter[tuple[str, str]]:
    """Where speech, or a key, was written outside of memory: (path, in which form) and how often."""
    found: Counter[tuple[str, str]] = Counter()
    for one in trace.outside(memory):
        found.update({(one.path, what): count for what, count in speech.found_in(one.data).items()})
    for path in trace.mapped:
        if not path.startswith(f"{memory}/") and Path(path).is_file():
            told = speech.found_in(Path(path).read_bytes())
            found.update({(path, what): count for what, count in told.items()})
    return found


def patterns(directory: Path, speech: Speech) -> Counter[str]:
    """What can be told of speech from the files below a directory."""
    found: Counter[str] = Counter()
    for path in directory.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            found.update(speech.found_in(data))
            found["the mark of FLAC"] += data.count(b"fLaC")
    return +found


def evenness(directory: Path) -> float:
    """How far the bytes of all blocks are from chance: chi-square over 255 degrees of freedom, by its size.

    Near 1 for what cannot be told from noise; FLAC of speech is far above.
    """
    counts = np.zeros(256)
    for path in directory.rglob("*.block"):
        # Without the plain front of a block, of which the first bytes are always the same.
        counts += np.bincount(np.frombuffer(path.read_bytes()[64:], dtype=np.uint8), minlength=256)
    expected = counts.sum() / 256
    return float(np.sum((counts - expected) ** 2 / expected) / 255)


def _coded(samples: np.ndarray, kind: str) -> bytes:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        path = Path(directory) / "coded"
        soundfile.write(path, samples, 8000, format="RAW", subtype=kind)
        return path.read_bytes()


def _windows(data: bytes, step: int) -> Iterator[bytes]:
    """Every window that is no silence and no single tone of a codec's silence."""
    for at in range(0, len(data) - WINDOW + 1, step):
        window = data[at : at + WINDOW]
        if len(set(window)) > 5:
            yield window
