"""Several controllers share one outbox: only one of them delivers to an endpoint at a time.

In PostgreSQL a session's advisory lock says which; it falls free by itself when the session ends. Beside an
SQLite ledger it is the lock of a file, which falls free with the process.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from hashlib import sha256
from threading import Lock

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import SQLAlchemyError


class Turns:
    """Whose turn it is. May be asked from several threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._place = engine.url.database if engine.dialect.name == "sqlite" else None
        self._files: dict[str, int] = {}
        self._held: dict[str, Connection] = {}
        self._lock = Lock()

    def mine(self, endpoint: str) -> bool:
        """Whether this controller delivers to ``endpoint`` now."""
        with self._lock:
            if self._place is not None:
                return endpoint in self._files or self._lock_file(endpoint)
            return self._still(endpoint) or self._take(endpoint)

    def close(self) -> None:
        """Leave it to others."""
        with self._lock:
            for endpoint in list(self._held):
                self._let_go(endpoint)
            while self._files:
                os.close(self._files.popitem()[1])

    def _lock_file(self, endpoint: str) -> bool:
        path = f"{self._place}.{_number(endpoint):016x}.turn"
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return False
        self._files[endpoint] = file
        return True

    def _still(self, endpoint: str) -> bool:
        if endpoint not in self._held:
            return False
        try:
            self._held[endpoint].execute(select(1))
        except SQLAlchemyError:
            self._let_go(endpoint)
            return False
        return True

    def _take(self, endpoint: str) -> bool:
        connection = self._engine.connect()
        if connection.scalar(select(func.pg_try_advisory_lock(_number(endpoint)))):
            self._held[endpoint] = connection
            return True
        connection.close()
        return False

    def _let_go(self, endpoint: str) -> None:
        connection = self._held.pop(endpoint)
        with suppress(SQLAlchemyError):
            # Not merely given back: the lock belongs to the session, and the session must end.
            connection.invalidate()
        with suppress(SQLAlchemyError):
            connection.close()


def _number(endpoint: str) -> int:
    """PostgreSQL's locks are numbered: 63 bits of the name's hash."""
    return int.from_bytes(sha256(f"callguard outbox {endpoint}".encode()).digest()[:8]) >> 1
