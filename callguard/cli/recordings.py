"""Recordings of the vault in words: for lists, for people, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from callguard.vault import Vault, VaultError, described
from callguard.vault.sound import RATE


def summary(store: Vault, name: str) -> dict[str, Any]:
    """What a list tells of a recording; nothing is opened for it."""
    if store.is_destroyed(name):
        row: dict[str, Any] = {"recording": name, "created": None, "purpose": "", "until": None, "hold": None}
        return row | {"seconds": 0.0, "state": "destroyed"}
    try:
        header, samples = store.header(name), store.samples(name)
    except VaultError:
        row = {"recording": name, "created": None, "purpose": "", "until": None, "hold": None}
        return row | {"seconds": 0.0, "state": "damaged"}
    told = described(header, None)
    kept = {key: told[key] for key in ("recording", "created", "purpose", "until", "hold")}
    return kept | {
        "seconds": samples / RATE,
        "state": "finished" if store.is_finished(name) else "unfinished",
    }


def everything(store: Vault, name: str) -> dict[str, Any]:
    """All that is known of a recording.

    Raises:
        VaultError: it does not open, or is damaged.
    """
    certificate = store.certificate(name)
    if certificate is not None:
        told = {"recording": name, "destroyed": certificate.utc, "by": certificate.by}
        nothing: dict[str, Any] = {"facts": {}, "evidence": [], "marks": []}
        return told | {"reason": certificate.reason} | nothing
    reading = store.open(name)
    _, head = reading.head()
    marks = [
        {"kind": mark.kind, "start": mark.start, "end": mark.end, "detail": dict(mark.detail)}
        for mark in reading.marks()
    ]
    evidence = [{"kind": mark.kind, "detail": dict(mark.detail)} for mark in head]
    return {**described(reading.header, reading.finished()), "evidence": evidence, "marks": marks}


def in_lines(one: Mapping[str, Any]) -> Iterator[str]:
    """`everything` of a recording, for people."""
    yield one["recording"]
    for name, value in {**one, **one["facts"]}.items():
        if name not in {"recording", "facts", "evidence", "marks"} and value not in (None, ""):
            yield f"  {name}: {value}"
    for mark in one["evidence"]:
        yield f"  at its head: {_detailed(mark)}"
    for mark in one["marks"]:
        until = "" if mark["end"] is None else f" to {mark['end'] / RATE:.3f} s"
        yield f"  {mark['start'] / RATE:9.3f} s{until}  {_detailed(mark)}"


def _detailed(mark: Mapping[str, Any]) -> str:
    detail = ", ".join(f"{name} {value}" for name, value in mark["detail"].items() if value)
    return f"{mark['kind']}: {detail}" if detail else str(mark["kind"])
