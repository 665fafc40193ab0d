"""TOPIC=parties: whoever comes, whoever leaves, and a controller that may die at any moment."""

from collections.abc import Callable
from typing import Any

from tests import gatherings
from tests.prove.figures import exactly

#: Attended transfers in all, and how many at the same time. Each phone begins its RTP at a random number.
TRANSFERS, AT_ONCE = 30, 10


async def figures(tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """All figures of this topic."""
    return [*await _table(tell), *await _transfers(tell)]


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
