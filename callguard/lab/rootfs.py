"""Gets a whole Asterisk into a directory: bootstrapped once with mmdebstrap, then cached.

There is one for each branch that the product is tried on: the newest, and the oldest that it works with. It
must never touch the host's own packages: everything lands below one cache directory.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from callguard.errors import LabError

PACKAGES = ("asterisk", "asterisk-modules")
#: The branch of Asterisk that runs where nobody says otherwise, and the variable by which somebody does.
NEWEST = 22
BRANCH_VARIABLE = "CALLGUARD_LAB_ASTERISK"
#: Names the directory where the bootstrapped system is kept.
CACHE_VARIABLE = "CALLGUARD_LAB_CACHE"
SYSTEM_CACHE = Path("/var/cache/callguard")
STAMP = "callguard-recipe"
#: Seconds a bootstrap may take; 21 to 25 s were measured with a near mirror.
BUILD_DEADLINE = 900.0
#: Seconds that a mirror may say nothing.
MIRROR_PATIENCE = 30
#: Seconds between two looks at a lock that another run holds.
LOCK_POLL = 0.5

#: The multiarch directory and the loader's name, by machine.
_MACHINES = {
    "x86_64": ("x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
    "aarch64": ("aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
}

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Where a branch of Asterisk comes from."""

    branch: int
    suite: str  #: the Debian release that carries it
    modules: str  #: where its package puts the modules, in the tree; ``{machine}`` is the multiarch directory

    @property
    def name(self) -> str:
        """The directory of the cache that it is built into."""
        return f"asterisk{self.branch}"

    @property
    def stamp(self) -> str:
        """Changes whenever something else would be built."""
        return hashlib.sha256("\0".join((self.suite, *PACKAGES, *_machine())).encode()).hexdigest()


#: Debian 12 and 13 carry no Asterisk at all.
RECIPES: Mapping[int, Recipe] = {
    recipe.branch: recipe
    for recipe in (
        # 22.10.1 in 2026-11.
        Recipe(branch=22, suite="forky", modules="usr/lib/{machine}/asterisk/modules"),
        # 16.28.0, from the release's security updates.
        Recipe(branch=16, suite="bullseye", modules="usr/lib/asterisk/modules"),
    )
}


class BootstrapError(LabError):
    """mmdebstrap could not build an Asterisk: most often its mirror cannot be reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AsteriskBuild:
    """An Asterisk that can be started from where it lies."""

    root: Path  #: the directory tree it was installed into
    branch: int  #: such as 22
    version: str  #: as Asterisk itself says, such as ``22.10.1``

    @property
    def modules(self) -> Path:
        """Asterisk's loadable modules."""
        return self.root / RECIPES[self.branch].modules.format(machine=_machine()[0])

    @property
    def share(self) -> Path:
        """Asterisk's sounds, documentation and API descriptions."""
        return self.root / "usr/share/asterisk"

    def command(self, *arguments: str) -> list[str]:
        """The command line that runs this Asterisk with the tree's own loader and libraries."""
        return [*_runner(self.root), *arguments]


def wanted_branch() -> int:
    """The branch of Asterisk that the PBX under test is to run: the newest, or what the variable names.

    Raises:
        LabError: the variable names one that there is no recipe for.
    """
    named = os.environ.get(BRANCH_VARIABLE) or str(NEWEST)
    if named not in {str(branch) for branch in RECIPES}:
        raise LabError(
            f"{BRANCH_VARIABLE} is {named!r}, and the lab can build only Asterisk "
            f"{' and '.join(map(str, sorted(RECIPES)))}: set it to one of these, or unset it."
        )
    return int(named)


async def ensure_asterisk(progress: Progress, branch: int = NEWEST) -> AsteriskBuild:
    """Return the cached Asterisk of a branch; build it first when there is none of this recipe.

    Args:
        progress: is told, in a sentence, what is being waited for.
        branch: one of those that there is a recipe for.

    Raises:
        BootstrapError: mmdebstrap failed.
        LabError: mmdebstrap is missing, or the machine is of an unknown kind.
    """
    recipe = RECIPES[branch]
    target = cache_directory() / recipe.name
    ready = await _usable(target, recipe)
    if ready is not None:
        return ready
    async with _lock(target, recipe, progress):
        ready = await _usable(target, recipe)
        if ready is None:
            await _bootstrap(target, recipe, progress)
            ready = await _usable(target, recipe)
    if ready is None:
        raise LabError(f"The Asterisk built in {target} does not start; remove that directory and try again.")
    return ready


