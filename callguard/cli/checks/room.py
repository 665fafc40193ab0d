"""Memory and open files for as many calls as the site expects, and who may do what in the spool."""

from __future__ import annotations

import grp
import os
import pwd
import resource
import stat
from pathlib import Path

from callguard.cli.checks.finding import Finding, fault, ok, warning
from callguard.cli.checks.probe import Probe
from callguard.config import Config
from callguard.controller.keeping import spool_of
from callguard.recording import Spool
from callguard.recording.kernel import PAGE, punch
from callguard.recording.spool import RATE, SAMPLE_BYTES

#: Bytes that a second of one call takes in the spool: two files.
CALL_SECOND = 2 * RATE * SAMPLE_BYTES

#: Seconds by which Asterisk's files grow at a time: 32 KiB (seen on 16.28 and 22.10.1).
FLUSH_SECONDS = 2.05

#: Open files of callguard for each capture, and for all the rest: connections, ledger, logs, threads.
CAPTURE_FILES = 2
OTHER_FILES = 256

#: Below this number accounts belong to services (SYS_UID_MAX of login.defs).
FIRST_PERSON = 1000


def check_room(config: Config) -> list[Finding]:
    """What can be looked at without the PBX."""
    return [*_memory(config), *_swap(), *_open_files(config), *_logging_out(config)]


def check_sharing(config: Config, probe: Probe) -> list[Finding]:
    """Whether callguard may do with Asterisk's files what it has to: erase, free memory, remove.

    Tried on what Asterisk just recorded of doctor's own call.
    """
    spool = spool_of(config)
    made = [path for path in spool.paths(probe.call) if path.exists()]
    for path in made:
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                punch(file, 0, PAGE)
            finally:
                os.close(file)
        except OSError as error:
            what = (
                f"callguard can neither erase nor free what Asterisk writes ({error.strerror}): "
                f"{_described(path)} in {_described(spool.directory)}"
            )
            return [fault("spool rights", what, str(spool.directory), _remedy(spool))]
    place = spool.directory.stat()
    if made and place.st_mode & stat.S_ISVTX and os.geteuid() not in {0, place.st_uid}:
        what = f"callguard cannot remove what Asterisk writes: {_described(spool.directory)} is sticky"
        return [fault("spool rights", what, str(spool.directory), f"chmod -t {spool.directory}")]
    if not made:
        return []
    what = f"callguard can erase, free and remove what Asterisk writes ({_described(made[0])})"
    return [ok("spool rights", what, str(spool.directory))]


def _remedy(spool: Spool) -> str:
    """What a pair of accounts, `asterisk` and `callguard`, needs."""
    return (
        "with callguard stopped: usermod -aG callguard asterisk; systemctl restart asterisk; "
        f"rm -r {spool.directory}. `callguard run` makes it anew: owner and group callguard, mode 2770, and "
        "a default ACL by which both may write (where there are no ACLs: UMask=0007 in Asterisk's unit)"
    )


def _described(path: Path) -> str:
    """As ``ls -l`` tells it."""
    found = path.stat()
    return f"{stat.filemode(found.st_mode)} {_user(found.st_uid)}:{_group(found.st_gid)}"


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _memory(config: Config) -> list[Finding]:
    """Whether all expected calls fit: as a rule, and while the vault cannot be written."""
    own, calls = config.vault, config.spool.expected_calls
    if not own.enabled:
        return []
    try:
        free = _spool_free(config) - (config.spool.minimum_free_mb << 20)
    except OSError:
        free = 0
    if free <= 0:
        return []  # nothing is recorded at all, which is a finding of its own
    each = own.look_back_seconds + own.block_seconds + FLUSH_SECONDS
    usual, worst = (round(calls * CALL_SECOND * seconds) for seconds in (each, own.spool_seconds))
    where = str(config.spool.directory)
    what = f"{calls} calls at once (spool.expected_calls) take {usual >> 20} MiB"
    if free < usual:
        remedy = "enlarge the tmpfs (mount -o remount,size=...), or lower vault.look_back_seconds"
        return [fault("memory", f"{what}, and {free >> 20} MiB are free", where, remedy)]
    what += f", and {worst >> 20} MiB when the vault cannot be written for {own.spool_seconds:.0f} s"
    if free < worst:
        seconds = free / (calls * CALL_SECOND)
        remedy = "enlarge the tmpfs (mount -o remount,size=...), or lower vault.spool_seconds"
        what += f"; {free >> 20} MiB are free, so recording stops after {seconds:.0f} s"
        return [warning("memory", what, where, remedy)]
    return [ok("memory", what, where)]


def _spool_free(config: Config) -> int:
    place = config.spool.directory
    while not place.exists():
        place = place.parent
    return Spool(directory=place).free()


def _swap() -> list[Finding]:
    """Whether memory, and speech with it, may be written to a disk in the clear."""
    open_ones = [name for line in _swaps() if not _keeps_secret(name := line.split()[0])]
    if not open_ones:
        return [ok("swap", "memory is not written to a disk in the clear")]
    what = "memory, and speech with it, may be written there in the clear"
    remedy = "encrypt it (crypttab: swap, /dev/urandom), use zram, or switch it off (swapoff -a, and fstab)"
    return [warning("swap", what, ", ".join(open_ones), remedy)]


def _swaps() -> list[str]:
    return Path("/proc/swaps").read_text(encoding="utf-8").splitlines()[1:]


def _keeps_secret(swap: str) -> bool:
    """Whether it lies in memory itself (zram), or on an encrypted device."""
    device = Path(swap).resolve().name
    if device.startswith("zram"):
        return True
    try:
        return Path(f"/sys/class/block/{device}/dm/uuid").read_text(encoding="utf-8").startswith("CRYPT-")
    except OSError:
        return False


def _open_files(config: Config) -> list[Finding]:
    calls = config.spool.expected_calls
    wanted = OTHER_FILES + CAPTURE_FILES * calls
    # `callguard run` takes as many as it may.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most != resource.RLIM_INFINITY and most < wanted:
        what = f"{calls} calls at once (spool.expected_calls) need {wanted}, and this account may have {most}"
        remedy = f"LimitNOFILE={2 * wanted} in callguard's unit, or limits.conf"
        return [fault("open files", what, "RLIMIT_NOFILE", remedy)]
    return [ok("open files", f"enough for {calls} calls at once")]


def _logging_out(config: Config) -> list[Finding]:
    """Whether logind removes the spool when somebody logs out (RemoveIPC= of logind.conf, on by default)."""
    spool = config.spool.directory
    owner = spool.stat().st_uid if spool.exists() else os.geteuid()
    cleaned = spool.is_relative_to("/dev/shm") and Path("/run/systemd/system").is_dir()  # noqa: S108 - logind's place
    if owner < FIRST_PERSON or not cleaned:
        return []
    what = f"{_user(owner)} is a person's account: systemd removes what it has in /dev/shm when it logs out"
    remedy = "run callguard as an account of its own (useradd --system callguard), or set RemoveIPC=no"
    return [warning("spool rights", what, str(spool), remedy)]
