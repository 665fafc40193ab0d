"""What several rooms' tests start from: both databases for each ledger test that takes ``url``, a spool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from callguard.recording import Spool
from fakes.postgres import Cluster


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    cluster = Cluster()
    yield cluster
    cluster.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    cluster: Cluster = request.getfixturevalue("postgres")
    return cluster.new_database()


@pytest.fixture
def spool() -> Iterator[Spool]:
    """Prepared, and in memory."""
    with TemporaryDirectory(dir="/dev/shm") as directory:
        spool = Spool(directory=Path(directory) / "spool")
        spool.prepare()
        yield spool
