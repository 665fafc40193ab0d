"""What a site needs on its own machine besides its configuration: directories, and the key of its vault."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from callguard.config import Config
from callguard.errors import ConfigError
from callguard.ledger.database import file_of, parse_url
from callguard.recording.spool import ACCOUNT
from callguard.vault import KeyFile

#: For callguard alone; for its group, which Asterisk is in, as well; for everybody: announcements.
ALONE, GROUP, EVERYBODY = 0o700, 0o750, 0o755


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The account that callguard runs as."""

    user: int
    group: int

    @classmethod
    def here(cls) -> Owner | None:
        """Callguard's own account when root asks and there is one; else None: what is made is ours."""
        if os.geteuid() != 0:
            return None
        try:
            found = pwd.getpwnam(ACCOUNT)
        except KeyError:
            return None
        return cls(user=found.pw_uid, group=found.pw_gid)


def of_vault(config: Config) -> dict[Path, int]:
    """The directories of sealed recordings and of what opens them, with the mode that each needs."""
    vault = config.vault
    if not vault.enabled:
        return {}
    wanted = {vault.directory: GROUP, vault.keys: ALONE}
    if vault.key.file is not None:
        wanted[vault.key.file.parent] = ALONE
    return wanted


def of_site(config: Config) -> dict[Path, int]:
    """All directories of a site that outlast a restart of the machine."""
    wanted = {config.control.state: GROUP, config.prompts.directory: EVERYBODY}
    if config.ledger.numbers != "plain":
        wanted[config.ledger.numbers_key.parent] = ALONE
    for url in (config.ledger.url, config.law.register_url):
        file = file_of(parse_url(url))
        if file is not None:
            wanted[file.parent] = GROUP
    return wanted | of_vault(config)


def make_directories(wanted: Mapping[Path, int], owner: Owner | None) -> list[Path]:
    """Make what is missing; returns what could not be made. What is there stays as it is."""
    lacking = []
    for path in sorted(wanted):
        try:
            _make(path, wanted, owner)
        except OSError:
            lacking.append(path)
    return lacking


def make_key(file: Path, owner: Owner | None) -> bool:
    """Make the site's key; returns False if it was there: a key is never touched.

    Raises:
        VaultError: it cannot be written.
    """
    if file.exists():
        return False
    KeyFile.create(file)
    if owner is not None:
        os.chown(file, owner.user, owner.group)
    return True


def about_key(file: Path, *, made: bool) -> str:
    """What has to be known of the key."""
    news = "is the new key of this site" if made else "was there before, and stays the key of this site"
    return (
        f"{file} {news}: nothing else opens its recordings.\n"
        "Keep a copy of it in a safe place, apart from the backups of the vault: whoever has both can listen."
    )


def give_group(paths: Iterable[Path], owner: Owner | None) -> None:
    """Let callguard read files that root wrote.

    Raises:
        ConfigError: their group cannot be changed.
    """
    if owner is None:
        return
    for path in paths:
        try:
            os.chown(path, -1, owner.group)
        except OSError as error:
            raise ConfigError(
                f"{path}: cannot be given to the group of {ACCOUNT} ({error.strerror}); run: "
                f"chgrp {ACCOUNT} {path}"
            ) from error


def _make(path: Path, wanted: Mapping[Path, int], owner: Owner | None) -> None:
    if path.is_dir():
        return
    if not path.parent.is_dir():
        _make(path.parent, wanted, owner)
    path.mkdir(mode=ALONE)
    if owner is not None:
        os.chown(path, owner.user, owner.group)
    path.chmod(wanted.get(path, EVERYBODY))
