"""What has to survive a crash of the controller and is not in the vault yet.

It stands in the spool, beside the speech that it is about: in memory, gone with it when the power goes.

Decided 2026-11: the recording's key stands here too while the recording goes on, so that a restart needs
neither the key service nor the right to unwrap (a site that wraps for age recipients only has none). The
newest speech lies beside it in the clear anyway. What lost: to unwrap at each restart.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

from callguard.errors import RecordingError

#: Within the spool; its mode keeps Asterisk's group out.
DIRECTORY = ".sealing"

#: What metadata call the controller that seals it, where several do.
OWNER = "controller"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something that happened at a sample: a pause, an erasure, a tone, a change of party."""

    serial: int
    kind: str
    start: int
    end: int | None = None
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Silence:
    """A pause, on this machine's monotonic clock, which a restart of callguard does not set back."""

    since: float  #: when it was asked for; nothing from then on may become durable unproven
    until: float | None = None  #: when the recorder was told to go on
    drop: float = 0.0  #: seconds before it that are to be erased as soon as it is known where it began
    first: int | None = None  #: the sample from which on all before it is to be erased
    moment: float | None = None  #: the same, where it is known by its moment
    feared: int = 0  #: and the sample that this moment is not earlier than


@dataclass(slots=True, kw_only=True)
class Pending:
    """One recording under way."""

    recording: str
    paths: tuple[Path, Path]
    metadata: Mapping[str, str]
    key: bytes = field(repr=False)
    head_marks: tuple[Mark, ...] = ()
    holds: dict[str, int] = field(default_factory=dict)  #: what for, from which sample on
    silence: Silence | None = None  #: the recorder is to be silent, or the silence is not proven yet
    erased: list[tuple[int, int]] = field(default_factory=list)  #: spans not yet sealed, as zeros
    marks: list[Mark] = field(default_factory=list)  #: not yet sealed
    serial: int = 0  #: of the newest mark
    ended: bool = False  #: the call is over: all of it is to be sealed
    missing: str = ""  #: what is known to be missing at the end
    destroy: tuple[str, str] | None = None  #: by whom and why it is to be destroyed

    @property
    def hold(self) -> int | None:
        """From which sample on nothing may be sealed: the earliest that anybody asked for."""
        return min(self.holds.values(), default=None)

    @property
    def owner(self) -> str:
        """The controller that seals it; empty where there is only one."""
        return self.metadata.get(OWNER, "")

    def note(self, kind: str, start: int, end: int | None, detail: Mapping[str, str]) -> Mark:
        """Add a mark."""
        self.serial += 1
        mark = Mark(serial=self.serial, kind=kind, start=start, end=end, detail=detail)
        self.marks.append(mark)
        return mark

    def sealed(self, marks: tuple[Mark, ...], samples: int) -> bool:
        """Forget what the vault has by now; returns whether there was anything to forget."""
        before = len(self.marks) + len(self.erased)
        last = marks[-1].serial if marks else 0
        self.marks = [mark for mark in self.marks if mark.serial > last]
        self.erased = [(start, end) for start, end in self.erased if end > samples]
        return len(self.marks) + len(self.erased) != before

    def save(self, spool: Path) -> None:
        """Write it down. No fsync: it is memory, and as durable as the speech that it is about.

        Raises:
            RecordingError: the spool is full.
        """
        path = _place(spool, self.recording)
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            fresh = path.with_suffix(".new")
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:  # noqa: PTH123 - a mode
                json.dump(self._content(), file)
            fresh.replace(path)
        except OSError as error:
            raise RecordingError(
                f"{path}: the sealer cannot write down its state ({error.strerror}); make room in the spool"
            ) from error

    def save_head(self, spool: Path, pcm: bytes) -> None:
        """Keep the evidence until it is sealed."""
        if pcm:
            path = _place(spool, self.recording).with_suffix(".head")
            path.parent.mkdir(mode=0o700, exist_ok=True)
            path.touch(mode=0o600)
            path.write_bytes(pcm)

    def head(self, spool: Path) -> bytes:
        """The evidence that is to stand before the recording."""
        path = _place(spool, self.recording).with_suffix(".head")
        return path.read_bytes() if path.exists() else b""

    def drop_head(self, spool: Path) -> None:
        """The evidence is sealed."""
        _place(spool, self.recording).with_suffix(".head").unlink(missing_ok=True)

    def remove(self, spool: Path) -> None:
        """There is nothing more to do."""
        self.drop_head(spool)
        _place(spool, self.recording).unlink(missing_ok=True)

    @classmethod
    def all(cls, spool: Path) -> list[Pending]:
        """Everything that a run before this one left.

        Raises:
            RecordingError: a file is damaged.
        """
        found = []
        for path in sorted((spool / DIRECTORY).glob("*.json")):
            try:
                found.append(cls._read(json.loads(path.read_text("utf-8"))))
            except FileNotFoundError:
                continue  # of another controller, which has just sealed the end of it
            except (ValueError, KeyError, TypeError) as error:
                raise RecordingError(
                    f"{path}: the sealer's state is damaged ({error}); move the file away, then the capture "
                    "shows up as one that nobody knows"
                ) from error
        return found

    def _content(self) -> dict[str, Any]:
        return {
            "recording": self.recording,
            "paths": [str(path) for path in self.paths],
            "metadata": dict(self.metadata),
            "key": base64.b64encode(self.key).decode(),
            "head_marks": [_told(mark) for mark in self.head_marks],
            "holds": self.holds,
            "silence": astuple(self.silence) if self.silence else None,
            "erased": self.erased,
            "marks": [_told(mark) for mark in self.marks],
            "serial": self.serial,
            "ended": self.ended,
            "missing": self.missing,
            "destroy": self.destroy,
        }

    @classmethod
    def _read(cls, content: Mapping[str, Any]) -> Pending:
        caller, agent = content["paths"]
        destroy, silence = content["destroy"], content["silence"]
        return cls(
            recording=content["recording"],
            paths=(Path(caller), Path(agent)),
            metadata=content["metadata"],
            key=base64.b64decode(content["key"]),
            head_marks=tuple(Mark(**mark) for mark in content["head_marks"]),
            holds=content["holds"],
            silence=Silence(*silence) if silence else None,
            erased=[(start, end) for start, end in content["erased"]],
            marks=[Mark(**mark) for mark in content["marks"]],
            serial=content["serial"],
            ended=content["ended"],
            missing=content["missing"],
            destroy=(destroy[0], destroy[1]) if destroy else None,
        )


def _told(mark: Mark) -> dict[str, Any]:
    return {
        "serial": mark.serial,
        "kind": mark.kind,
        "start": mark.start,
        "end": mark.end,
        "detail": dict(mark.detail),
    }


def _place(spool: Path, recording: str) -> Path:
    return spool / DIRECTORY / f"{recording}.json"
