"""One laboratory for the whole session, and one event loop for all tests that use it."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from callguard.config.dialplan import shipped_dialplan
from callguard.errors import LabError
from callguard.lab import Lab
from callguard.lab.rootfs import BootstrapError, ensure_asterisk, wanted_branch
from callguard.lab.site import Site

HERE = Path(__file__).parent

#: Tells the workers why no test can be run.
MISSING = "CALLGUARD_TESTS_MISSING"

#: One queue for each form of consent and each way to refuse; all are served by the same two agents.
FORMS = {
    "100": ("sales", {"minimum_form": "explicit"}),
    "102": ("notice", {"minimum_form": "notice"}),
    "103": ("implied", {"minimum_form": "implied-by-continuing"}),
    "104": ("optout", {"minimum_form": "opt-out"}),
    "105": ("same", {"minimum_form": "explicit", "on_refusal": "same-queue"}),
    "106": (
        "elsewhere",
        {"minimum_form": "explicit", "on_refusal": "alternatives", "alternatives": "shop"},
    ),
}
SETTINGS = {
    # Texas: one party's knowledge is enough, so that each queue's own form decides.
    "site": {"jurisdiction": "US-TX"},
    "queues": {
        name: {"recorded": "sales", "unrecorded": "sales-unrecorded"} | more for name, more in FORMS.values()
    },
    "prompts": {"alternatives": {"shop": {"en": "Please visit our shop.", "fr": "Venez au magasin."}}},
}
NUMBERS = "[lab-numbers]\n" + "".join(
    f"exten => {number},1,Answer()\n same => n,Gosub(callguard,consent,1({queue},sales-unrecorded))\n"
    # What Asterisk keeps from whoever is steered from outside.
    " same => n,Set(LAB_FILE=${FILE(/etc/passwd,0,4)})\n"
    " same => n,Queue(${CALLGUARD_QUEUE})\n same => n,Hangup()\n"
    for number, (queue, _) in FORMS.items()
)


@dataclass(frozen=True)
class House:
    """A laboratory with callguard in it."""

    lab: Lab
    site: Site


def pytest_sessionstart(session: pytest.Session) -> None:
    """Build what is to be tried while no test's clock runs, and once for all workers."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    reporter = session.config.pluginmanager.getplugin("terminalreporter")
    try:
        branch = wanted_branch()
        asyncio.run(ensure_asterisk(reporter.write_line))
        try:
            asyncio.run(ensure_asterisk(reporter.write_line, branch))
        except BootstrapError as error:
            os.environ[MISSING] = f"NOT TRIED on Asterisk {branch}: {' '.join(str(error).split())[:200]}..."
            reporter.write_line(f"NOT TRIED on Asterisk {branch}: {error}", red=True)
    except LabError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here as live, and run it on the loop the laboratory lives on."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.live)
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def dialplan() -> str:
    return (HERE / "stand_in.conf").read_text()


@pytest.fixture(scope="session", autouse=True)
def asterisk() -> None:
    """Where the Asterisk that is to be tried cannot be had, every test says so."""
    if MISSING in os.environ:
        pytest.skip(os.environ[MISSING])


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lab(dialplan: str) -> AsyncIterator[Lab]:
    async with Lab(dialplan) as lab:
        yield lab


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house() -> AsyncIterator[House]:
    """The product on the laboratory's PBX."""
    async with Lab(shipped_dialplan(), numbers=NUMBERS) as lab:
        site = Site(lab, settings=SETTINGS)
        await lab.pbx.load_dialplan(dialplan=site.dialplan(shipped_dialplan()))
        async with site:
            yield House(lab, site)


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def silence_after_each_test(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """No call of one test reaches into the next, and every agent is as it was."""
    yield
    for name in ("lab", "house", "known", "sealed"):
        if name in request.fixturenames:
            used = request.getfixturevalue(name)
            await (used if name == "lab" else used.lab).world.settle()
