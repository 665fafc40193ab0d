"""The ledger as the configuration has it: one place for everybody who opens it to write."""

from __future__ import annotations

from pathlib import Path

from callguard.config import Config
from callguard.ledger import Ledger, Settings
from callguard.ledger.privacy import Numbers, Privacy, load_or_create_key
from callguard.ledger.publishing import target_at
from callguard.ledger.webhook import Endpoint, check_secret
from callguard.ledger.writer import Pace

#: How a controller is called in its entries that is the only one of its PBX.
WRITER = "callguard"


def ledger_settings(config: Config, name: str = WRITER) -> Settings:
    """What a ledger needs to know; ``name`` is how this writer is called in its entries.

    Raises:
        LedgerError: a key, a secret or a place for checkpoints cannot be used.
    """
    own, checkpoints = config.ledger, config.ledger.checkpoints
    numbers = Numbers(own.numbers)
    hidden = numbers is not Numbers.PLAIN
    token = checkpoints.authorization.get_secret_value() if checkpoints.authorization else ""
    return Settings(
        url=own.url,
        key_file=Path(own.signing_key) if own.signing_key else None,
        name=name,
        deadline=own.deadline_seconds,
        pace=Pace(seconds=checkpoints.every_seconds, entries=checkpoints.every_entries),
        targets=tuple(target_at(place, token) for place in checkpoints.to),
        endpoints=tuple(
            Endpoint(
                name=who,
                url=endpoint.url,
                secrets=tuple(check_secret(secret.get_secret_value()) for secret in endpoint.secrets),
                events=endpoint.events,
                timeout=endpoint.timeout_seconds,
                give_up_after=endpoint.give_up_after_days * 86400,
                at_once=endpoint.at_once,
            )
            for who, endpoint in own.endpoints.items()
        ),
        privacy=Privacy(numbers, load_or_create_key(own.numbers_key)) if hidden else Privacy(),
    )


def ledger_of(config: Config, name: str = WRITER) -> Ledger:
    """The site's ledger, to be opened as a context.

    Raises:
        LedgerError: see ``ledger_settings``.
    """
    return Ledger(ledger_settings(config, name))
