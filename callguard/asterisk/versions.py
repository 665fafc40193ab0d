"""What releases of Asterisk do differently: with release, symptom, and what callguard does about it.

The only place that knows releases. The rest asks `quirks_of` and goes by what it says; the dialplan, which
cannot ask, tries what is there (TryExec) and names the two releases that it has to know.

Every number is the first release of its branch, from the change logs and from the sources of these tags;
16.28.0 and 22.10.1 were tried. What a certified release backports is not known here, so it is judged by the
release that it was made from. A build that names no release (from a repository) is taken for a new one.

Decided 2026-11: releases, not trials, where a trial does harm (a mute that locks a channel up) or costs time
on every connect (a second until an unanswered request over the websocket is given up). Lost: trying
everything. What can be tried is tried as well, and counts: a release is only what is expected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

#: The oldest branch that callguard works with.
OLDEST = 16


class Quirk(StrEnum):
    """One thing that some releases lack or do wrong."""

    MUTE_LOCKS_UP = "mute locks up"
    RECORDERS_UNTOLD = "recorders are not told of"
    OUT_OF_STEP = "directions out of step"
    MUTES_OLDEST = "mutes the oldest"
    NO_BROADCAST = "no StasisBroadcast"
    HTTP_ONLY = "requests over HTTP only"
    NO_MEDIA_WEBSOCKET = "no media over a websocket"
    STOP_RACE = "start and stop at once"


@dataclass(frozen=True, slots=True, kw_only=True)
class From:
    """The releases from which something is so.

    Attributes:
        first: branch to its first such release. Branches newer than all of these are so; others are not.
    """

    first: Mapping[int, int]

    def __contains__(self, release: tuple[int, int]) -> bool:
        major, minor = release
        first = self.first.get(major)
        return major > max(self.first) if first is None else minor >= first

    def __str__(self) -> str:
        return ", ".join(f"{branch}.{release}" for branch, release in self.first.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What is to be known of a quirk.

    Attributes:
        lacks: what these releases lack or do, after the words "Asterisk 16.28".
        symptom: what is lost by it, or what can happen.
        instead: what callguard does there; empty when nothing can be done.
        fixed: the releases from which it is gone.
        since: the releases from which it is there; always, when not given.
        dangerous: it may end calls, or keep what nobody agreed to.
    """

    lacks: str
    symptom: str
    instead: str
    fixed: From
    since: From | None = None
    dangerous: bool = False

    def applies(self, release: tuple[int, int]) -> bool:
        """Whether that release has it."""
        return release not in self.fixed and (self.since is None or release in self.since)


NOTES: Mapping[Quirk, Note] = {
    # Asterisk issue 233: the channel's lock is kept where it has no recorder (any more).
    Quirk.MUTE_LOCKS_UP: Note(
        lacks="can lock up for good when a recording is paused that has just ended (its issue 233)",
        symptom="the call hangs, and then the manager interface",
        instead="recordings are never muted there: a pause ends the recording",
        since=From(first={18: 18, 20: 3}),
        fixed=From(first={18: 20, 20: 5, 21: 0}),
        dangerous=True,
    ),
    Quirk.RECORDERS_UNTOLD: Note(
        lacks="does not tell when a recording starts, stops or is muted (no events MixMonitorStart, ...)",
        symptom="recorders of others are not noticed, also on the calls of those who refused",
        instead="",
        fixed=From(first={16: 17, 18: 3}),
        dangerous=True,
    ),
    # 16.6 on has MixMonitor's option S for it, which callguard.conf sets up to 17; from 18 on it is usual.
    Quirk.OUT_OF_STEP: Note(
        lacks="lets the two directions of a recording drift apart while one party sends nothing",
        symptom="an answer can stand before its question in what is kept",
        instead="",
        fixed=From(first={16: 6, 17: 0}),
    ),
    # The header MixMonitorID is ignored; so an id that does not exist is answered with success.
    Quirk.MUTES_OLDEST: Note(
        lacks="cannot mute one recording by its id",
        symptom="a mute reaches the oldest recording of a channel, whosever it is, and whether ours is still "
        "there cannot be asked",
        instead="recordings of others are stopped at a pause, and it is proven by the samples, as everywhere",
        fixed=From(first={18: 18, 20: 3, 21: 0}),
    ),
    Quirk.NO_BROADCAST: Note(
        lacks="has no StasisBroadcast",
        symptom="a frozen controller costs a new caller up to 5 s of silence instead of half a second, and "
        "several controllers cannot share its calls",
        instead="callers are handed over by Stasis",
        fixed=From(first={20: 17, 22: 7, 23: 1}),
    ),
    Quirk.HTTP_ONLY: Note(
        lacks="takes no requests over the websocket",
        symptom="each request costs twice the processor time",
        instead="requests go over HTTP",
        fixed=From(first={20: 14, 21: 9, 22: 4}),
    ),
    Quirk.NO_MEDIA_WEBSOCKET: Note(
        lacks="sends no sound over a websocket (chan_websocket)",
        symptom="a packet of a spoken answer can be lost on its way to who listens",
        instead="sound is taken over RTP",
        fixed=From(first={20: 16, 21: 11, 22: 6, 23: 0}),
    ),
    # Asterisk issue 1673; seen on 18.10, by a pause of ten seconds put into the source.
    Quirk.STOP_RACE: Note(
        lacks="can crash when a recording is stopped in the moment in which it starts (its issue 1673)",
        symptom="all calls are lost",
        instead="a recording is only stopped after its start was told of",
        fixed=From(first={20: 18, 22: 8, 23: 2}),
    ),
}


def release_of(version: str) -> tuple[int, int] | None:
    """Branch and release of what Asterisk calls itself, such as ``16.28.0~dfsg-0+deb11u10``.

    None for a build that names no release, such as ``GIT-master-1a2b3c``.
    """
    found = re.match(r"(?:certified[/-])?(\d{1,3})\.(\d{1,3})(?!\d)", version.strip())
    return (int(found[1]), int(found[2])) if found else None


def quirks_of(version: str) -> frozenset[Quirk]:
    """What is different on an Asterisk that calls itself so; nothing where that names no release."""
    release = release_of(version)
    if release is None:
        return frozenset()
    return frozenset(quirk for quirk, note in NOTES.items() if note.applies(release))
