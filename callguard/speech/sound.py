"""Audio of an answer: in memory only, never longer than it may be, overwritten when it is dropped."""

from __future__ import annotations

#: Bytes of one sample; speech is always one channel of 16-bit little-endian samples here.
SAMPLE_BYTES = 2
#: Sample rates that are understood: telephone and wideband legs.
RATES = (8000, 16000)


class Sound:
    """What was heard so far, from a moment on.

    The memory is taken once and reused, so that no copies of speech are left behind by growing; what does not
    fit is left out and `full` says so.
    """

    def __init__(self, rate: int, seconds: float) -> None:
        if rate not in RATES:
            raise ValueError(f"speech comes at {' or '.join(map(str, RATES))} samples per second, not {rate}")
        self.rate = rate
        self._memory = bytearray(round(seconds * rate) * SAMPLE_BYTES)
        self._filled = 0

    def __len__(self) -> int:
        """Bytes that are kept."""
        return self._filled

    @property
    def seconds(self) -> float:
        """How much is kept."""
        return self._filled / SAMPLE_BYTES / self.rate

    @property
    def full(self) -> bool:
        """Whether nothing more fits."""
        return self._filled == len(self._memory)

    def add(self, pcm: bytes | memoryview) -> int:
        """Keep more; returns how many bytes fitted."""
        taken = min(len(pcm), len(self._memory) - self._filled)
        self._memory[self._filled : self._filled + taken] = pcm[:taken]
        self._filled += taken
        return taken

    def view(self, began: float, ended: float) -> memoryview:
        """A stretch of it, in seconds, without a copy; it has to be released before `wipe`."""
        first = max(0, round(began * self.rate)) * SAMPLE_BYTES
        last = min(self._filled, round(ended * self.rate) * SAMPLE_BYTES)
        return memoryview(self._memory)[first : max(first, last)].toreadonly()

    def wipe(self) -> None:
        """Overwrite everything and forget it; may be called more than once."""
        self._memory[:] = bytes(len(self._memory))
        self._filled = 0
