"""The night's work: finished recordings, and destroyed ones, against what the ledger says of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from callguard.ledger import Entry, Kind, Ledger, Stored
from callguard.ledger.bodies import AnyBody, Capture, Consent, Fault, Retention
from callguard.vault import Expected, Finding, Tone, Vault, VaultError
from callguard.vault import audit as listen
from callguard.vault.sound import RATE

#: What the ledger may have to say of a recording.
_KINDS = (
    Kind.CONSENT,
    Kind.CAPTURE_STARTED,
    Kind.CAPTURE_VERIFIED,
    Kind.CAPTURE_ERASED,
    Kind.CAPTURE_STOPPED,
    Kind.RETENTION,
)

#: The most entries of one call, or of one night, that are read at a time.
_MOST = 10_000


@dataclass(slots=True)
class Audited:
    """What a night's work found."""

    findings: dict[str, list[Finding]] = field(default_factory=dict)  #: by recording; none: all is well
    seconds: float = 0.0  #: of speech that was listened to

    @property
    def wrong(self) -> dict[str, list[Finding]]:
        """Those with findings."""
        return {name: findings for name, findings in self.findings.items() if findings}


async def audit_all(
    vault: Vault,
    ledger: Ledger,
    names: Sequence[str],
    *,
    tone: Tone | None = None,
    since: datetime | None = None,
    complete: bool = False,
    write_down: bool = True,
    done: Callable[[], object] = lambda: None,
) -> Audited:
    """Compare recordings with the ledger, and write what is wrong into it.

    Args:
        vault: where they are.
        ledger: open.
        names: which: finished, or destroyed.
        tone: the warning tone that has to be in them.
        since: look into the ledger from this time on.
        complete: look as well for recordings that the ledger knows and the vault does not.
        write_down: make each finding an entry of the ledger.
        done: is told after each recording.
    """
    audited = Audited()
    for name in names:
        entries = await ledger.entries(call=call_of(name), kinds=_KINDS, limit=_MOST)
        audited.findings[name], seconds = await asyncio.to_thread(_one, vault, name, entries, tone)
        audited.seconds += seconds
        done()
    if complete:
        for finding in await _lost(vault, ledger, since):
            audited.findings.setdefault(finding.where, []).append(finding)
    if write_down:
        for name, findings in audited.findings.items():
            for finding in findings:
                body: AnyBody = Fault(where=f"audit of {name}", detail=finding.what)
                await ledger.append(Entry.now(body, call_of(name)))
    return audited


def expected_of(entries: Iterable[Stored], recording: str, tone: Tone | None = None) -> Expected:
    """What the ledger says of one recording.

    A span has to be silent when both its edges are known: a pause that was verified, or an erasure.
    """
    silences: list[tuple[int, int]] = []
    sha256, seconds, began, ended = None, None, None, None
    for entry in entries:
        body = entry.body
        if not isinstance(body, Capture) or not _is_about(body, recording):
            continue
        if body.kind in {Kind.CAPTURE_VERIFIED, Kind.CAPTURE_ERASED}:
            if body.offset is not None and body.until is not None:
                silences.append((body.offset, body.until))
        elif body.kind is Kind.CAPTURE_STARTED:
            began = began or entry.utc
        elif body.sha256 is not None:
            sha256, seconds = body.sha256, (body.offset or 0) / (body.rate or RATE)
        elif body.kind is Kind.CAPTURE_STOPPED:
            ended = ended or entry.utc
    lasted = (ended - began).total_seconds() if began and ended else None
    return Expected(silences=tuple(silences), seconds=seconds, lasted=lasted, sha256=sha256, tone=tone)


def call_of(recording: str) -> str:
    """The call that a recording belongs to."""
    return recording.rpartition("-")[0]


def _is_about(body: Capture, recording: str) -> bool:
    """Entries of the core name the call and count its recordings; those of the sealer name the recording."""
    call, _, number = recording.rpartition("-")
    return body.recording == recording or (body.recording == call and body.segment == int(number))


def _one(
    vault: Vault, name: str, entries: Sequence[Stored], tone: Tone | None
) -> tuple[list[Finding], float]:
    """The findings of one recording, and how many seconds were listened to."""
    if vault.is_destroyed(name):
        return _destroyed(vault, name, entries), 0.0
    expected = expected_of(entries, name, tone)
    findings = []
    if not any(isinstance(entry.body, Consent) for entry in entries):
        findings.append(Finding(name, "the ledger has no consent that it stands on", "unknown"))
    if expected.sha256 is None:
        findings.append(Finding(name, "the ledger has no hash of it", "unknown"))
    try:
        findings += listen(vault.open(name), expected)
    except VaultError as error:
        findings.append(Finding(name, str(error)))
    return findings, vault.samples(name) / RATE


def _destroyed(vault: Vault, name: str, entries: Sequence[Stored]) -> list[Finding]:
    """Whether the ledger holds the hash of its certificate."""
    try:
        certificate = vault.certificate(name)
    except VaultError as error:
        return [Finding(name, str(error), "certificate")]
    known = {entry.body.certificate for entry in entries if isinstance(entry.body, Retention)}
    if certificate is None or certificate.sha256 in known:
        return []
    return [Finding(name, "was destroyed, and the ledger has no such certificate", "certificate")]


async def _lost(vault: Vault, ledger: Ledger, since: datetime | None) -> list[Finding]:
    """Recordings that the ledger knows to be finished, and that the vault does not have."""
    there, lost, after = set(vault.names()), {}, -1
    while True:
        entries = await ledger.entries(kinds=(Kind.CAPTURE_STOPPED,), since=since, after=after, limit=_MOST)
        for entry in entries:
            body = entry.body
            if isinstance(body, Capture) and body.sha256 and body.recording not in there:
                what = "the ledger has its hash, and the vault does not have the recording"
                lost[body.recording] = Finding(body.recording, what, "lost")
        if len(entries) < _MOST:
            return list(lost.values())
        after = entries[-1].position
