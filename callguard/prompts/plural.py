"""Plural forms of whole numbers, by the cardinal rules of Unicode CLDR.

Each language file names its rule; the rules that concern only fractions, zero or millions are left out,
because a retention is a whole number of days, months or years.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PluralRule:
    """The forms a rule can ask for, which of them means exactly one number, and the choice itself."""

    forms: tuple[str, ...]
    choose: Callable[[int], str]
    exact: frozenset[str] = frozenset({"one"})  #: forms that stand for a single number and may spell it out


def _czech(n: int) -> str:
    return "one" if n == 1 else "few" if 2 <= n <= 4 else "other"


def _east_slavic(n: int) -> str:
    if n % 10 == 1 and n % 100 != 11:
        return "one"
    return "few" if 2 <= n % 10 <= 4 and not 12 <= n % 100 <= 14 else "many"


def _polish(n: int) -> str:
    if n == 1:
        return "one"
    return "few" if 2 <= n % 10 <= 4 and not 12 <= n % 100 <= 14 else "many"


def _south_slavic(n: int) -> str:
    form = _east_slavic(n)
    return "other" if form == "many" else form


def _slovene(n: int) -> str:
    return {1: "one", 2: "two", 3: "few", 4: "few"}.get(n % 100, "other")


def _lithuanian(n: int) -> str:
    if 11 <= n % 100 <= 19 or n % 10 == 0:
        return "other"
    return "one" if n % 10 == 1 else "few"


def _latvian(n: int) -> str:
    return "one" if n % 10 == 1 and n % 100 != 11 else "other"


def _romanian(n: int) -> str:
    if n == 1:
        return "one"
    return "few" if n == 0 or 1 <= n % 100 <= 19 else "other"


PLURALS: Mapping[str, PluralRule] = {
    "none": PluralRule(("other",), lambda _: "other"),
    "one-other": PluralRule(("one", "other"), lambda n: "one" if n == 1 else "other"),
    "icelandic": PluralRule(("one", "other"), _latvian, frozenset()),
    "latvian": PluralRule(("one", "other"), _latvian, frozenset()),
    "czech": PluralRule(("one", "few", "other"), _czech),
    "polish": PluralRule(("one", "few", "many"), _polish),
    "east-slavic": PluralRule(("one", "few", "many"), _east_slavic, frozenset()),
    "south-slavic": PluralRule(("one", "few", "other"), _south_slavic, frozenset()),
    "slovene": PluralRule(("one", "two", "few", "other"), _slovene, frozenset()),
    "lithuanian": PluralRule(("one", "few", "other"), _lithuanian, frozenset()),
    "romanian": PluralRule(("one", "few", "other"), _romanian),
}
