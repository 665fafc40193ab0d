"""Whoever comes, whoever leaves, and controllers that die: a table, transfers, a pool, chaos, both Asterisks.

``CALLGUARD_PARTS=pool,chaos make prove TOPIC=parties`` measures only some of it.
"""

import os
from collections.abc import Callable
from typing import Any

from callguard.lab.rootfs import BRANCH_VARIABLE
from tests import gatherings
from tests.prove import parties_chaos, parties_pool
from tests.prove.figures import exactly, suite

#: Attended transfers in all, and how many at the same time. Each phone begins its RTP at a random number.
TRANSFERS, AT_ONCE = 30, 10


async def figures(tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """All parts, one after the other."""
    found: list[dict[str, Any]] = []
    for name in os.environ.get("CALLGUARD_PARTS", ",".join(PARTS)).split(","):
        found += await PARTS[name](tell)
    return found


async def _table(tell: Callable[[str], None]) -> list[dict[str, Any]]:
    rows = await gatherings.play_all(gatherings.plan())
    tell(gatherings.table(rows))
    return [
        exactly("scenarios that came out wrong", sum(not row.ok for row in rows), 0, f"of {len(rows)}"),
    ]


async def _transfers(tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """The voice of whoever takes a transferred call, on a build that loses it without segments."""
    lost, wrong = 0, 0
    for _ in range(0, TRANSFERS, AT_ONCE):
        rows = await gatherings.play_all([("attended transfer", True)] * AT_ONCE)
        tell(gatherings.table([row for row in rows if not row.ok]))
        lost += sum(not row.survives for row in rows)
        wrong += sum(not row.ok for row in rows)
    return [
        exactly("attended transfers after which a voice is missing", lost, 0, f"of {TRANSFERS}"),
        exactly("attended transfers that came out wrong otherwise", wrong - lost, 0, f"of {TRANSFERS}"),
    ]


async def _suites(tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Everything that is tried on real calls, on the oldest Asterisk and on the one that most have."""
    found = []
    for version in ("16", "22"):
        tell(f"the live tests on Asterisk {version}")
        os.environ[BRANCH_VARIABLE] = version
        try:
            found.append(suite(f"live tests on Asterisk {version}", "-m", "not slow", *WORKERS, "tests/live"))
        finally:
            del os.environ[BRANCH_VARIABLE]
    return found


WORKERS = ("--numprocesses", "3", "--dist", "loadfile")
PARTS = {
    "table": _table,
    "transfers": _transfers,
    "pool": parties_pool.figures,
    "chaos": parties_chaos.figures,
    "suites": _suites,
}
