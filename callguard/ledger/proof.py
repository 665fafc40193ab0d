"""Proofs that fit into a file: this entry is in the ledger; this ledger grew out of that one.

Whoever holds the public key can check them without the database and without trusting us.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from callguard.errors import LedgerError
from callguard.ledger.entry import Stored
from callguard.ledger.keys import Checkpoint, PublicKey
from callguard.ledger.schema import entries, head
from callguard.ledger.tree import (
    consistency_proof,
    consistent,
    inclusion_proof,
    leaf_hash,
    levels_of,
    root_from_inclusion,
)

_ENTRY_FORMAT = "callguard-entry-proof-1"
_GROWTH_FORMAT = "callguard-growth-proof-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What a good proof says."""

    entry: Stored | None  #: the entry, of an entry proof
    first: int  #: entries of the smaller tree, of a growth proof; else the entry's position
    size: int  #: how many entries the checkpoint covers
    signed_by: str
    signed: datetime


def prove_entries(connection: Connection, positions: Sequence[int]) -> list[dict[str, Any]]:
    """A proof for each entry, against the signed edge.

    Raises:
        LedgerError: there is no such entry.
    """
    leaves, note = _leaves(connection)
    asked = select(entries.c.position, entries.c.text).where(entries.c.position.in_(positions))
    texts = dict(connection.execute(asked).all())
    for position in positions:
        if position not in texts or position >= len(leaves):
            raise LedgerError(f"there is no entry {position}; the ledger has {len(leaves)}, counted from 0")
    tree = levels_of(leaves)
    return [
        {
            "format": _ENTRY_FORMAT,
            "entry": texts[position],
            "position": position,
            "path": [node.hex() for node in inclusion_proof(tree, position)],
            "checkpoint": note,
        }
        for position in positions
    ]


def prove_growth(connection: Connection, earlier: str) -> dict[str, Any]:
    """A proof that the ledger still begins with everything that the checkpoint ``earlier`` covers.

    Raises:
        LedgerError: ``earlier`` is no checkpoint, or covers more than there is.
    """
    first = Checkpoint.parse(earlier).size
    leaves, note = _leaves(connection)
    if not 0 < first <= len(leaves):
        raise LedgerError(f"a ledger of {len(leaves)} entries cannot have grown out of one of {first}")
    path = [node.hex() for node in consistency_proof(leaves, first)]
    return {"format": _GROWTH_FORMAT, "earlier": earlier, "path": path, "checkpoint": note}


def verify_proof(text: str, keys: Sequence[PublicKey]) -> Proven:
    """Check a proof file.

    Raises:
        LedgerError: it is none, it is not signed by any of ``keys``, or it does not prove anything.
    """
    try:
        proof = json.loads(text)
        path = [bytes.fromhex(node) for node in proof["path"]]
        later = Checkpoint.parse(proof["checkpoint"])
        kind = proof["format"]
        subject = (proof["entry"], proof["position"]) if kind == _ENTRY_FORMAT else (proof["earlier"], 0)
    except (ValueError, KeyError, TypeError) as fault:
        raise LedgerError(f"this is no proof file of callguard ({fault})") from fault
    key = _signer(later, keys)
    if kind == _ENTRY_FORMAT:
        return _entry(str(subject[0]), int(subject[1]), path, later, key)
    if kind == _GROWTH_FORMAT:
        return _growth(str(subject[0]), path, later, key, keys)
    raise LedgerError(f"the proof has format {kind!r}, which this callguard does not know")


def _entry(text: str, position: int, path: list[bytes], later: Checkpoint, key: PublicKey) -> Proven:
    leaf = leaf_hash(text.encode())
    if root_from_inclusion(leaf, position, later.size, path) != later.root:
        raise LedgerError(f"the proof does not hold: this text is not entry {position} of the signed ledger")
    entry = Stored.read(position, leaf, text)
    return Proven(entry=entry, first=position, size=later.size, signed_by=_name(key), signed=later.utc)


def _growth(
    earlier: str, path: list[bytes], later: Checkpoint, key: PublicKey, keys: Sequence[PublicKey]
) -> Proven:
    before = Checkpoint.parse(earlier)
    _signer(before, keys)
    if before.origin != later.origin:
        raise LedgerError(f"the two checkpoints are of two ledgers: {before.origin} and {later.origin}")
    if not consistent(before.size, later.size, before.root, later.root, path):
        raise LedgerError(
            f"the proof does not hold: the ledger of {later.size} entries does not begin with the "
            f"{before.size} that were signed before; it was rewritten"
        )
    return Proven(entry=None, first=before.size, size=later.size, signed_by=_name(key), signed=later.utc)


def _leaves(connection: Connection) -> tuple[list[bytes], str]:
    note = connection.scalar(select(head.c.note))
    if note is None:
        raise LedgerError("the database holds no ledger")
    size = Checkpoint.parse(note).size
    question = select(entries.c.leaf).where(entries.c.position < size).order_by(entries.c.position)
    leaves = list(connection.scalars(question))
    if len(leaves) != size:
        raise LedgerError(
            f"{size} entries were signed, {len(leaves)} are there; run `callguard ledger verify`"
        )
    return leaves, note


def _signer(checkpoint: Checkpoint, keys: Sequence[PublicKey]) -> PublicKey:
    key = checkpoint.signer(keys)
    if key is None:
        names = ", ".join(f"{name}+{identity.hex()}" for name, identity, _ in checkpoint.signatures)
        raise LedgerError(
            f"the checkpoint over {checkpoint.size} entries is signed by {names}, not by a given key"
        )
    return key


def _name(key: PublicKey) -> str:
    return f"{key.name}+{key.id.hex()}"
