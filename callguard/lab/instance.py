"""One Asterisk in a directory of its own: started, watched, asked, frozen, killed, stopped.

It only ever ends the process it started, and that process dies with this one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import secrets
import shlex
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import jinja2

from callguard.errors import LabError
from callguard.lab.ports import PortLease
from callguard.lab.rootfs import AsteriskBuild

TEMPLATES = Path(__file__).parent / "etc"
#: Seconds for a boot; 0.3 s were measured on two idle cores.
START_DEADLINE = 30.0
#: Seconds an Asterisk gets to end by itself before it is killed.
STOP_DEADLINE = 5.0
#: Seconds between two looks at whether the console socket is there yet.
BOOT_POLL = 0.01
#: A Unix socket's path may have 107 bytes on Linux (sockaddr_un).
SOCKET_PATH_LIMIT = 107
#: Open files Asterisk may have, where the machine allows as many.
MOST_FILES = 65536
#: Sound files the tree links by absolute path, which leads nowhere outside a chroot.
ENGLISH = "sounds/en_US_f_Allison"


@dataclass(frozen=True, slots=True, kw_only=True)
class AriSettings:
    """How to reach an instance's ARI."""

    url: str  #: such as ``http://127.0.0.1:12001/ari``
    username: str
    password: str = field(repr=False)

    @property
    def headers(self) -> Mapping[str, str]:
        """What a request has to carry."""
        return {"Authorization": aiohttp.encode_basic_auth(self.username, self.password)}


