"""callguard itself in the laboratory: a site's configuration, its prompts, and the process that runs it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import sqlite3
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import aiohttp

from callguard.config import load
from callguard.config.dialplan import render_dialplan
from callguard.errors import LabError
from callguard.lab import keeping
from callguard.lab.audio import Samples
from callguard.lab.lab import Lab
from callguard.vault import KeyFile, Vault

#: What callers are asked in the laboratory, in seconds: short, so that silence is soon over.
ANSWER_SECONDS = 3.0

#: How long callguard may take to be ready, and to leave, in seconds.
READY_SECONDS = 30.0
LEAVE_SECONDS = 10.0

_DEATH_SIGNAL = 1  #: PR_SET_PDEATHSIG of prctl(2)


class Site:
    """A callguard of its own beside a laboratory PBX.

    Args:
        lab: the running laboratory.
        settings: more configuration, merged over that of the laboratory section by section.
        ari_url: where callguard finds ARI, when not at the PBX itself.
        ami_port: where it finds the manager interface, when not at the PBX itself.

    Attributes:
        beside: sites that the process of this one serves as well; their prompts are built already.
    """

    def __init__(
        self,
        lab: Lab,
        *,
        settings: Mapping[str, Any] | None = None,
        ari_url: str | None = None,
        ami_port: int | None = None,
    ) -> None:
        self.lab = lab
        self.directory = Path(tempfile.mkdtemp(prefix="callguard-site-"))
        # In memory, as the product wants it, and short-lived.
        self.spool = Path(tempfile.mkdtemp(prefix="callguard-spool-", dir="/dev/shm"))
        self.config = self.directory / "config.yaml"
        self.log = self.directory / "callguard.log"
        self.prompts = self.directory / "prompts"
        self._ari_url = ari_url or lab.ari_settings.url
        self._ami_port = ami_port or lab.ami_settings.port
        self._settings = settings or {}
        self.beside: tuple[Site, ...] = ()
        self._process: asyncio.subprocess.Process | None = None
        self._write(self._settings)

    @property
    def vault(self) -> Path:
        """Where this site's sealed recordings are."""
        return self.directory / "vault"

    @property
    def key(self) -> Path:
        """What locks their keys away."""
        return self.directory / "keys/vault.key"

    def vault_settings(self) -> dict[str, Any]:
        """The section ``vault``, with everything in this site's own directory."""
        return {
            "enabled": "yes",
            "directory": str(self.vault),
            "keys": str(self.key.parent / "recordings"),
            "key": {"file": str(self.key)},
        }

    def opened(self) -> Vault:
        """The vault, with the site's key."""
        return keeping.vault_at(self.vault, self.key.parent / "recordings", self.key)

    async def recording(
        self, call: str, *, head: bool = False, timeout: float = 20.0
    ) -> tuple[Samples, Samples, int]:
        """What was recorded of a call that is over, taken out of the vault as `callguard vault export` does.

        Args:
            call: its id.
            head: begin with the announcement, where the law wanted it there.
            timeout: seconds that sealing its end may take.

        Returns:
            The caller, the agent, and their rate.

        Raises:
            LabError: it is not sealed to its end in time, or does not open.
        """
        return await keeping.exported(self.opened(), self.spool, call, head=head, timeout=timeout)

    def kept(self) -> set[str]:
        """The calls of which the spool or the vault has anything that somebody could listen to."""
        return keeping.kept(self.spool, self.vault)

    def configure(self, section: str, values: Mapping[str, Any]) -> None:
        """Change one section of the configuration file; for the next start or reload."""
        self._settings = {**self._settings, section: values}
        self._write(self._settings)

    def _write(self, settings: Mapping[str, Any]) -> None:
        ari, ami = self.lab.ari_settings, self.lab.ami_settings
        config: dict[str, Any] = {
            "site": {"name": "Example Trading", "country": "US", "jurisdiction": "US-CA"},
            "asterisk": {
                "ari": {"url": self._ari_url, "username": ari.username, "password": ari.password},
                "ami": {
                    "host": ami.host,
                    "port": str(self._ami_port),
                    "username": ami.username,
                    "password": ami.password,
                },
            },
            "queues": {"sales": {"purposes": ["quality"], "minimum_form": "explicit"}},
            "dialogue": {"answer_seconds": str(ANSWER_SECONDS)},
            "prompts": {"directory": str(self.prompts)},
            "spool": {"directory": str(self.spool), "minimum_free_mb": "1", "expected_calls": "2"},
            "vault": self.vault_settings(),
            "ledger": {"url": f"sqlite:///{self.directory}/ledger.db"},
            "law": {"register_url": f"sqlite:///{self.directory}/register.db"},
            "control": {
                "socket": str(self.directory / "control.sock"),
                "state": str(self.directory / "state"),
            },
            "log": {"level": "debug"},
        }
        for section, values in settings.items():
            config[section] = config.get(section, {}) | values
        # JSON is YAML, and quotes every scalar.
        self.config.touch(mode=0o600)
        self.config.write_text(json.dumps(config, indent=1), encoding="utf-8")

    def dialplan(self, text: str | None = None) -> str:
        """The product's dialplan with this site's settings in it."""
        return render_dialplan(load(self.config), text)

    async def build_prompts(self) -> None:
        """Render what this site says.

        Raises:
            LabError: callguard could not.
        """
        await self.command("prompts", "build")

    async def command(self, *arguments: str, check: bool = True) -> tuple[int, str]:
        """Run a command of callguard on this site: exit status and standard output.

        Raises:
            LabError: it failed and ``check`` is set.
        """
        process = await asyncio.create_subprocess_exec(
            *(*self.callguard, *arguments, "-c", str(self.config)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        if check and process.returncode:
            raise LabError(f"callguard {' '.join(arguments)} failed: {err.decode()[-2000:]}")
        return process.returncode or 0, out.decode()

    async def start(self) -> None:
        """Start callguard, with a key of its own, and wait until it takes calls.

        Raises:
            LabError: it did not get ready.
        """
        sites = (self, *self.beside)
        for each in sites:
            if not each.key.exists():
                KeyFile.create(each.key)
        configs = [word for each in sites for word in ("-c", str(each.config))]
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(*self.callguard, "run", *configs),
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,
            )
        try:
            async with asyncio.timeout(READY_SECONDS):
                while self.log.read_bytes()[self._mark :].count(b"callguard runs") < len(sites):
                    if self._process.returncode is not None:
                        raise LabError(f"callguard ended at once: {self.log.read_text()[-2000:]}")
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            raise LabError(f"callguard is not ready: {self.log.read_text()[-2000:]}") from error
        self._mark = self.log.stat().st_size

    _mark = 0

    #: How to run callguard.
    callguard = (sys.executable, "-m", "callguard")

    async def reload(self, *, taken_over: bool = True) -> str:
        """Have callguard read its rules anew; returns what it said about it.

        Raises:
            LabError: it did not do as expected.
        """
        mark = self.log.stat().st_size
        os.kill(self.pid, signal.SIGHUP)
        try:
            async with asyncio.timeout(READY_SECONDS):
                while not (said := re.search(r" (not )?reloaded", self._said_since(mark))):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            raise LabError("callguard did not answer to the reload") from error
        if bool(said[1]) is taken_over:
            raise LabError(f"the reload went otherwise: {self._said_since(mark)}")
        return self._said_since(mark)

    def _said_since(self, mark: int) -> str:
        return self.log.read_bytes()[mark:].decode(errors="replace")

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        """The process."""
        if self._process is None or self._process.returncode is not None:
            raise LabError("callguard is not running")
        return self._process.pid

    def freeze(self) -> None:
        """Stop it in its tracks (SIGSTOP)."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    async def kill(self) -> None:
        """SIGKILL."""
        os.kill(self.pid, signal.SIGKILL)
        if self._process is not None:
            await self._process.wait()
        self._mark = self.log.stat().st_size

    async def stop(self, patience: float = LEAVE_SECONDS) -> int:
        """SIGTERM; returns the exit status.

        Args:
            patience: seconds that it may take. One of several sees its callers off first.

        Raises:
            LabError: it does not leave.
        """
        if self._process is None or self._process.returncode is not None:
            return 0
        self._process.terminate()
        try:
            async with asyncio.timeout(patience):
                status = await self._process.wait()
        except TimeoutError as error:
            self._process.kill()
            await self._process.wait()
            raise LabError(f"callguard did not leave: {self.log.read_text()[-2000:]}") from error
        self._mark = self.log.stat().st_size
        return status

    async def close(self) -> None:
        """Stop callguard and remove what it left."""
        try:
            with contextlib.suppress(LabError, ProcessLookupError):
                self.thaw()
            await self.stop()
        finally:
            shutil.rmtree(self.spool, ignore_errors=True)
            shutil.rmtree(self.directory, ignore_errors=True)

    async def __aenter__(self) -> Self:
        await self.build_prompts()
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def calls(self) -> list[dict[str, Any]]:
        """The live calls, as callguard tells at its control socket."""
        calls: list[dict[str, Any]] = (await self.health())["calls"]
        return calls

    async def health(self) -> dict[str, Any]:
        """What callguard tells of itself at its control socket."""
        return await self._asked("/calls")

    async def _asked(self, path: str) -> dict[str, Any]:
        connector = aiohttp.UnixConnector(str(self.directory / "control.sock"))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(f"http://callguard{path}") as response,
        ):
            answer: dict[str, Any] = await response.json()
        return answer

    async def first_prompts(self) -> list[float]:
        """How soon callers heard something: seconds from the hand-over to the first prompt, newest last."""
        seconds: list[float] = (await self._asked("/first-prompts"))["seconds"]
        return seconds

    async def until(self, caller: str, *states: str, asked: int = 0, timeout: float = 30.0) -> None:
        """Wait until the dialogue with a caller is in one of these states.

        Raises:
            LabError: it did not get there in time.
        """
        seen = ""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    for call in await self.calls():
                        if call["caller"] == caller:
                            seen = call["state"]
                            if seen in states and call["asked"] >= asked:
                                return
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            raise LabError(f"the dialogue with {caller} came to {seen!r}, not to {states}") from error

    async def until_entry(self, kind: str, call: str, timeout: float = 10.0) -> dict[str, Any]:
        """Wait until the ledger holds an entry of that kind for a call, and return it.

        Raises:
            LabError: there was none in time.
        """
        try:
            async with asyncio.timeout(timeout):
                while True:
                    for entry in self.entries(call):
                        if entry["kind"] == kind:
                            return entry
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            kinds = [entry["kind"] for entry in self.entries(call)]
            raise LabError(f"no {kind} entry for call {call}, only {kinds}") from error

    def entries(self, call: str | None = None) -> list[dict[str, Any]]:
        """The ledger's entries (of one call), read without callguard's own code."""
        if call is None:
            return self._read("select text from entries order by position")
        return self._read("select text from entries where call = ? order by position", call)

    def calls_of(self, caller: str) -> list[str]:
        """The ids of the calls from a number, and of ours to it; the oldest first."""
        found = []
        arrived = "select text from entries where kind = 'call.arrived' and instr(text, ?) order by position"
        for entry in self._read(arrived, caller):
            body = entry["body"]
            if caller == (body["called"] if body["direction"] == "out" else body["caller"]):
                found.append(str(entry["call"]))
        return found

    def call_of(self, caller: str) -> str:
        """The id of the newest of these calls.

        Raises:
            LabError: there is none.
        """
        if not (found := self.calls_of(caller)):
            raise LabError(f"the ledger knows no call from {caller}")
        return found[-1]

    def _read(self, query: str, *values: str) -> list[dict[str, Any]]:
        with contextlib.closing(
            sqlite3.connect(f"file:{self.directory}/ledger.db?mode=ro", uri=True)
        ) as database:
            return [json.loads(text) for (text,) in database.execute(query, values)]


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)
