"""What a laboratory site keeps of its calls: in the spool while they last, in the vault afterwards."""

from __future__ import annotations

import asyncio
import re
import tempfile
from pathlib import Path

import soundfile

from callguard.errors import LabError
from callguard.lab.audio import Samples
from callguard.vault import KeyFile, Keyring, Vault, VaultError, export

#: The name of a call at the front of a file of the spool.
_OF_CALL = re.compile(r"(.+?)(-in\.sln|-out\.sln|-head\.wav|-[0-9]+\.(json|head|new))")

#: Seconds between two looks at whether a recording is finished: another process writes it.
_LOOK = 0.05


def vault_at(directory: Path, keys: Path, key: Path) -> Vault:
    """A vault on this machine, with one key file."""
    return Vault(recordings=directory, keys=keys, ring=Keyring(current=(KeyFile.load(key),)))


def kept(spool: Path, vault: Path) -> set[str]:
    """The calls of which there is anything to listen to; what was destroyed is not counted."""
    found = set()
    for path in spool.rglob("*"):
        if path.is_file():
            known = _OF_CALL.fullmatch(path.name)
            found.add(known[1] if known else path.name)
    for directory in vault.glob("??/*"):
        if any(path.name != "certificate.json" for path in directory.iterdir()):
            found.add(directory.name.rpartition("-")[0])
    return found


async def exported(
    vault: Vault, spool: Path, call: str, *, head: bool, timeout: float
) -> tuple[Samples, Samples, int]:
    """Caller, agent and rate of a call's recordings, one behind the other, once all are sealed to their end.

    Raises:
        LabError: they are not in time, or do not open.
    """
    try:
        async with asyncio.timeout(timeout):
            while not _sealed(vault, spool, call):  # noqa: ASYNC110 - see _LOOK
                await asyncio.sleep(_LOOK)
    except TimeoutError:
        raise LabError(f"the recording of call {call} is not in the vault after {timeout:g} s") from None
    try:
        return await asyncio.to_thread(_read, vault, call, head=head)
    except VaultError as error:
        raise LabError(f"the recording of call {call} does not open: {error}") from error


def _sealed(vault: Vault, spool: Path, call: str) -> bool:
    try:
        finished = all(vault.is_finished(name) for name in vault.of_call(call))
        return finished and not any(spool.glob(f"{call}*"))
    except VaultError:
        return False


def _read(vault: Vault, call: str, *, head: bool) -> tuple[Samples, Samples, int]:
    # In memory, like everything that is to be listened to.
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        done = export(
            [vault.open(name) for name in vault.of_call(call)], Path(directory) / "a.wav", head=head
        )
        samples, rate = soundfile.read(done.path, dtype="float32", always_2d=True)
    return samples[:, 0], samples[:, 1], rate
