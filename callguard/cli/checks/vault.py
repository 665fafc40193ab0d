"""Whether recordings can be sealed and opened, and whether what opens them lies apart from them."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from callguard.cli.checks.finding import Finding, advice, fault, ok, warning
from callguard.config import Config
from callguard.controller.keeping import vault_of
from callguard.vault import RecordingKey, Vault, VaultError

#: Bytes that a second of a sealed call takes: FLAC halves the 32000 of two channels.
SEALED_SECOND = 16_000

#: Hours for which the vault's disk should last with all expected calls, and must.
NEARLY_FULL_HOURS = 24
FULL_HOURS = 1


def check_vault(config: Config) -> list[Finding]:
    """The vault, its keys, and the disk that it lies on."""
    own = config.vault
    if not own.enabled:
        what = "nothing is sealed: recordings stay in the spool in the clear, and are lost with a restart"
        return [warning("vault", what, "vault.enabled", "set it to yes, then: callguard vault new-key")]
    try:
        vault = vault_of(config)
    except VaultError as error:
        return [fault("vault key", str(error), "vault.key", "see there; without it nothing is recorded")]
    return [*_locks(vault), *_apart(config), *_private(config), *_disk(config)]


def _locks(vault: Vault) -> list[Finding]:
    """Lock a key away that locks nothing, and get it back."""
    key = RecordingKey.generate()
    try:
        wrapped = vault.ring.wrap("trial-1", key)
    except VaultError as error:
        return [fault("vault key", str(error), "vault.key", "mend it: without it nothing is recorded")]
    try:
        same = vault.ring.unwrap("trial-1", wrapped) == key
    except VaultError as error:
        what = f"this machine seals what it cannot open: {error}"
        return [advice("vault key", what, "vault.key", "open recordings where the private keys are")]
    if not same:
        what = "the key service gives back another key than it was given"
        return [fault("vault key", what, "vault.key.command", "mend it: what is sealed now cannot be opened")]
    return [ok("vault key", "locks the keys of recordings away, and opens them")]


def _apart(config: Config) -> list[Finding]:
    """Whether a copy of the recordings would bring along what opens them; links are followed."""
    own = config.vault
    vault = own.directory.resolve()
    inside = {
        name: path
        for name, path in {"vault.keys": own.keys, "vault.key.file": own.key.file}.items()
        if path is not None and path.resolve().is_relative_to(vault)
    }
    return [
        fault(
            "vault key",
            f"lies within the vault ({vault}): a copy of the recordings brings along what opens them",
            f"{name}: {path}",
            "move it out of there, name its new place, and take it out of the copies that there are",
        )
        for name, path in inside.items()
    ]


def _private(config: Config) -> list[Finding]:
    """Whether callguard alone may look at keys, its group at recordings, and callguard may write both."""
    own = config.vault
    findings = []
    for path, forbidden, mode in ((own.directory, stat.S_IRWXO, "750"), (own.keys, stat.S_IRWXO, "700")):
        if not path.exists():
            place = _nearest(path)
            if not os.access(place, os.W_OK | os.X_OK):
                what = f"is not there, and this account cannot make it in {place}"
                findings.append(fault("vault", what, str(path), f"install -d -o callguard -m {mode} {path}"))
        elif not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            what = "cannot be written by this account: nothing would be sealed"
            findings.append(
                fault("vault", what, str(path), f"chown -R callguard {path}, or run doctor as it")
            )
        elif path.stat().st_mode & forbidden:
            what = "everybody on this machine can look into it"
            findings.append(warning("vault", what, str(path), f"chmod {mode} {path}"))
    file = own.key.file
    if file is not None and file.parent.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        what = "others may put another key in its place"
        findings.append(warning("vault key", what, str(file.parent), f"chmod 700 {file.parent}"))
    return findings or [
        ok("vault", "can be written by callguard, and not be read by others", str(own.directory))
    ]


def _disk(config: Config) -> list[Finding]:
    place = _nearest(config.vault.directory)
    free = shutil.disk_usage(place).free
    calls = config.spool.expected_calls
    hours = free / (SEALED_SECOND * 3600 * calls)
    what = f"{free >> 30} GiB free: {hours:.0f} hours of {calls} calls at once (spool.expected_calls)"
    if hours < FULL_HOURS:
        return [fault("vault disk", what, str(place), "make room: when it is full, calls go on unrecorded")]
    if hours < NEARLY_FULL_HOURS:
        return [warning("vault disk", what, str(place), "make room before it is full")]
    return [ok("vault disk", what, str(place))]


def _nearest(path: Path) -> Path:
    """The place itself, or the nearest directory above it that exists."""
    return path if path.exists() else _nearest(path.parent)
