"""The forms that values of the configuration have, each with the words that an error uses for it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from callguard.config.yamlfile import Place


class Misplaced(ValueError):  # noqa: N818 - the name says what happened
    """Values that do not go together; ``place`` is the one to change, below the section that is checked."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.place = place


def form(pattern: str, words: str) -> Any:
    """Text of this form; ``words`` say what would be right."""

    def check(value: str) -> str:
        if re.fullmatch(pattern, value, re.ASCII) is None:
            raise ValueError(words)
        return value

    return AfterValidator(check)


def _absolute(path: Path) -> Path:
    if not path.is_absolute() or ".." in path.parts:
        raise ValueError("must be a path from the root; write it with a leading '/' and without '..'")
    return path


def _for_pbx(path: Path) -> Path:
    if re.fullmatch(r"/[\w./+@-]*", str(_absolute(path)), re.ASCII) is None:
        # "," ends a media URI and ")" an option of MixMonitor; "$" and ";" mean something in a dialplan.
        raise ValueError("Asterisk cannot use this path; use only letters, digits and . _ - + @ / in it")
    return path


#: A name that may stand in a dialplan variable: letters, digits, underscore, dash, dot.
Name = Annotated[
    str,
    form(
        r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}",
        "is no name for a dialplan; begin with a letter or digit and use only letters of a-z, digits and "
        "_ . - (64 at most)",
    ),
]
#: One telephone key.
Key = Annotated[str, form(r"[0-9*#]", "must be one telephone key; write a digit, '*' or '#' in quotes")]
#: A language as the prompt texts name it, such as ``en`` or ``fr``.
Language = Annotated[
    str, form(r"[a-z]{2,3}(-[A-Za-z]{2,4})?", "is no language; write a code such as en, fr or pt-BR")
]
#: ISO 3166-1.
Country = Annotated[
    str, form(r"[A-Z]{2}", "is no country; write two capital letters such as US, DE or NO (ISO 3166-1)")
]
#: The code of a jurisdiction, such as ``DE`` or ``US-CA``.
Code = Annotated[str, form(r"[A-Z]{2}(-[A-Z]{2,3})?", "is no jurisdiction; write a code such as DE or US-CA")]
#: A telephone number to compare with, as the PBX shows it.
Number = Annotated[
    str,
    form(r"\+?[0-9]{2,15}", "is no telephone number; write 2 to 15 digits, with a leading '+' or without"),
]
#: A name or address of a machine.
Host = Annotated[
    str, form(r"[A-Za-z0-9.:_-]{1,253}", "is no host; write a name or an address such as 127.0.0.1")
]
Url = Annotated[
    str,
    form(
        r"https?://[^\s/@?#]+(/[^\s?#]*)?",
        "is no address of ARI; write http://HOST:PORT/ari, without user and password in it",
    ),
]
#: Words that somebody wrote, on one line.
Words = Annotated[
    str,
    form(r"(?!\s)[^\x00-\x1f\x7f]{1,300}", "must be words on one line; write 1 to 300 characters"),
]
#: A telephone as Asterisk names it in a channel: technology and resource.
Phone = Annotated[
    str,
    form(
        r"[A-Za-z0-9]{2,20}/[A-Za-z0-9_.@+-]{1,80}",
        "is no telephone of the PBX; write technology and name, such as PJSIP/211",
    ),
]
#: An absolute path.
FilePath = Annotated[Path, AfterValidator(_absolute)]
#: An absolute path that both Asterisk and callguard use.
PbxPath = Annotated[Path, AfterValidator(_for_pbx)]
Seconds = Annotated[float, Field(gt=0, le=120)]
