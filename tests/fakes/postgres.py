"""A real PostgreSQL of our own: a fresh cluster in a temporary directory, reached by a unix socket."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from pathlib import Path

import psycopg

_MISSING = "PostgreSQL is not installed; `make test` installs it: apt-get install postgresql"


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [
        Path(p) for p in [shutil.which("initdb")] if p
    ]
    if not found:
        raise RuntimeError(_MISSING)
    return found[-1].resolve().parent


class Cluster:
    """Start on construction, gone after ``stop``. PostgreSQL refuses to run as root, so it never does."""

    def __init__(self) -> None:
        self._binaries = _binaries()
        self.home = Path(tempfile.mkdtemp(prefix="callguard-pg-"))
        self._data = self.home / "data"
        self._user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._user:
            shutil.chown(self.home, "postgres")
        self._run("initdb", "-D", self._data, "-U", "callguard", "-A", "trust", "-E", "UTF8", "--no-sync")
        self.start()

    def start(self) -> None:
        options = f"-k {self.home} -c listen_addresses='' -c max_connections=50"
        log = self.home / "log"
        self._run("pg_ctl", "-D", self._data, "-o", options, "-l", log, "-w", "-t", "30", "start")

    def stop_now(self) -> None:
        """Like a power cut: no shutdown checkpoint, connections die."""
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")

    def freeze(self) -> None:
        """The server stops answering, and its connections stay open."""
        for process in self._processes():
            os.kill(process, signal.SIGSTOP)

    def thaw(self) -> None:
        for process in self._processes():
            os.kill(process, signal.SIGCONT)

    def new_database(self) -> str:
        """The URL of a fresh, empty database."""
        name = f"ledger_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(
            host=str(self.home), user="callguard", dbname="postgres", autocommit=True
        ) as admin:
            admin.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
        return f"postgresql://callguard@/{name}?host={self.home}"

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.home, ignore_errors=True)

    def _processes(self) -> list[int]:
        postmaster = int((self._data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [*map(int, children), postmaster]

    def _run(self, program: str, *arguments: object) -> None:
        command = [*self._user, str(self._binaries / program), *map(str, arguments)]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=program == "initdb",
            text=True,
            check=False,
            cwd="/",
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr or (self.home / 'log').read_text()}")
