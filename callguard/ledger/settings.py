"""What a ledger needs to know, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from callguard.errors import LedgerError
from callguard.ledger.database import file_of, parse_url
from callguard.ledger.keys import SigningKey
from callguard.ledger.privacy import Privacy
from callguard.ledger.publishing import Target
from callguard.ledger.webhook import Endpoint
from callguard.ledger.writer import Pace


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a ledger needs to know."""

    url: str  #: sqlite:////path/to/ledger.db or postgresql://user@host/database
    key: SigningKey | None = None  #: signs, instead of a key file
    key_file: Path | None = None  #: made if missing; ``None``: beside an SQLite ledger, with suffix ``.key``
    name: str = "callguard"  #: the name of this controller in its entries
    deadline: float = 2.0  #: seconds after which a commit that hangs is given up by those who wait for it
    pace: Pace = field(default_factory=Pace)
    targets: tuple[Target, ...] = ()  #: where checkpoints go besides the database
    endpoints: tuple[Endpoint, ...] = ()  #: who is told of events by webhook
    privacy: Privacy = field(default_factory=Privacy)  #: how phone numbers are stored
    memory: int = 100_000  #: entries kept in memory while the database is away (about 2 kB each)

    def signing_key_file(self) -> Path | None:
        """Where the private key lies; ``None`` when it was handed in, or nobody said."""
        if self.key is not None:
            return None
        file = file_of(parse_url(self.url))
        return self.key_file or (file.with_suffix(".key") if file else None)

    def load_key(self) -> SigningKey:
        """The key that signs, as it is now.

        Raises:
            LedgerError: there is none, or it cannot be read.
        """
        if self.key is not None:
            return self.key
        file = self.signing_key_file()
        if file is None:
            raise LedgerError("a ledger in PostgreSQL needs ledger.signing_key: the file of its Ed25519 key")
        return SigningKey.load_or_create(file)
