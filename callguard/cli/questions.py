"""Questions to an administrator, asked again until the answer will do."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence

import click

from callguard.law import Table

#: Takes an answer and gives it back as it is to be used; raises ValueError with what would be right.
Check = Callable[[str], str]


class Asker:
    """Answers from options, from the keyboard, or from the defaults."""

    def __init__(self, *, interactive: bool) -> None:
        self._interactive = interactive

    def __call__(
        self, option: str, question: str, given: str | None, default: str | None, check: Check
    ) -> str:
        """One answer, checked.

        Raises:
            click.UsageError: an option will not do, or is needed and nobody can be asked.
        """
        if given is not None:
            return _checked(option, given, check)
        if self._interactive:
            answer: str = click.prompt(question, default=default, value_proc=_asked(check))
            return answer
        if default is None:
            raise click.UsageError(f"--{option} is needed: {question[0].lower()}{question[1:]}")
        return _checked(option, default, check)

    def several(
        self, option: str, question: str, given: Sequence[str], default: str, check: Check
    ) -> tuple[str, ...]:
        """As before; more than one, separated by commas."""

        def check_all(text: str) -> str:
            words = [word.strip() for word in text.split(",") if word.strip()]
            if not words:
                raise ValueError("name at least one")
            return ",".join(dict.fromkeys(check(word) for word in words))

        answer = self(option, f"{question} (with commas)", ",".join(given) or None, default, check_all)
        return tuple(answer.split(","))


def _checked(option: str, value: str, check: Check) -> str:
    try:
        return check(value)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=f"--{option}") from error


def _asked(check: Check) -> Check:
    """Ask again when the answer will not do."""

    def convert(value: str) -> str:
        try:
            return check(value)
        except ValueError as error:
            raise click.UsageError(str(error)) from error

    return convert


def company_name(text: str) -> str:
    """A name that can be spoken in an announcement."""
    name = text.strip()
    if not 1 <= len(name) <= 120 or not name.isprintable() or "[[" in name:
        raise ValueError("it is spoken to callers: 1 to 120 printable characters, without '[['")
    return name


def country_code(text: str) -> str:
    """ISO 3166-1, two letters."""
    import phonenumbers

    code = text.strip().upper()
    if code not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"{text!r} is no country: two letters such as US, DE or GB (ISO 3166-1)")
    return code


def queue_name(text: str) -> str:
    """A queue as the dialplan names it, with room for ``-unrecorded`` behind it."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,52}", text, re.ASCII) is None:
        raise ValueError(f"{text!r} is no name of a queue: letters of a-z, digits and _ . - (53 at most)")
    return text


def ari_url(text: str) -> str:
    """The address of the REST interface, without user and password."""
    if re.fullmatch(r"https?://[\w.:\[\]-]+(/[^\s?#@]*)?", text.strip(), re.ASCII) is None:
        raise ValueError(f"{text!r} is no address: write it as http://127.0.0.1:8088/ari")
    return text.strip()


def one_of(known: Sequence[str]) -> Check:
    """An answer among these."""

    def check(text: str) -> str:
        if text not in known:
            raise ValueError(f"{text!r} is not known: choose among {', '.join(known)}")
        return text

    return check


def state_of(ask: Asker, table: Table, country: str, given: str | None) -> str | None:
    """The part of the country, where parts have laws of their own."""
    parts = [code for code in table.jurisdictions if code.startswith(f"{country}-")]

    def check(text: str) -> str:
        code = text.strip().upper().removeprefix(f"{country}-")
        if code and f"{country}-{code}" not in parts:
            raise ValueError(f"{text!r} is not known: {', '.join(part.partition('-')[2] for part in parts)}")
        return code

    if not parts and given:
        raise click.BadParameter(f"no part of {country} has a law of its own here", param_hint="--state")
    if not parts:
        return None
    code = ask("state", "State or province of the PBX (empty: the strictest of all)", given, "", check)
    return f"{country}-{code}" if code else None


def country_here() -> str | None:
    """The country this machine is set to, as a proposal."""
    for name in ("LC_ALL", "LC_TELEPHONE", "LANG"):
        found = re.match(r"[a-z]{2,3}_([A-Z]{2})\b", os.environ.get(name, ""))
        if found:
            return found[1]
    return None


def usual_language(table: Table, country: str, spoken: Sequence[str]) -> str:
    """The first language of the country that there are texts in."""
    listed = table.effective(table.resolve(country)).languages
    for language in listed:
        for code in (language, language.partition("-")[0]):
            if code in spoken:
                return code
    return "en"
