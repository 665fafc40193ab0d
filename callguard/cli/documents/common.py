"""What the policy and the agents' sheet say in the same words."""

from __future__ import annotations

from collections.abc import Iterator

from callguard.cli.documents.facts import SiteFacts


def payments(facts: SiteFacts) -> Iterator[str]:
    """How card data stays out of recordings, and what that does not mean."""
    unrecorded = ", ".join(dict.fromkeys(queue.unrecorded for queue in facts.queues))
    yield (
        "Card numbers and security codes must not be on a recording. Before they are spoken or keyed, the "
        "recording is paused or ended, or the caller is put through to a queue that is not recorded "
        f"({unrecorded}). A pause ends only after the payment."
    )
    yield (
        "callguard helps to keep card data out of recordings. It does not make anybody compliant with PCI "
        "DSS: which requirements apply, and whether they are met, is for you and your assessor to establish."
    )


def named(facts: SiteFacts, key: str) -> str:
    """Who is to be named here; a blank with its key where the configuration names nobody."""
    return getattr(facts.config.policy, key) or f"____________ (set policy.{key})"
