"""Which calls of a sampled queue are recorded: a pure function of the call, to be checked later."""

from __future__ import annotations

import hashlib


def sampled(call: str, percent: float) -> bool:
    """Whether this call is among the ``percent`` of calls that are recorded.

    The same call always gets the same answer, on every machine, and nobody can steer it without choosing the
    call's id. The id is hashed, so that ids that count up are drawn as evenly as random ones.

    Args:
        call: callguard's own id of the call, never anything that a caller can choose.
        percent: 0 (none) to 100 (all).

    Raises:
        ValueError: the percentage is not within 0 and 100.
    """
    if not 0 <= percent <= 100:
        raise ValueError(f"{percent} % is not within 0 and 100")
    draw = int.from_bytes(hashlib.sha256(call.encode()).digest()[:8], "big") / 2**64
    return draw * 100 < percent
