"""Append-only, hash-chained, signed entries; what is in here can be proven to somebody who does not trust us.

Decisions (2026-11)
-------------------
*One writer thread, group commit.* The event loop pays a queue operation per entry; whatever arrives
during one commit is the next one. Lost: aiosqlite (a thread hop per statement, no groups) and an
asynchronous driver for each database (two dialects of everything).

*SQLAlchemy Core and Alembic* for both databases. Lost: named SQL files with our own migrations.

*The text of an entry is RFC 8785 JSON, hashed as it is stored.* An export line *is* the hashed text,
so ``sha256(0x00 || line)`` in any language checks it. Lost: CBOR (not readable by an auditor), rows
hashed field by field (every schema change would need new rules).

*Chain and tree.* Every entry names its own place and the hash of the one before, so the verifier can
say which entry is wrong; the tree of RFC 9162 gives short proofs of single entries and of growth.
pymerkle would have been the library for the tree, but it is under the GPL, which this product is not.

*Every commit signs the edge of the tree*, not only every so often: otherwise entries newer than the
last checkpoint could be replaced without a trace. An Ed25519 signature per group costs about 0.1 ms
of the writer thread. What a signature cannot show, a database put back to an older state, the
checkpoints outside the database show.
"""

from callguard.ledger.calls import body_for, core_entries
from callguard.ledger.entry import Entry, Receipt, Stored
from callguard.ledger.keys import PublicKey, SigningKey
from callguard.ledger.kinds import Kind
from callguard.ledger.ledger import Ledger, open_ledger
from callguard.ledger.settings import Settings
from callguard.ledger.writer import Trouble

__all__ = [
    "Entry",
    "Kind",
    "Ledger",
    "PublicKey",
    "Receipt",
    "Settings",
    "SigningKey",
    "Stored",
    "Trouble",
    "body_for",
    "core_entries",
    "open_ledger",
]
