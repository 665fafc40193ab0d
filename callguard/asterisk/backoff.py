"""How long to wait before trying again."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

#: Seconds at most before the second attempt. Asterisk reloads its HTTP server in less.
FIRST_SECONDS = 0.2

#: Seconds at most between attempts. While we are away every caller goes unrecorded, so it is short; a refused
#: handshake costs Asterisk well under a millisecond.
LONGEST_SECONDS = 10.0

#: A connection that stood this many seconds starts the next outage from the beginning.
STEADY_SECONDS = 5.0


@dataclass(slots=True)
class Backoff:
    """Exponential back-off with full jitter, so that many controllers do not come back in step.

    Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    first: float = FIRST_SECONDS
    longest: float = LONGEST_SECONDS
    chance: Callable[[], float] = random.random  #: 0 to 1
    attempts: int = 0

    def after_failure(self) -> float:
        """Seconds to wait after one more failure."""
        ceiling = min(self.longest, self.first * 2.0 ** min(self.attempts, 30))
        self.attempts += 1
        return ceiling * self.chance()

    def after_refusal(self) -> float:
        """Seconds to wait when only an administrator can mend it: the upper half of the longest wait."""
        self.attempts += 1
        return self.longest * (1 + self.chance()) / 2

    def reset(self) -> None:
        """It worked."""
        self.attempts = 0
