"""The vault and the spool of a site, as its configuration names them."""

from __future__ import annotations

from callguard.config import Config
from callguard.recording import Measures, Spool
from callguard.vault import Age, KeyCommand, KeyFile, Keyring, Vault
from callguard.vault.keys import Wrapping


def vault_of(config: Config) -> Vault:
    """The site's vault; call its ``prepare`` before anything is sealed.

    Raises:
        VaultError: a key file is missing, open to others, or none.
    """
    own = config.vault
    current: list[Wrapping] = []
    if own.key.file is not None:
        current.append(KeyFile.load(own.key.file))
    if own.key.command:
        current.append(KeyCommand(command=own.key.command))
    if own.key.age:
        current.append(Age(recipients=own.key.age, identity=own.key.age_identity))
    former = tuple(KeyFile.load(path) for path in own.former_keys)
    ring = Keyring(current=tuple(current), former=former)
    return Vault(recordings=own.directory, keys=own.keys, ring=ring)


def spool_of(config: Config) -> Spool:
    """The spool as configured."""
    own = config.spool
    return Spool(
        directory=own.directory,
        allow_persistent_disk=own.allow_persistent_disk,
        minimum_free=own.minimum_free_mb << 20,
    )


def measures_of(config: Config) -> Measures:
    """How the site's sealer works."""
    own = config.vault
    return Measures(
        look_back=own.look_back_seconds,
        block=own.block_seconds,
        limit=own.spool_seconds,
        keys=config.pause.card_guard.enabled,
    )
