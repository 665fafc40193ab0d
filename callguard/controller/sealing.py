"""Recordings on their way from the spool into the vault: when each begins, ends, or is destroyed.

Where the vault is not enabled there is no keeper, and recordings stay in the spool.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from callguard.consent import Call
from callguard.consent import events as ev
from callguard.consent.words import ConsentEntry, Plan
from callguard.controller.cardguard import HEARD_LATE, CardGuard
from callguard.controller.figures import Sealing
from callguard.controller.keypad import Keypad
from callguard.controller.leftover import Leftover, pad_for
from callguard.controller.tape import SealedTape
from callguard.errors import CallguardError, RecordingError
from callguard.law import Flag
from callguard.ledger import Kind
from callguard.ledger.bodies import AnyBody, Capture, Retention
from callguard.recording import Finished, Measures, Recovered, Sealer, Silence, Spool, evidence
from callguard.recording.keytones import Tone
from callguard.recording.pending import OWNER
from callguard.recording.spool import RATE
from callguard.vault import Vault
from callguard.vault.store import name as recording_of

log = structlog.get_logger(__name__)

#: Bytes of one sample of both sides.
FRAME_BYTES = 4

#: The purpose of the hold of keys in a recording of which it is not yet known who looks after it.
UNHEARD = "unheard"

#: A file that did not grow for so long is nobody's recording: Asterisk writes each every 2 s.
GROWING_SECONDS = 10.0


class Keeper:
    """Keeps recordings: the sealer, and what the ledger has to know of its work.

    Args:
        vault: where recordings go.
        spool: where they come from.
        measures: how the sealer works.
        note: writes a fact about a call into the ledger.
        alert: somebody has to look at this (what, detail, call).
        stop: a recording outgrew the spool; its call, to be told of the fault.
        own: runs something in a task that is ours.
        guard: counts the keys that are heard in recordings no call looks after; None where none is wanted.
        owner: which controller of a pool this is; empty where there is only one.
    """

    def __init__(
        self,
        vault: Vault,
        spool: Spool,
        measures: Measures,
        *,
        note: Callable[[AnyBody, str], None],
        alert: Callable[[str, str, str], None],
        stop: Callable[[str, ev.Fault, str], None],
        own: Callable[[Coroutine[Any, Any, None], str], None],
        guard: Callable[[], CardGuard | None],
        owner: str = "",
    ) -> None:
        self._vault, self._spool = vault, spool
        self._note, self._alert, self._stop, self._own = note, alert, stop, own
        self._sealer = Sealer(vault, spool, self, measures)
        self._found: Recovered | None = None
        self._left: dict[str, str] = {}  #: channel -> recording, for calls of the run before this one
        self._guard = guard
        self._owner = owner
        self._pads: dict[str, Keypad] = {}  #: who is told of the keys that are heard in a recording
        self._unheard: dict[str, list[tuple[Sequence[Tone], tuple[int, float]]]] = {}  #: nobody yet

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Begin to seal.

        Raises:
            CallguardError: the vault or its key cannot be used.
        """
        await asyncio.to_thread(self._vault.prepare)
        await self._sealer.start()

    async def close(self) -> None:
        """End; what is not sealed yet stays in the spool for the next run."""
        await self._sealer.close()

    async def recover(self, former: Collection[str] = ()) -> None:
        """Look at what the run before left; what it had on hold stays so.

        Args:
            former: take up only what these controllers of the pool sealed.

        Raises:
            RecordingError: the state of the sealer is damaged.
        """
        # A look that was not followed by `take_up` found what this one does not see again.
        before = self._found.resumed if self._found else ()
        found = await self._sealer.recover(owner=self._owner, former=former)
        self._found = replace(found, resumed=(*before, *found.resumed))

    async def take_up(self, alive: Collection[str], *, lost: bool = True) -> None:
        """Go on with what the run before left: recordings of calls that still live, and of those that ended.

        Args:
            alive: channels of the PBX that no conversation looks after. Whatever a conversation looks after
                is listened to for it by now.
            lost: look for what nobody can go on with, too; for once after a start.
        """
        found = self._found or await self._sealer.recover(owner=self._owner)
        self._found = None
        for recording in found.resumed:
            # Who hung up meanwhile had a conversation, which ended it.
            if recording in self._pads or recording not in self._sealer.captures:
                continue
            self._listen(recording, self._leftover(recording))
            channel = self._sealer.metadata(recording).get("channel", "")
            if channel in alive:
                self._left[channel] = recording
            else:
                self._own(self._finish(recording), f"seal {recording}")
        if not lost:
            return
        for path in found.orphans:
            if not (self._owner and _is_growing(path)):
                self._alert("a file in the spool belongs to no recording", str(path), "")
        self._own(self._close_lost(), "seal what was lost")

    async def _close_lost(self) -> None:
        for recording, what in (await self._sealer.close_lost()).items():
            self._alert("the end of a recording is missing", f"{recording}: {what}", _call(recording))

    # ------------------------------------------------------------------ one recording

    async def begin(
        self, call: Call, channel: str, consent: ConsentEntry, number: int, said: bytes = b""
    ) -> None:
        """The recorder runs: seal what it writes. A vault that cannot be written is an alert, and retried.

        Args:
            call: the call.
            channel: the customer's.
            consent: what allows it.
            number: the how-many-th segment it is.
            said: the spoken yes, see `callguard.recording.spoken`; behind the announcement if there is one.

        Raises:
            RecordingError: the spool is full, or the announcement cannot be put at the head.
        """
        plan = call.agreed
        recording = recording_of(call.id, number)
        metadata = {
            "channel": channel,
            "queue": plan.recorded_queue,
            "purpose": plan.purposes[0] if plan.purposes else "",
            "jurisdiction": plan.basis.jurisdictions[0] if plan.basis.jurisdictions else "",
            "until": _until(plan.retention_days),
        }
        if self._owner:
            metadata[OWNER] = self._owner
        answer = {"form": consent.answer.kind, "value": consent.answer.value}
        head, marks = b"", [("answer", answer)]
        if wants_head(plan) and number == 1:
            played = await asyncio.to_thread(evidence, announcements(consent))
            head = played.pcm
            marks = [("announcement", {"sha256": ",".join(played.sha256)}), *marks]
        if said:
            first, count = (len(each) // FRAME_BYTES for each in (head, said))
            answer |= {"from": str(first), "to": str(first + count)}
            head += said
        await self._sealer.begin(
            recording, self._spool.paths(call.id, number), metadata, head=head, head_marks=marks
        )

    async def keep_late(self, call: Call, channel: str, consent: ConsentEntry, number: int) -> None:
        """As `begin`, and at once `end`: the call is over.

        Raises:
            RecordingError: as there.
        """
        await self.begin(call, channel, consent, number)
        recording = recording_of(call.id, number)
        self._listen(recording, self._leftover(recording))
        self._own(self._finish(recording), f"seal {recording}")

    async def tell_again(self, call: str, number: int) -> None:
        """A recording may be complete although the ledger does not know it: tell it now."""
        recording = recording_of(call, number)
        try:
            finished = await asyncio.to_thread(self._finished_before, recording)
        except CallguardError as error:
            self._alert("a sealed recording cannot be read", str(error), call)
            return
        if finished is not None:
            self.finished(recording, finished)

    def _finished_before(self, recording: str) -> Finished | None:
        return self._vault.open(recording).finished() if self._vault.is_finished(recording) else None

    def keeps(self, call: str, number: int) -> bool:
        """Whether the recording of a call is under way here."""
        return recording_of(call, number) in self._sealer.captures

    def tape(self, call: str, number: int) -> SealedTape:
        """The samples of a call's recording."""
        return SealedTape(self._sealer, recording_of(call, number))

    def silenced(self, call: str, number: int) -> tuple[Silence | None, int | None]:
        """Whether a recording was to be silent when the run before ended, and what is on hold for that."""
        return self._sealer.silenced(recording_of(call, number))

    def listen(self, call: str, number: int, pad: Keypad) -> None:
        """Whoever is told of the keys that are heard in a segment, from its first sample on."""
        self._listen(recording_of(call, number), pad)

    def _listen(self, recording: str, pad: Keypad) -> None:
        self._pads[recording] = pad
        for tones, arrived in self._unheard.pop(recording, ()):
            pad.heard(_number(recording), tones, arrived)
        with contextlib.suppress(RecordingError):  # it is only about to begin
            self._sealer.release(recording, UNHEARD)

    def _leftover(self, recording: str) -> Keypad:
        call, tape = _call(recording), SealedTape(self._sealer, recording)
        segment = Leftover(call, _number(recording), tape, self._note)
        return pad_for(segment, self._guard(), lambda what: self._alert(what, recording, call), self._own)

    async def hear_out(self, call: str, number: int) -> None:
        """The recorder stopped: listen to all that came."""
        await self._hear_out(recording_of(call, number))

    async def _hear_out(self, recording: str) -> None:
        try:
            await self._sealer.hear_out(recording)
        except CallguardError as error:
            # It is listened to before it is sealed, whenever that is.
            self._alert("a recording could not be listened to yet", str(error), _call(recording))

    def sealing(self) -> Sealing:
        """How the sealer does."""
        return Sealing(
            recordings=len(self._sealer.captures), behind=self._sealer.behind(), memory=self._sealer.memory()
        )

    async def end(self, call: str, number: int) -> float:
        """The recorder stopped: seal the rest; returns the seconds that were captured."""
        return await self._seal(recording_of(call, number))

    async def destroy(self, call: str, number: int, *, by: str, reason: str) -> None:
        """Destroy a recording, in the spool and in the vault; the ledger keeps the certificate.

        Raises:
            RecordingError: the vault could not destroy its part; that is tried again.
        """
        recording = recording_of(call, number)
        if recording in self._sealer.captures:
            certificate = await self._sealer.discard(recording, by=by, reason=reason)
        else:
            certificate = await asyncio.to_thread(self._vault.shred, recording, by=by, reason=reason)
        body = Retention(
            action="shred", recording=recording, by=by, reason=reason, certificate=certificate.sha256
        )
        self._note(body, call)

    def hung_up(self, channel: str) -> None:
        """A channel is gone: the end of a recording that the run before began, if it had one."""
        recording = self._left.pop(channel, None)
        if recording is not None:
            self._own(self._finish(recording), f"seal {recording}")

    async def _finish(self, recording: str) -> None:
        await self._hear_out(recording)
        if (pad := self._pads.get(recording)) is not None:
            pad.call_over()
            await pad.over(_number(recording))
        await self._seal(recording)

    async def _seal(self, recording: str) -> float:
        try:
            finished = await self._sealer.finish(recording)
        except CallguardError as error:
            self._alert("a recording is not sealed yet", str(error), _call(recording))
            return 0.0
        self.finished(recording, finished)
        return finished.samples / RATE

    # ------------------------------------------------------------------ what the sealer tells

    def alert(self, what: str, detail: str, recording: str) -> None:
        """Somebody has to look at this; sealing goes on being tried."""
        self._alert(what, detail, _call(recording))

    def overflowed(self, recording: str, detail: str) -> None:
        """The spool holds as much of this recording as it may."""
        self._stop(_call(recording), ev.Fault.SPOOL, detail)

    def keyed(self, recording: str, tones: Sequence[Tone], arrived: tuple[int, float]) -> None:
        """More of a recording was listened to, and these keys were heard."""
        if (pad := self._pads.get(recording)) is not None:
            pad.heard(_number(recording), tones, arrived)
        else:
            self._unheard.setdefault(recording, []).append((tones, arrived))
            if tones:
                first = max(0, tones[0].start - round(HEARD_LATE * RATE))
                self._sealer.hold(recording, first, UNHEARD)

    def finished(self, recording: str, finished: Finished) -> None:
        """A recording is complete: the ledger holds its length and hash."""
        self._pads.pop(recording, None)
        self._unheard.pop(recording, None)
        body = Capture(
            kind=Kind.CAPTURE_STOPPED,
            recording=recording,
            segment=_number(recording),
            offset=finished.samples,
            rate=RATE,
            reason=finished.missing or "sealed",
            sha256=finished.sha256,
        )
        self._note(body, _call(recording))


def _is_growing(path: Path) -> bool:
    """Whether Asterisk writes it, for a controller that is about to seal it."""
    try:
        return time.time() - path.stat().st_mtime < GROWING_SECONDS
    except OSError:
        return True


def _call(recording: str) -> str:
    return recording.rpartition("-")[0]


def _number(recording: str) -> int:
    return int(recording.rpartition("-")[2])


def _until(days: int | None) -> str:
    """The day until which a recording is kept, RFC 3339."""
    return (datetime.now(UTC).date() + timedelta(days=days)).isoformat() if days else ""


def wants_head(plan: Plan) -> bool:
    """Whether a law of this call wants the announcement to be part of the recording."""
    return Flag.ANNOUNCEMENT_IN_RECORDING.value in plan.basis.flags


def announcements(consent: ConsentEntry) -> list[Path]:
    """The files of every announcement that was heard to its end."""
    media = [
        medium
        for each in consent.heard
        if each.completely and each.prompt.name == "announcement"
        for medium in each.prompt.media
    ]
    return [Path(f"{medium.removeprefix('sound:')}.wav") for medium in media]


def put_head(spool: Spool, call: str, consent: ConsentEntry | None, said: bytes = b"") -> None:
    """Where nothing is sealed: the head as a file of its own beside the recording in the spool.

    Args:
        spool: where.
        call: its id.
        consent: whose announcements stand in it; None for no announcement.
        said: the spoken yes.

    Raises:
        RecordingError: it cannot be read or written.
    """
    played = b"" if consent is None else evidence(announcements(consent)).pcm
    spool.put_head(call, played + said)
