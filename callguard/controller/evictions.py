"""Ending what others have on a call, and never our own recorder beside it.

Decided 2026-11: where ours is among the MixMonitors of a channel, all of them are muted first, which harms
nothing, and only those that are newer than ours are stopped, newest first; then ours is asked by its id
whether it is still there. Their events have no id, and Asterisk stops the newest. What lost: the function
MIXMONITOR(id,filename), which crashes Asterisk 22.10.1 for a MixMonitor without a mixed file, as ours is; and
`mixmonitor list`, which wants the right to run any command.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from callguard.asterisk.ami import Ami
from callguard.asterisk.ari import Ari
from callguard.asterisk.errors import AmiRefused
from callguard.asterisk.versions import Quirk
from callguard.consent import Call, Capture
from callguard.controller.census import Census
from callguard.controller.foreign import Foreign, Kind, end, file_of, mute, stop_newest
from callguard.controller.sweep import is_denied, stop_recorders

log = structlog.get_logger(__name__)

#: What a capture is in while our recorder exists.
RUNNING = frozenset({Capture.ORDERED, Capture.ON, Capture.PAUSED})


class Watched(Protocol):
    """A conversation, as the latch sees it."""

    @property
    def call(self) -> Call:
        """What is ordered now."""

    def violated(self, found: Foreign) -> None:
        """Somebody else records or listens."""

    def recorder_lost(self) -> None:
        """Our own recorder is gone, and we did not stop it."""


class Evictions:
    """All of one PBX. Methods raise AsteriskError when something may still hear a call.

    Args:
        ami: where orders go.
        ari: gives the live connection to ARI, or none.
        census: what there is.
        conversations: by the customer's channel.
    """

    def __init__(
        self,
        ami: Ami,
        ari: Callable[[], Ari | None],
        census: Census,
        conversations: Mapping[str, Watched],
    ) -> None:
        self._ami = ami
        self._ari = ari
        self._census = census
        self._conversations = conversations

    def has_ours(self, channel: str) -> bool:
        """Whether one of the MixMonitors of a channel is ours, and is to stay."""
        conversation = self._conversations.get(channel)
        running = conversation is not None and conversation.call.capture in RUNNING
        return running and bool(self._census.ours(channel))

    def lost(self, channel: str) -> None:
        """Our recorder is gone; where it was not to be, somebody else stopped it."""
        self._census.lost(channel)
        conversation = self._conversations.get(channel)
        if conversation is not None and conversation.call.capture in RUNNING:
            conversation.recorder_lost()

    async def end_all(self, customer: str, there: list[Foreign]) -> None:
        """End all of these, for the call of a customer's channel."""
        mixers = [each for each in there if each.kind is Kind.MIXMONITOR]
        for channel in dict.fromkeys(each.channel for each in mixers):
            if self.has_ours(channel):
                await self._end_beside_ours(customer, channel)
            else:
                await stop_recorders(self._ami, channel)
                await self.ended(customer, *(each for each in mixers if each.channel == channel))
        for found in there:
            if found.kind is not Kind.MIXMONITOR:
                await self.end(customer, found)

    async def end(self, customer: str, found: Foreign) -> None:
        """End one, on a channel without a recorder of ours."""
        await end(found, self._ami, self._ari)
        await self.ended(customer, found)

    async def ended(self, customer: str, *all_found: Foreign) -> None:
        """These hear nothing any more; MixMonitors among them were on one channel."""
        file = ""
        for found in all_found:
            if found.muted:
                found.stopped_ms = found.age_ms()
            else:
                self._census.ended(found)
            # What it wrote until then lies in a file that only its owner can remove. The name may hold a
            # caller's number, so it stands in the log and not in the ledger.
            if found.kind is Kind.MIXMONITOR:
                file = file or await file_of(found.channel, self._ami)
            log.warning(
                "recorder of others " + ("muted" if found.muted else "ended"),
                what=found.words(customer),
                channel=found.channel,
                file=file,
                after_ms=found.stopped_ms,
            )

    async def silence(self, customer: str, channel: str) -> None:
        """Mute the MixMonitors of a channel; where a mute reaches only one of them, stop those of others."""
        if Quirk.MUTES_OLDEST not in self._ami.quirks:
            await self.mute(customer, channel)
        elif self.has_ours(channel):
            await self._end_beside_ours(customer, channel)
        else:
            await stop_recorders(self._ami, channel)
            there = (each for each in self._census.mixers(channel) if isinstance(each, Foreign))
            await self.ended(customer, *there)

    async def mute(self, customer: str, channel: str) -> None:
        """Mute the MixMonitors of a channel, unless the call is captured by now: ours speaks again then."""
        if not self._captures(customer):
            await mute(channel, self._ami)

    def _captures(self, customer: str) -> bool:
        conversation = self._conversations.get(customer)
        return conversation is not None and conversation.call.captures

    async def _end_beside_ours(self, customer: str, channel: str) -> None:
        silent = not self._captures(channel)
        await self.mute(channel, channel)
        if not self.has_ours(channel):
            return  # it ended meanwhile
        mixers = self._census.mixers(channel)
        place = mixers.index(self._census.ours(channel))
        older, newer = (
            [each for each in some if isinstance(each, Foreign) and not each.muted]
            for some in (mixers[:place], mixers[place + 1 :])
        )
        # It does not matter which of them goes with which order, as long as there is one order for each.
        for found in newer:
            found.muted = silent  # should this order get no answer, it is not repeated: it could hit ours
            await self._stop_newest(channel)
            found.muted = False
            self._census.ended(found)
        await self.ended(customer, *newer)
        if not silent:
            return
        for found in older:
            found.muted = True
        await self.ended(customer, *older)
        await self._see_ours(channel)

    async def _stop_newest(self, channel: str) -> None:
        self._census.stop_ordered(channel)
        try:
            if await stop_newest(channel, self._ami):
                return
        except AmiRefused:
            self._census.stop_ordered(channel, done=False)
            raise
        self._census.stop_ordered(channel, done=False)

    async def _see_ours(self, channel: str) -> None:
        """Ask by its id whether our recorder is there, in a way that can do no harm: it has to be silent."""
        if self._captures(channel):
            return  # meanwhile it goes on
        try:
            await self._ami.mute_mixmonitor(channel, self._census.ours(channel), "both", True)
        except AmiRefused as error:
            if is_denied(error):
                raise
            self.lost(channel)
