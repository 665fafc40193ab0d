"""The bootstrap of the laboratory's Asterisk, with a builder that is quick: it links the cached tree."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from callguard.errors import LabError
from callguard.lab.rootfs import (
    BRANCH_VARIABLE,
    CACHE_VARIABLE,
    STAMP,
    BootstrapError,
    ensure_asterisk,
    wanted_branch,
)

# The target is the last argument; the hook that writes the stamp is run as mmdebstrap would.
LINKING = """#!/bin/sh -e
echo built >>"{log}"
for last; do :; done
mkdir -p "$last"
sleep 0.3
cp -as "{real}/usr" "$last/usr"
ln -s "{real}/lib" "$last/lib"
for option; do
    case "$option" in --customize-hook=*) sh -c "${{option#--customize-hook=}}" sh "$last";; esac
done
"""
FAILING = """#!/bin/sh
for last; do :; done
mkdir -p "$last/usr"
echo "E: no such mirror" >&2
exit 25
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="sudo would look for mmdebstrap elsewhere")


def told(_: str) -> None:
    """Progress is not what is tried here."""


@pytest.fixture
async def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    real = (await ensure_asterisk(told)).root
    (tmp_path / "bin").mkdir()
    (tmp_path / "cache").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    install(tmp_path, LINKING.format(real=real, log=tmp_path / "log"))
    return tmp_path / "cache"


def install(tmp_path: Path, script: str) -> None:
    command = tmp_path / "bin/mmdebstrap"
    command.write_text(script)
    command.chmod(0o755)


def names(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir())


def builds(tmp_path: Path) -> int:
    return len((tmp_path / "log").read_text().splitlines())


async def test_two_runs_at_once_build_once(cache: Path, tmp_path: Path) -> None:
    first, second = await asyncio.gather(ensure_asterisk(told), ensure_asterisk(told))
    assert first == second
    assert first.version.startswith("22.")
    assert builds(tmp_path) == 1
    assert names(cache) == ["asterisk22", "asterisk22.lock"]


async def test_another_recipe_is_built_anew(cache: Path, tmp_path: Path) -> None:
    build = await ensure_asterisk(told)
    (build.root / STAMP).write_text("of last year")
    assert await ensure_asterisk(told) == build
    assert builds(tmp_path) == 2
    await ensure_asterisk(told)
    assert builds(tmp_path) == 2


async def test_each_branch_has_a_tree_of_its_own(cache: Path, tmp_path: Path) -> None:
    newest, oldest = await ensure_asterisk(told), await ensure_asterisk(told, 16)
    assert builds(tmp_path) == 2
    assert (newest.root.name, oldest.root.name) == ("asterisk22", "asterisk16")
    assert (newest.root / STAMP).read_text() != (oldest.root / STAMP).read_text()
    assert await ensure_asterisk(told, 16) == oldest
    assert builds(tmp_path) == 2


@pytest.mark.parametrize(("named", "branch"), [(None, 22), ("", 22), ("22", 22), ("16", 16)])
async def test_the_branch_is_chosen_by_a_variable(
    named: str | None, branch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(BRANCH_VARIABLE, raising=False)
    if named is not None:
        monkeypatch.setenv(BRANCH_VARIABLE, named)
    assert wanted_branch() == branch


@pytest.mark.parametrize("named", ["18", "22.10", "newest", " 16"])
async def test_a_branch_without_a_recipe_is_refused(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BRANCH_VARIABLE, named)
    with pytest.raises(LabError, match="only Asterisk 16 and 22"):
        wanted_branch()


async def test_a_failed_build_leaves_nothing_and_says_why(cache: Path, tmp_path: Path) -> None:
    install(tmp_path, FAILING)
    with pytest.raises(BootstrapError, match=r"status 25[\s\S]*no such mirror"):
        await ensure_asterisk(told)
    assert names(cache) == ["asterisk22.lock"]


async def test_an_interrupted_build_leaves_nothing(cache: Path) -> None:
    building = asyncio.create_task(ensure_asterisk(told))
    while len(names(cache)) < 2:
        await asyncio.sleep(0.01)
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    assert names(cache) == ["asterisk22.lock"]


async def test_a_machine_without_mmdebstrap_is_told_what_to_install(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match="apt-get install mmdebstrap"):
        await ensure_asterisk(told)
