"""Who asks: tokens, what each role may do, and whose calls."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from callguard.config.web import Token
from callguard.controller.desk import Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Whose token it is."""

    name: str
    role: str
    extensions: frozenset[str] = frozenset()  #: whose calls alone they may ask about; none: all calls

    @property
    def by(self) -> str:
        """As the ledger names them."""
        return f"{self.role} {self.name}"

    @property
    def may_shred(self) -> bool:
        """A program does not destroy recordings: a person answers for that."""
        return self.role != "program"

    @property
    def may_watch(self) -> bool:
        """Figures tell of everybody's calls."""
        return self.role != "agent"

    def may_see(self, standing: Standing) -> bool:
        """Whether a call is theirs to ask about."""
        return not self.extensions or not self.extensions.isdisjoint(standing.agents)


class Tokens:
    """The tokens of the configuration. What is shown is compared as a hash, in constant time."""

    def __init__(self, tokens: Mapping[str, Token]) -> None:
        self._known = tuple(
            (
                token.secret.get_secret_value(),
                Asker(name=name, role=token.role, extensions=frozenset(token.extensions)),
            )
            for name, token in tokens.items()
        )

    def owner(self, shown: str) -> Asker | None:
        """Whose token this is; looks at all of them, so that the time tells nothing."""
        digest = hashlib.sha256(shown.encode("utf-8", "surrogateescape")).hexdigest()
        owner = None
        for known, asker in self._known:
            if hmac.compare_digest(known, digest):
                owner = asker
        return owner