@dataclass(frozen=True, slots=True, kw_only=True)
class AmiSettings:
    """How to reach an instance's manager interface."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)


class Instance:
    """An Asterisk with its configuration, sockets, logs and data below one directory.

    Args:
        build: the Asterisk to run.
        directory: is made, and belongs to this instance alone.
        lease: its ports; `stop` does not release them.
        conf: more text for its configuration files, by file name (``{"features.conf": "..."}``).
    """

    kind: str  #: names the directory of templates

    def __init__(
        self,
        build: AsteriskBuild,
        directory: Path,
        lease: PortLease,
        *,
        conf: Mapping[str, str] | None = None,
    ) -> None:
        self.build = build
        self.directory = directory
        self.ports = lease.ports
        self.ari = AriSettings(
            url=f"http://127.0.0.1:{self.ports.http}/ari",
            username="callguard",
            password=secrets.token_hex(12),
        )
        self.ami = AmiSettings(
            host="127.0.0.1", port=self.ports.ami, username="callguard", password=secrets.token_hex(12)
        )
        self._conf = dict(conf or {})
        self._process: asyncio.subprocess.Process | None = None

    def values(self) -> dict[str, Any]:
        """What the templates may name; each kind adds its own."""
        modules = [
            name
            for name, *since in map(str.split, (TEMPLATES / "common/modules.txt").read_text().splitlines())
            # A second word is the first branch that has the module.
            if not since or int(since[0]) <= self.build.branch
        ]
        return {
            "build": self.build,
            "directory": self.directory,
            "name": self.kind,
            "ports": self.ports,
            "ari": self.ari,
            "ami": self.ami,
            "modules": modules,
            # Each leg of a call holds a handful of sockets and files; the usual 1024 end at 150 calls.
            "open_files": min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], MOST_FILES),
        }

    @property
    def pid(self) -> int:
        """The running process.

        Raises:
            LabError: it does not run.
        """
        if self._process is None or self._process.returncode is not None:
            raise LabError(f"The lab's {self.kind} is not running: start it first.{self._tail()}")
        return self._process.pid

    async def start(self) -> None:
        """Start, and return when fully booted and both ARI and the manager interface answer.

        Raises:
            LabError: it ended or did not answer in time; the end of its log is in the message.
        """
        self.write_conf()
        output = (self.directory / "log/output").open("wb")
        with output:
            self._process = await asyncio.create_subprocess_exec(
                *await self._command(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # A Ctrl-C at the terminal is for us alone; we stop what we started.
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(START_DEADLINE):
                await self._booted(self._process)
        except TimeoutError:
            await self.kill()
            raise LabError(
                f"The lab's {self.kind} did not answer within {START_DEADLINE:.0f} s.{self._tail()}"
            ) from None
        except BaseException:
            await self.kill()
            raise

    async def stop(self) -> None:
        """Stop, gently first. Does nothing when it does not run."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)
        try:
            async with asyncio.timeout(STOP_DEADLINE):
                await process.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """End it by SIGKILL, as a crash would."""
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def freeze(self) -> None:
        """Stop its clock (SIGSTOP)."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    async def cli(self, command: str, *, deadline: float = 10.0) -> str:
        """Run one console command and return what it prints.

        Raises:
            LabError: no Asterisk answers on the console.
        """
        process = await asyncio.create_subprocess_exec(
            *self._asterisk("-rx", command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(deadline):
                output, _ = await process.communicate()
        except TimeoutError:
            raise LabError(
                f"The lab's {self.kind} did not answer `{command}` within {deadline:.0f} s.{self._tail()}"
            ) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        text = output.decode(errors="replace").strip()
        if process.returncode != 0:
            raise LabError(f"The lab's {self.kind} refused `{command}`: {text}{self._tail()}")
        return text

    def log_tail(self, lines: int = 30) -> str:
        """The end of its log, and what it wrote before it had one."""
        text = ""
        for name in ("output", "messages.log"):
            path = self.directory / "log" / name
            if path.exists():
                text += path.read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def write_conf(self) -> None:
        """Render every configuration file and the directories they name."""
        for name in ("etc", "run", "log", "spool/recording", "var/keys", "cache", "data/sounds"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        console = self.directory / "run/asterisk.ctl"
        if len(os.fsencode(console)) > SOCKET_PATH_LIMIT:
            raise LabError(
                f"The lab's directory {self.directory} has too long a path for a socket: use a shorter one."
            )
        for link, target in (
            ("data/documentation", "documentation"),
            ("data/rest-api", "rest-api"),
            ("data/sounds/en", ENGLISH),
        ):
            path = self.directory / link
            if not path.is_symlink():
                path.symlink_to(self.build.share / target)
        values = self.values()
        texts: dict[str, str] = {}
        for folder in ("common", self.kind):
            for template in sorted((TEMPLATES / folder).glob("*.conf.j2")):
                # PBX syntax is full of ${...} and #include; only Jinja's own marks are ours.
                texts[template.stem] = jinja2.Template(
                    template.read_text(), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
                ).render(values)
        for name in {*texts, *self._conf}:
            self.write_file(name, texts.get(name, "") + self._conf.get(name, ""))

    def write_file(self, name: str, text: str) -> None:
        """Write one configuration file; a running Asterisk reads it on its next reload."""
        path = self.directory / "etc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(text)

    def _asterisk(self, *arguments: str) -> list[str]:
        return self.build.command("-C", str(self.directory / "etc/asterisk.conf"), *arguments)

    async def _command(self) -> list[str]:
        # Every step is an exec, so that the process we hold is Asterisk itself.
        command = ["setpriv", "--pdeathsig", "KILL", *self._asterisk("-f")]
        if await _hostname_resolves():
            return command
        # Asterisk looks its host's name up on each call; where that fails, each call waits for DNS.
        inner = f"hostname localhost && exec {shlex.join(command)}"
        mapping = [] if os.geteuid() == 0 else ["--map-root-user"]
        return ["unshare", *mapping, "--uts", "sh", "-c", inner]

    async def _booted(self, process: asyncio.subprocess.Process) -> None:
        ended = asyncio.create_task(process.wait())
        ready = asyncio.create_task(self._answers())
        try:
            await asyncio.wait((ended, ready), return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                raise LabError(
                    f"The lab's {self.kind} ended while it booted (status {ended.result()}).{self._tail()}"
                )
            ready.result()
        finally:
            for task in (ended, ready):
                task.cancel()
            await asyncio.gather(ended, ready, return_exceptions=True)

    async def _answers(self) -> None:
        while not (await self._booted_console() and await self._open_doors()):  # noqa: ASYNC110 - see below
            # A socket's birth has no event to wait for.
            await asyncio.sleep(BOOT_POLL)

    async def _booted_console(self) -> bool:
        """Ask on the console, if it is there yet, and wait for the answer.

        Connecting just to see whether anybody listens is fatal: in early boot Asterisk 22 writes its
        greeting to the closed socket and dies of SIGPIPE.
        """
        if not (self.directory / "run/asterisk.ctl").exists():
            return False
        try:
            await self.cli("core waitfullybooted", deadline=START_DEADLINE)
        except LabError:
            return False
        return True

    async def _open_doors(self) -> bool:
        """Whether ARI knows us and the manager interface greets us."""
        try:
            async with (
                aiohttp.ClientSession(headers=self.ari.headers) as session,
                session.get(f"{self.ari.url}/asterisk/ping") as answer,
            ):
                known = answer.status == 200
            reader, writer = await asyncio.open_connection(self.ami.host, self.ami.port)
            with contextlib.closing(writer):
                return known and (await reader.readline()).startswith(b"Asterisk Call Manager")
        except (OSError, aiohttp.ClientError):
            return False

    def _tail(self) -> str:
        tail = self.log_tail()
        return f"\nThe end of its log in {self.directory}/log:\n{tail}" if tail else ""


async def _hostname_resolves() -> bool:
    """Whether the machine knows its own name at once, without asking a server that may not answer."""
    try:
        async with asyncio.timeout(0.5):
            await asyncio.get_running_loop().getaddrinfo(socket.gethostname(), None)
    except (OSError, TimeoutError):
        return False
    return True
