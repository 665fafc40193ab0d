"""Waiting in tests for what happens in another task, with an end to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(true: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait until this is true; TimeoutError when it does not become true in time."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.001)
