"""The spool as two accounts use it: Asterisk writes; callguard reads, erases, frees and removes."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from callguard.cli.checks.probe import Probe
from callguard.cli.checks.room import check_sharing
from callguard.config import loads
from callguard.errors import RecordingError
from callguard.recording import Spool
from callguard.recording.strand import Strand

#: Accounts of nobody: callguard's, Asterisk's, and somebody else's.
CALLGUARD, ASTERISK, STRANGER = 47110, 47111, 47112

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two accounts")


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory) / "spool"


def as_account(user: int, *groups: int, command: str) -> subprocess.CompletedProcess[str]:
    listed = ",".join(map(str, groups or (user,)))
    return subprocess.run(
        [
            *("setpriv", "--reuid", str(user), "--regid", str(user), "--groups", listed),
            *("sh", "-c", f"umask 022; {command}"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def prepared_by(user: int, place: Path) -> Spool:
    """As `callguard run` of that account makes it."""
    spool = Spool(directory=place)
    place.parent.chmod(0o777)
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            os.umask(0o022)
            spool.prepare()
        except BaseException:  # noqa: BLE001 - a child ends here, whatever it was
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return spool


def test_a_new_spool_is_for_its_owner_and_group_alone_whatever_the_umask(place: Path) -> None:
    before = os.umask(0o077)
    try:
        Spool(directory=place).prepare()
    finally:
        os.umask(before)
    assert stat.S_IMODE(place.stat().st_mode) == 0o2770


@as_root
def test_what_asterisk_writes_can_be_erased_freed_and_removed_by_callguard(place: Path) -> None:
    spool = prepared_by(CALLGUARD, place)
    caller, agent = spool.paths("call")
    for path in (caller, agent):
        said = as_account(ASTERISK, ASTERISK, CALLGUARD, command=f"head -c 65536 /dev/urandom > {path}")
        assert said.returncode == 0, said.stderr
        assert (path.stat().st_uid, path.stat().st_gid) == (ASTERISK, CALLGUARD)
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(CALLGUARD)
        os.setuid(CALLGUARD)
        strand = Strand(paths=(caller, agent))
        fine = strand.samples() == 32768
        strand.wipe(0, 2048)
        fine = fine and not any(strand.read(0, 2048)) and any(strand.read(2048, 4096))
        strand.free(32768)
        fine = fine and not any(path.stat().st_blocks for path in (caller, agent))
        strand.remove()
        os._exit(0 if fine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert list(place.iterdir()) == []


@as_root
def test_nobody_else_can_look_into_it(place: Path) -> None:
    spool = prepared_by(CALLGUARD, place)
    path = spool.paths("call")[0]
    as_account(ASTERISK, ASTERISK, CALLGUARD, command=f"echo speech > {path}")
    assert as_account(STRANGER, command=f"cat {path}").returncode != 0
    assert as_account(STRANGER, command=f"ls {place}").returncode != 0


@as_root
def test_what_callguard_alone_may_read_stays_so(place: Path) -> None:
    """The state of the sealer, with the keys in it, lies beside what Asterisk may read."""
    prepared_by(CALLGUARD, place)
    as_account(
        CALLGUARD, command=f"mkdir -m 700 {place}/.sealing; (umask 077; echo key > {place}/.sealing/a)"
    )
    assert (place / ".sealing/a").exists()
    assert as_account(ASTERISK, ASTERISK, CALLGUARD, command=f"cat {place}/.sealing/a").returncode != 0


@as_root
def test_a_spool_that_somebody_made_before_us_is_refused(place: Path) -> None:
    place.mkdir()
    os.chown(place, STRANGER, STRANGER)
    place.chmod(0o777)
    with pytest.raises(RecordingError, match=f"belongs to account {STRANGER}, who could read all speech"):
        Spool(directory=place).prepare()
    shutil.rmtree(place)
    Spool(directory=place).prepare()


def told_to_callguard(place: Path) -> str:
    """What doctor tells callguard's account of a file that Asterisk wrote."""
    config = loads(
        "site: {name: Acme, country: US}\n"
        "asterisk: {ari: {password: x}, ami: {password: x}}\n"
        f"queues: {{sales: {{}}}}\nspool: {{directory: {place}}}\n"
    )
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(CALLGUARD)
        os.setuid(CALLGUARD)
        [found] = check_sharing(config, Probe(call="call"))
        os.write(into, f"{found.level}: {found.what} {found.remedy}".encode())
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return os.read(out, 4096).decode()


@as_root
def test_doctor_tells_whether_callguard_may_do_what_it_has_to(place: Path) -> None:
    spool = prepared_by(CALLGUARD, place)
    path = spool.paths("call")[0]
    as_account(ASTERISK, ASTERISK, CALLGUARD, command=f"echo speech > {path}")
    assert told_to_callguard(place).startswith("ok: callguard can erase, free and remove")
    # As Asterisk's umask leaves it where there are no ACLs.
    path.chmod(0o644)
    told = told_to_callguard(place)
    assert told.startswith("fault: callguard can neither erase nor free what Asterisk writes")
    assert f"-rw-r--r-- {ASTERISK}:{CALLGUARD} in drwxrws--- {CALLGUARD}:{CALLGUARD}" in told
    assert "usermod -aG callguard asterisk" in told


def test_nothing_is_captured_into_what_took_the_place_of_the_spool(place: Path) -> None:
    """MixMonitor makes a directory that is not there, for everybody to read, on whatever disk that is."""
    spool = Spool(directory=place, minimum_free=0)
    spool.prepare()
    assert spool.obstacle() == ""
    away = place.rename(place.with_name("away"))
    assert "cannot be used (No such file or directory)" in spool.obstacle()
    place.mkdir()
    assert "another directory has taken the place of the spool; remove it" in spool.obstacle()
    place.rmdir()
    away.rename(place)
    assert spool.obstacle() == ""


def test_a_spool_that_was_mounted_anew_is_taken_where_it_is_as_ours(place: Path) -> None:
    spool = Spool(directory=place, minimum_free=0)
    spool.prepare()
    place.rename(place.with_name("away"))
    Spool(directory=place).prepare()
    assert spool.obstacle() == ""


def test_a_spool_without_room_says_how_much_is_missing(place: Path) -> None:
    spool = Spool(directory=place, minimum_free=1 << 60)
    spool.prepare()
    assert "are free" in spool.obstacle()
