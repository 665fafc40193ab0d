"""The interface over HTTP: where it listens, and who may ask for what."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from callguard.config.forms import FilePath, Host, Misplaced, Name, form
from callguard.config.secrets import secret
from callguard.config.section import Section

#: The fewest characters of a token or secret. 32 of base 64 are 192 random bits, which nobody guesses, so
#: that a plain hash of them is enough.
SHORTEST_SECRET = 32

_HASH = re.compile(r"sha256:([0-9a-f]{64})")
_NOT_WORDS = "write env:NAME, file:/path or {}; `callguard web token` makes one"


def _kept_elsewhere(value: Any, instead: str) -> str:
    """A secret from where it should be kept; in the configuration file itself it stands in no case."""
    if not isinstance(value, str) or not value.startswith(("env:", "file:")):
        raise ValueError(f"a secret must not stand in this file; {_NOT_WORDS.format(instead)}")
    found = str(secret(value))
    if not re.fullmatch(r"[!-~]+", found):
        raise ValueError(f"may hold only letters, digits and signs of ASCII, without blanks; {_MAKE}")
    if _HASH.fullmatch(found) is None and len(found) < SHORTEST_SECRET:
        raise ValueError(f"is shorter than {SHORTEST_SECRET} characters, so it could be guessed; {_MAKE}")
    return found


_MAKE = "`callguard web token` makes a good one"


def _token(value: Any) -> str:
    """The SHA-256 of a token, in hexadecimal digits; the token itself is forgotten."""
    if isinstance(value, str) and value.startswith("sha256:"):
        text = value
    else:
        text = _kept_elsewhere(value, "sha256: and the token's hash")
    if text.startswith("sha256:"):
        found = _HASH.fullmatch(text)
        if found is None:
            raise ValueError(f"is no SHA-256: 64 digits of 0-9 and a-f after 'sha256:'; {_MAKE}")
        return found[1]
    return hashlib.sha256(text.encode()).hexdigest()


def _secret(value: Any) -> str | None:
    if value is None:
        return None
    found = _kept_elsewhere(value, "another of these two")
    if found.startswith("sha256:"):
        raise ValueError(f"must be the secret itself, for keys are made from it; {_MAKE}")
    return found


#: A telephone as its endpoint in Asterisk is named.
Extension = Annotated[
    str,
    form(
        r"[A-Za-z0-9_.@+-]{1,80}",
        "is no telephone; write the name of its endpoint in Asterisk, such as 211",
    ),
]
BaseAddress = Annotated[
    str,
    form(r"https?://[^\s/@?#]+", "is no address; write http(s)://HOST:PORT, with nothing behind it"),
]


class Token(Section):
    """Somebody, or some program, that may ask."""

    secret: Annotated[SecretStr, BeforeValidator(_token)]
    role: Literal["agent", "supervisor", "program"]
    extensions: tuple[Extension, ...] = ()

    @model_validator(mode="after")
    def _agents_have_telephones(self) -> Token:
        if self.role == "agent" and not self.extensions:
            raise Misplaced(
                "an agent may ask only about calls at telephones of their own; name them in 'extensions'",
                ("role",),
            )
        return self


class Phones(Section):
    """Keys of telephones that fetch an address."""

    secret: Annotated[SecretStr | None, BeforeValidator(_secret)] = None
    address: BaseAddress | None = None


class Tls(Section):
    """The certificate to show."""

    certificate: FilePath
    key: FilePath


class Web(Section):
    """The interface over HTTP. It is off until somebody may use it."""

    host: Host = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8470
    tls: Tls | None = None
    allow_cleartext: bool = False
    tokens: dict[Name, Token] = Field(default_factory=dict)
    phones: Phones = Phones()

    @property
    def enabled(self) -> bool:
        """Whether anybody may use it."""
        return bool(self.tokens) or self.phones.secret is not None

    @property
    def on_loopback(self) -> bool:
        """Whether it is heard on this machine alone."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @model_validator(mode="after")
    def _nobody_listens_in(self) -> Web:
        if self.enabled and not self.on_loopback and self.tls is None and not self.allow_cleartext:
            raise Misplaced(
                "whoever listens in on the network would learn the tokens; name a certificate in 'tls', or "
                "set allow_cleartext: yes where the network is your own",
                ("host",),
            )
        return self

    @model_validator(mode="after")
    def _tokens_differ(self) -> Web:
        seen: dict[str, str] = {}
        for name, token in self.tokens.items():
            other = seen.setdefault(token.secret.get_secret_value(), name)
            if other != name:
                raise Misplaced(
                    f"has the same token as {other}, so the ledger could not tell them apart; make another",
                    ("tokens", name, "secret"),
                )
        return self