def cache_directory() -> Path:
    """Where the bootstrapped system is kept: by variable, system-wide, else in the user's own cache."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).absolute()
    if (SYSTEM_CACHE / RECIPES[NEWEST].name).exists() or os.access(SYSTEM_CACHE.parent, os.W_OK):
        return SYSTEM_CACHE
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "callguard"


def _machine() -> tuple[str, str]:
    try:
        return _MACHINES[platform.machine()]
    except KeyError:
        raise LabError(
            f"The lab knows no Asterisk for {platform.machine()} machines, only for {', '.join(_MACHINES)}."
        ) from None


def _runner(root: Path) -> list[str]:
    directory, loader = _machine()
    # The first two are different places in bullseye, and the third has a library of its Asterisk's own.
    libraries = [root / "lib" / directory, root / "usr/lib" / directory, root / "usr/lib"]
    path = ":".join(map(str, libraries))
    return [str(libraries[0] / loader), "--library-path", path, str(root / "usr/sbin/asterisk")]


def _bootstrap_command(target: Path, recipe: Recipe) -> list[str]:
    command = [
        "mmdebstrap",
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        # A mirror that lags behind is still good enough for a laboratory.
        '--aptopt=Acquire::Check-Valid-Until "false"',
        # A mirror that cannot be reached is soon known.
        f'--aptopt=Acquire::http::Timeout "{MIRROR_PATIENCE}"',
        # Written by mmdebstrap, because without root the tree belongs to mapped users.
        f'--customize-hook=echo {recipe.stamp} >"$1/{STAMP}"',
        recipe.suite,
        str(target),
    ]
    if os.geteuid() == 0:
        return command
    if shutil.which("sudo"):
        return ["sudo", *command]
    return [command[0], "--mode=unshare", *command[1:]]


async def _usable(target: Path, recipe: Recipe) -> AsteriskBuild | None:
    """What lies at ``target``, when it runs and is of today's recipe (or was put there without a stamp)."""
    if not _of_recipe(target, recipe):
        return None
    code, text = await _run([*_runner(target), "-V"], deadline=20.0)
    words = text.split()
    if code != 0 or len(words) < 2 or words[0] != "Asterisk":
        return None
    version = words[1].split("+")[0].split("~")[0]
    return AsteriskBuild(root=target, branch=recipe.branch, version=version)


def _of_recipe(target: Path, recipe: Recipe) -> bool:
    if not _exists(Path(_runner(target)[-1])):
        return False
    stamp = target / STAMP
    return not stamp.exists() or stamp.read_text().strip() == recipe.stamp


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError as error:
        raise LabError(
            f"Cannot look into the lab's cache at {path}: {error.strerror}. Set {CACHE_VARIABLE} to a "
            "directory of yours."
        ) from error


async def _bootstrap(target: Path, recipe: Recipe, progress: Progress) -> None:
    if shutil.which("mmdebstrap") is None:
        raise LabError(
            f"mmdebstrap is missing, and there is no Asterisk {recipe.branch} in {target}. Install it with "
            f"`apt-get install mmdebstrap`, or set {CACHE_VARIABLE} to a directory that holds {recipe.name}/."
        )
    building = target.with_name(f"{target.name}.building-{os.getpid()}")
    command = _bootstrap_command(building, recipe)
    progress(f"Building an Asterisk {recipe.branch} of its own in {target} (about 350 MB, once)")
    started = time.monotonic()
    try:
        code, text = await _run(command, deadline=BUILD_DEADLINE, progress=progress)
        if code != 0:
            tail = "\n".join(text.splitlines()[-15:])
            raise BootstrapError(
                f"mmdebstrap could not build Asterisk {recipe.branch} in {building} (status {code}). Check "
                f"that a Debian mirror with {recipe.suite} can be reached, then try again. It said:\n{tail}"
            )
        await _remove(target)
        await _checked(*_as_root("mv", "-T", str(building), str(target)))
    finally:
        try:
            await _remove(building)
        except LabError as error:
            # Says so instead of hiding what went wrong before it.
            progress(f"Could not remove {building}: {error}")
    progress(f"Built Asterisk {recipe.branch} in {time.monotonic() - started:.0f} s")


def _as_root(*command: str) -> list[str]:
    """The command, run as whoever mmdebstrap ran as."""
    if os.geteuid() != 0 and shutil.which("sudo"):
        return ["sudo", *command]
    return list(command)


async def _remove(directory: Path) -> None:
    """Remove a tree this module built, if it is there; without root, its files belong to mapped users."""
    if not _exists(directory):
        return
    command = _as_root("rm", "-rf", "--one-file-system", str(directory))
    if command[0] != "sudo" and os.geteuid() != 0:
        command = ["unshare", "--map-auto", "--map-root-user", *command]
    await _checked(*command)


async def _checked(*command: str) -> None:
    code, text = await _run(command, deadline=120.0)
    if code != 0:
        raise LabError(f"`{' '.join(command)}` failed with status {code}: {text.strip()}")


async def _run(
    command: Sequence[str], *, deadline: float, progress: Progress | None = None
) -> tuple[int, str]:
    """Run a command to its end; give its status and what it wrote."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    lines: list[str] = []
    try:
        async with asyncio.timeout(deadline):
            while process.stdout and (raw := await process.stdout.readline()):
                line = raw.decode(errors="replace").rstrip()
                lines.append(line)
                if progress is not None and line.startswith("I: "):
                    progress(line.removeprefix("I: "))
            code = await process.wait()
    except TimeoutError:
        raise LabError(f"`{' '.join(command)}` did not end within {deadline:.0f} s.") from None
    finally:
        if process.returncode is None:
            # SIGTERM lets mmdebstrap unmount and clean up what it began.
            process.terminate()
            await process.wait()
    return code, "\n".join(lines)


@contextlib.asynccontextmanager
async def _lock(target: Path, recipe: Recipe, progress: Progress) -> AsyncIterator[None]:
    """Keep two runs from building at once; the kernel frees the lock of a run that died."""
    parent = target.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(parent / f"{target.name}.lock", os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        raise LabError(
            f"Cannot write the lab's cache {parent}: {error.strerror}. Set {CACHE_VARIABLE} to a "
            "directory of yours."
        ) from error
    told = False
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    progress(f"Another run is building Asterisk {recipe.branch} in {target}; waiting for it")
                    told = True
                await asyncio.sleep(LOCK_POLL)
        yield
    finally:
        os.close(descriptor)
