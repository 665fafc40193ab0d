"""One laboratory for the whole session, and one event loop for all tests that use it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from callguard.lab import Lab

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here as live, and run it on the loop the laboratory lives on."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.live)
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def dialplan() -> str:
    return (HERE / "stand_in.conf").read_text()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lab(dialplan: str) -> AsyncIterator[Lab]:
    async with Lab(dialplan) as lab:
        yield lab


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def silence_after_each_test(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """No call of one test reaches into the next, and every agent is as it was."""
    yield
    if "lab" in request.fixturenames:
        await request.getfixturevalue("lab").world.settle()
