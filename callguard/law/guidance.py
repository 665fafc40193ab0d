"""What regulators and practitioners ask of whoever records, rule by rule, and whether software can do it.

The tests say which of these rules they prove; a rule that no test proves carries the reason here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from callguard.law.reading import read


@dataclass(frozen=True, slots=True, kw_only=True)
class Guidance:
    """One thing that is asked of whoever records."""

    id: str
    applies: str  #: ``all``, or codes of the table
    asks: str
    out_of_scope: str = ""  #: why callguard does not see to it; empty when it does


@cache
def guidance() -> tuple[Guidance, ...]:
    """Every rule, in the order of the texts that it stems from."""
    name = "guidance.yaml"
    listed = read((files(__package__) / name).read_text(encoding="utf-8"), name).mapping["rules"]
    return tuple(Guidance(**rule) for rule in listed)  # type: ignore[attr-defined]
