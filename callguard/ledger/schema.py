"""The tables, the same on SQLite and PostgreSQL. Changed only by a migration.

``entries.text`` is the truth; every other column of ``entries`` and all of ``terms`` is taken from
it, for finding things, and the verifier compares them.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text

metadata = MetaData()

#: On SQLite only a column declared INTEGER is the row's own number and needs no index beside it.
_Number = BigInteger().with_variant(Integer, "sqlite")

#: One row: who this ledger is, and its signed edge, renewed by every commit.
head = Table(
    "head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("origin", Text, nullable=False),  # the name of this ledger in its checkpoints
    Column("size", BigInteger, nullable=False),
    Column("peaks", LargeBinary, nullable=False),  # Frontier.packed()
    Column("last", LargeBinary, nullable=False),  # leaf hash of the newest entry
    Column("note", Text, nullable=False),  # the checkpoint signed at the newest commit
)

entries = Table(
    "entries",
    metadata,
    Column("position", _Number, primary_key=True, autoincrement=False),
    Column("call", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("utc", BigInteger, nullable=False),  # microseconds since 1970
    Column("leaf", LargeBinary, nullable=False),
    Column("text", Text, nullable=False),
)
Index("entries_by_call", entries.c.call, entries.c.position)
Index("entries_by_kind", entries.c.kind, entries.c.position)
Index("entries_by_time", entries.c.utc)

#: What entries can be searched by: (field, value) of the body, numbers as the privacy setting stores them.
terms = Table(
    "terms",
    metadata,
    Column("value", Text, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

#: Checkpoints kept at the configured pace; the same ones are published outside the database.
checkpoints = Table(
    "checkpoints",
    metadata,
    Column("size", _Number, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
)

#: What has to be told to whom. ``sequence`` counts from 1 per endpoint and call.
outbox = Table(
    "outbox",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("endpoint", Text, nullable=False),
    Column("call", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("event", Text, nullable=False),
    Column("state", Text, nullable=False),  # "waiting", "delivered", "dead"
    Column("attempts", Integer, nullable=False),
    Column("due", BigInteger, nullable=False),  # microseconds since 1970
    Column("answer", Text, nullable=False),  # what the endpoint last said
)
Index("outbox_by_state", outbox.c.endpoint, outbox.c.state, outbox.c.due)
Index("outbox_by_call", outbox.c.endpoint, outbox.c.call, outbox.c.sequence, unique=True)

#: Which process answers for which controller of a pool; see `callguard.ledger.leases`.
leases = Table(
    "leases",
    metadata,
    Column("member", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("holder", Text, nullable=False),  # empty: nobody, and nothing is left to take up
    Column("beats", BigInteger, nullable=False),
)
