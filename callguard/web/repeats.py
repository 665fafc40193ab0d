"""The same request sent again is done once, and answered the same."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")

#: How long an answer is kept, in seconds from its first request, and how many of each token.
KEEP_SECONDS = 3600.0
MOST_KEPT = 1000


class OtherRequest(Exception):  # noqa: N818 - the name says what happened
    """The key was used for another request."""


class TooMany(Exception):  # noqa: N818 - the name says what happened
    """So many requests of this token are under way that no more can be remembered."""


@dataclass(slots=True)
class _Kept(Generic[T]):
    fingerprint: bytes
    task: asyncio.Task[T]
    until: float


class Repeats(Generic[T]):
    """Answers, by whoever asked and their key.

    Args:
        keep: how long, in seconds; 0 for no longer than it takes.
        most: how many of each token. The oldest go first; one that is under way is never forgotten.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        *,
        keep: float = KEEP_SECONDS,
        most: int = MOST_KEPT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keep, self._most, self._clock = keep, most, clock
        self._kept: dict[str, OrderedDict[str, _Kept[T]]] = {}

    async def once(
        self,
        owner: str,
        key: str,
        fingerprint: bytes,
        act: Callable[[], Coroutine[Any, Any, T]],
    ) -> tuple[T, bool]:
        """Do it, unless it was done or is being done: then its answer, and True.

        It is done to its end even if whoever asked does not wait for it.

        Args:
            owner: whose key it is.
            key: what they call the request.
            fingerprint: what the request says.
            act: does it.

        Raises:
            OtherRequest: the key stands for a request that says something else.
            TooMany: there is no room.
            Exception: whatever ``act`` raises; then nothing is kept.
        """
        kept = self._kept.setdefault(owner, OrderedDict())
        self._forget(kept)
        known = kept.get(key)
        repeated = known is not None
        if known is None:
            if len(kept) >= self._most:
                raise TooMany
            task = asyncio.get_running_loop().create_task(act(), name=f"asked by {owner}")
            known = kept[key] = _Kept(fingerprint, task, self._clock() + self._keep)
            task.add_done_callback(lambda done: self._settled(kept, key, done))
        elif known.fingerprint != fingerprint:
            raise OtherRequest
        return await asyncio.shield(known.task), repeated

    async def close(self) -> None:
        """Let what is under way come to its end."""
        tasks = [each.task for kept in self._kept.values() for each in kept.values()]
        await asyncio.gather(*tasks, return_exceptions=True)
        self._kept.clear()

    def _settled(self, kept: OrderedDict[str, _Kept[T]], key: str, task: asyncio.Task[T]) -> None:
        """What failed without an answer is not kept; whoever waits for it is told."""
        failed = task.cancelled() or task.exception() is not None
        if (failed or self._keep <= 0) and key in kept and kept[key].task is task:
            del kept[key]

    def _forget(self, kept: OrderedDict[str, _Kept[T]]) -> None:
        """Drop what is too old, and the oldest where there are too many; they stand in order of age."""
        now = self._clock()
        for key, each in list(kept.items()):
            if each.until > now and len(kept) < self._most:
                break
            if each.task.done():
                del kept[key]
