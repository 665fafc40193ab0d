"""What the plans of tests are made of."""

from __future__ import annotations

from callguard.consent import Prompt
from callguard.consent.words import Basis

BASIS = Basis(jurisdictions=("ZZ",), rule="all-party", table="test")


def prompt(name: str) -> Prompt:
    """One that lasts two seconds."""
    return Prompt(name=name, language="en", media=(f"sound:{name}",), sha256="0" * 64, seconds=2.0)
