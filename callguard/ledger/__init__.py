"""Append-only, hash-chained, signed entries; what is in here can be proven to somebody who does not trust us.

    entry, bodies, kinds, encoding   what can be said, and its one canonical text
    tree, keys                       the Merkle tree of RFC 9162; Ed25519 keys and signed checkpoints
    ledger                           the port: append, note, read, health
    writer, book, commit, pen        from the queue to the disk: thread, connection, transaction, statements
    publishing                       checkpoints outside the database
    verify, diagnosis, index         is it what was signed, and if not, which entry is wrong and how
    proof, case, evidence, vcon      what can be handed to somebody outside
    outbox, courier, mail, webhook   what the CRM is told
    privacy                          numbers that are not shown and still found

Decisions (2026-11)
-------------------
*One writer thread, group commit.* The event loop pays a list append per entry and one queue operation
per turn; whatever arrives during one commit is the next one. Facts that nobody waits for (``note``)
wait up to 50 ms for company. Lost: aiosqlite (a thread hop per statement, no groups) and an
asynchronous driver for each database (two dialects of everything).

*SQLAlchemy Core and Alembic* for both databases; only the five statements of a commit are compiled by
Core and run on the driver, which halved the CPU per commit. Lost: named SQL files with our own
migrations, and Core for everything.

*The text of an entry is RFC 8785 JSON, hashed as it is stored.* An export line *is* the hashed text,
so ``sha256(0x00 || line)`` in any language checks it. Lost: CBOR (not readable by an auditor), rows
hashed field by field (every schema change would need new rules).

*Chain and tree.* Every entry names its own place and the hash of the one before, so the verifier can
say which entry is wrong; the tree of RFC 9162 gives short proofs of single entries and of growth.
pymerkle would have been the library for the tree, but it is under the GPL, which this product is not.

*Every commit signs the edge of the tree*, not only every so often: otherwise entries newer than the
last checkpoint could be replaced without a trace. An Ed25519 signature takes 20 to 40 us of the
writer's thread. What a signature cannot show, a database put back to an older state, the checkpoints
outside the database show.

*Checkpoints are C2SP signed notes,* so that other people's tools and witnesses can use them. Lost: a
JSON form of our own.

*What could not be written is kept and written later, in order,* though its future has failed: the
call was told that nothing is durable and acts on it, and the ledger still learns what happened. Lost:
dropping it (the stop of a recording would be missing), and holding the call until it is written.

*The outbox holds references, not messages.* A message is made from the entry when it is delivered, so
there is no second copy of what a person said, and encrypted numbers are readable to nobody on the way.
"""

from callguard.ledger.calls import body_for, core_entries
from callguard.ledger.entry import Entry, Receipt, Stored
from callguard.ledger.keys import PublicKey, SigningKey
from callguard.ledger.kinds import Kind
from callguard.ledger.ledger import Ledger, open_ledger
from callguard.ledger.privacy import Numbers, Privacy, load_or_create_key
from callguard.ledger.publishing import target_at
from callguard.ledger.settings import Settings
from callguard.ledger.webhook import Endpoint, check_secret
from callguard.ledger.writer import Pace, Trouble

__all__ = [
    "Endpoint",
    "Entry",
    "Kind",
    "Ledger",
    "Numbers",
    "Pace",
    "Privacy",
    "PublicKey",
    "Receipt",
    "Settings",
    "SigningKey",
    "Stored",
    "Trouble",
    "body_for",
    "check_secret",
    "core_entries",
    "load_or_create_key",
    "open_ledger",
    "target_at",
]
