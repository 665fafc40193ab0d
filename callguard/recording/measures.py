"""How the sealer works, and what it tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from callguard.recording.keytones import Tone
from callguard.recording.safe import Finished

#: Seconds from one look at the captures to the next.
TICK = 0.5
#: A file that did not grow for so long after the end of the call is complete, though nobody saw it closed
#: (seconds): Asterisk flushes every 2.05 s.
SETTLE = 2.5


class Listener(Protocol):
    """Who is told what nobody asked about."""

    def alert(self, what: str, detail: str, recording: str) -> None:
        """Somebody has to look at this. Sealing goes on being tried."""

    def overflowed(self, recording: str, detail: str) -> None:
        """The spool holds as much of this recording as it may: stop capturing it now."""

    def keyed(self, recording: str, tones: Sequence[Tone], arrived: tuple[int, float]) -> None:
        """More of a recording was listened to, and these keys were heard in it.

        Args:
            recording: its name.
            tones: the keys, by time.
            arrived: up to which sample it was listened to, and when that came (monotonic seconds).
        """

    def finished(self, recording: str, finished: Finished) -> None:
        """A recording is complete whose `Sealer.finish` had failed, or that a run before left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """How the sealer works, in seconds."""

    look_back: float = 10.0  #: the newest speech, which stays erasable
    block: float = 5.0  #: how much is sealed at a time
    limit: float = 120.0  #: the most that may wait in the spool for one recording
    keys: bool = False  #: listen for keys: nothing is sealed that was not listened to, and told of
    tick: float = TICK
    settle: float = SETTLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What a run before this one left."""

    resumed: tuple[str, ...] = ()  #: recordings that go on: the call may be over, finish them then
    ended: tuple[str, ...] = ()  #: the call is over; they are being finished, `Listener.finished` will tell
    complete: tuple[str, ...] = ()  #: were finished already, only the spool had to be emptied
    destroyed: tuple[str, ...] = ()
    orphans: tuple[
        Path, ...
    ] = ()  #: files in the spool that belong to no recording: begin one, or remove them
