"""What can be looked at without the PBX: passwords, spool, disk, ledger, law, this machine's clock."""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import stat
from pathlib import Path

from callguard.cli.checks.finding import Finding, advice, fault, ok, warning
from callguard.config import Config, read
from callguard.controller.books import ledger_of
from callguard.controller.keeping import spool_of
from callguard.errors import CallguardError
from callguard.law import UNKNOWN, load_table, site_overrides
from callguard.ledger.database import file_of, parse_url

#: Bytes below which a disk that holds the ledger is nearly full, and full. An entry takes about 2 kB.
NEARLY_FULL = 1 << 30
FULL = 64 << 20

#: What adjtimex(2) returns while nothing keeps the clock in step, and how large its structure is at most.
_TIME_ERROR = 5
_TIMEX_BYTES = 256


def check_secrets(path: Path) -> list[Finding]:
    """Whether others on this machine can read the passwords."""
    document = read(path)
    files = [path]
    for interface in ("ari", "ami"):
        value = document.value(("asterisk", interface, "password"))
        if isinstance(value, str) and value.startswith("file:"):
            files.append(Path(value.removeprefix("file:")))
    return [
        warning("passwords", "everybody on this machine can read it", str(file), f"chmod o-rwx {file}")
        for file in files
        if file.stat().st_mode & stat.S_IROTH
    ] or [ok("passwords", "only owner and group can read them", str(path))]


def check_spool(config: Config) -> list[Finding]:
    """Whether the spool is in memory, writable and roomy."""
    spool = spool_of(config)
    where = str(spool.directory)
    existed = spool.directory.exists()
    try:
        spool.prepare()
        kind, free = spool.file_system(), spool.free()
    except CallguardError as error:
        return [fault("spool", str(error), where, "see there; spool.directory of config.yaml names it")]
    finally:
        if not existed and spool.directory.exists():
            spool.directory.rmdir()
    size = f"{free >> 20} MiB free on {kind}"
    if free < spool.minimum_free:
        what = f"{size}, less than spool.minimum_free_mb ({spool.minimum_free >> 20}): nothing is recorded"
        return [
            fault("spool", what, where, "enlarge the tmpfs (mount -o remount,size=...), or look who fills it")
        ]
    findings = [ok("spool", size, where)]
    if spool.allow_persistent_disk:
        what = "plaintext speech on a disk is allowed: backups and snapshots will hold it"
        findings.append(warning("spool", what, where, "use a tmpfs and spool.allow_persistent_disk: no"))
    if spool.directory.exists() and spool.directory.stat().st_mode & stat.S_IRWXO:
        what = "everybody on this machine can look into the spool"
        findings.append(warning("spool", what, where, f"chmod o-rwx {where}"))
    return findings


async def check_ledger(config: Config) -> list[Finding]:
    """Whether the ledger opens; a new one is not made."""
    where = config.ledger.url.rpartition("@")[2]
    try:
        file = file_of(parse_url(config.ledger.url))
        if file is not None and not file.exists():
            place = _nearest(file.parent)
            if not os.access(place, os.W_OK | os.X_OK):
                remedy = f"make {file.parent}, owned by callguard's account, or change ledger.url"
                return [fault("ledger", f"{place} is not writable for this account", where, remedy)]
            return [ok("ledger", "is not there yet; `callguard run` makes it", where), *_disk(place)]
        async with ledger_of(config):
            pass
    except CallguardError as error:
        return [fault("ledger", str(error), where, "mend it: while it does not open nothing is recorded")]
    return [ok("ledger", "opens", where), *(_disk(file.parent) if file is not None else [])]


def _disk(place: Path) -> list[Finding]:
    free = shutil.disk_usage(place).free
    what = f"{free >> 20} MiB free where the ledger is"
    if free < FULL:
        return [fault("disk", what, str(place), "make room: a ledger that cannot grow stops all recording")]
    if free < NEARLY_FULL:
        return [warning("disk", what, str(place), "make room before it is full")]
    return [ok("disk", what, str(place))]


def check_law(config: Config) -> list[Finding]:
    """Whether the table of jurisdictions, with the site's changes, knows the places of this site."""
    try:
        table = load_table(site_overrides(config.law.overrides, config.law.files))
    except CallguardError as error:
        return [
            fault(
                "law", str(error), "law of config.yaml", "correct it; `callguard law schema` tells the form"
            )
        ]
    site = config.site
    places = {
        "site.country": site.country,
        "site.jurisdiction": site.jurisdiction,
        "site.agents": site.agents,
    }
    places |= {f"queues.{name}.agents": queue.agents for name, queue in config.queues.items()}
    findings = [
        warning(
            "law",
            f"the table has no entry for {code}: the strictest rule is applied to every call",
            where,
            "correct the code (`callguard law list` shows all), or add an entry under law.overrides",
        )
        for where, code in places.items()
        if code is not None and table.resolve(code) == UNKNOWN
    ]
    if site.jurisdiction is not None and table.resolve(site.jurisdiction.partition("-")[0]) != table.resolve(
        site.country
    ):
        what = f"{site.jurisdiction} is no part of {site.country}"
        findings.append(warning("law", what, "site.jurisdiction", "correct one of the two"))
    return findings or [ok("law", f"table {table.version} knows the places of this site")]


def check_own_clock() -> list[Finding]:
    """Whether something keeps this machine's clock in step: the ledger's times are evidence."""
    try:
        # All zeros: look only, set nothing.
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return []
    if state == _TIME_ERROR:
        what = "nothing keeps this machine's clock in step, and the ledger's times are evidence"
        return [advice("clock", what, "this machine", "run chrony or systemd-timesyncd (timedatectl)")]
    return [ok("clock", "this machine's is kept in step")] if state >= 0 else []


async def check_house(config: Config, path: Path) -> list[Finding]:
    """All of it; nothing here waits for the PBX."""
    quick = [
        *await asyncio.to_thread(check_secrets, path),
        *await asyncio.to_thread(check_spool, config),
        *check_own_clock(),
        *await asyncio.to_thread(check_law, config),
    ]
    return [*quick, *await check_ledger(config)]


def _nearest(place: Path) -> Path:
    """The place itself, or the nearest directory above it that exists."""
    return place if place.exists() else _nearest(place.parent)
