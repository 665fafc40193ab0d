"""`callguard doctor`: ask the live Asterisk, and say what is wrong and how to mend it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import click
import structlog
from rich.console import Console

from callguard.asterisk.ari import Ari
from callguard.asterisk.versions import Quirk
from callguard.cli.checks.announcements import check_files, check_playing
from callguard.cli.checks.finding import Finding, Level, advice, fault, healthy
from callguard.cli.checks.house import check_house
from callguard.cli.checks.keys import check_hotkeys, check_key_log
from callguard.cli.checks.pbx import (
    check_clock,
    check_controller,
    check_modules,
    check_version,
)
from callguard.cli.checks.probe import check_dialplan, check_spool_is_written, probing
from callguard.cli.checks.recorders import check_recorders
from callguard.cli.checks.rights import check_hears, check_may
from callguard.cli.checks.room import check_room, check_sharing
from callguard.cli.checks.speech import check_speech
from callguard.cli.checks.vault import check_vault
from callguard.cli.checks.visit import Visit
from callguard.cli.checks.voices import check_voices
from callguard.cli.options import config_option, json_option
from callguard.config import Config, load
from callguard.errors import CallguardError

#: Seconds that one check may take; playing many announcements takes longest.
DEADLINE = 90.0

_STYLES = {
    Level.OK: "green",
    Level.ADVICE: "cyan",
    Level.WARNING: "yellow",
    Level.FAULT: "bold red",
}


@click.command()
@config_option
@json_option
@click.option(
    "--asterisk-etc",
    "etc",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/etc/asterisk"),
    show_default=True,
    help="Asterisk's configuration directory, to look for recorders of others.",
)
@click.pass_context
def doctor(context: click.Context, path: Path, etc: Path, *, as_json: bool) -> None:
    """Look at the site and the live PBX, and say what is wrong and how to mend it.

    Run it on the PBX, as the account that `callguard run` has. It plays and records on channels of its own
    and touches no call. Exit status 0 when nothing is at fault.
    """
    config = load(path)
    with _silent_log(), Console(stderr=True, quiet=as_json).status("asking") as status:
        findings = asyncio.run(examine(config, path, etc, status.update))
    if as_json:
        click.echo(json.dumps({"ok": healthy(findings), "findings": [asdict(one) for one in findings]}))
    else:
        _print(findings)
    context.exit(0 if healthy(findings) else 1)


async def examine(
    config: Config, path: Path, etc: Path, told: Callable[[str], None] = lambda _: None
) -> list[Finding]:
    """Everything doctor looks at, in the order in which it is told.

    Args:
        config: the site.
        path: the file it was read from.
        etc: Asterisk's configuration directory.
        told: is told what is being looked at.
    """
    visit = Visit(config, etc)
    told("looking at this machine")
    findings = await _in_time("this machine", check_house(config, path))
    findings += await _in_time("vault", asyncio.to_thread(check_vault, config))
    findings += await _in_time("memory", asyncio.to_thread(check_room, config))
    findings += await _in_time("announcements", asyncio.to_thread(check_files, config))
    told("asking the recognisers")
    findings += await _in_time("speech", check_speech(config))
    told("asking Asterisk")
    try:
        for connected in await asyncio.gather(
            _in_time("ARI", visit.connect_ari()), _in_time("AMI", visit.connect_ami())
        ):
            findings += connected
        if visit.nobody_there:
            what = "does not run, or cannot be reached from here: neither ARI nor AMI answers"
            findings.append(
                fault("Asterisk", what, config.asterisk.ari.url, "start it: systemctl start asterisk")
            )
        if visit.ari is None:
            what = "version, modules, dialplan, recording, playing and lost voices: ARI does not answer"
            findings.append(advice("not tried", what, "", "mend that first, then run doctor again"))
        else:
            findings += await _of_ari(visit, visit.ari, told)
        if visit.ami is not None:
            findings += await _in_time("AMI rights", check_may(visit, visit.ami))
    finally:
        await visit.leave()
    findings += await _in_time("other recorders", asyncio.to_thread(check_recorders, config, etc))
    findings += await _in_time("log of keys", asyncio.to_thread(check_key_log, etc))
    findings += await _in_time("hot keys", asyncio.to_thread(check_hotkeys, config, etc))
    return findings


async def _of_ari(visit: Visit, ari: Ari, told: Callable[[str], None]) -> list[Finding]:
    findings: list[Finding] = []
    for name, check in (
        ("version", check_version),
        ("modules", check_modules),
        ("clock", check_clock),
        ("controller", check_controller),
    ):
        findings += await _in_time(name, check(visit, ari))
    told("placing calls of its own")
    on_probe, on_voices = await asyncio.gather(
        _in_time("dialplan", _on_probe(visit, ari)), _in_time("lost voices", check_voices(visit, ari))
    )
    return findings + on_probe + on_voices


async def _on_probe(visit: Visit, ari: Ari) -> list[Finding]:
    """What is tried on a call of our own."""
    async with probing(visit, ari) as probe:
        findings = await check_dialplan(visit, ari, probe)
        if probe is None:
            what = "recording into the spool, playing and the manager's events: they need the dialplan"
            return [*findings, advice("not tried", what, "", "mend the dialplan first")]
        findings += await check_spool_is_written(visit, ari, probe)
        findings += check_sharing(config=visit.config, probe=probe)
        findings += await check_playing(visit, ari, probe)
        if visit.ami is not None:
            mute = Quirk.MUTE_LOCKS_UP not in ari.quirks
            findings += await check_hears(visit, ari, visit.ami, probe, mute=mute)
        return findings


async def _in_time(name: str, check: Awaitable[list[Finding]]) -> list[Finding]:
    """The findings of a check; one that takes too long, or fails, is a finding itself."""
    try:
        async with asyncio.timeout(DEADLINE):
            return await check
    except TimeoutError:
        what = f"took longer than {DEADLINE:.0f} s"
        return [fault(name, what, "", "see what blocks the PBX or the disk, then run doctor again")]
    except CallguardError as error:
        return [fault(name, str(error), "", "see there, then run doctor again")]


@contextlib.contextmanager
def _silent_log() -> Iterator[None]:
    """What is wrong stands in the findings; the log would say it twice."""
    usual = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**usual)


def _print(findings: list[Finding]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for one in findings:
        console.print(f"{one.level.value:<8}", style=_STYLES[one.level], end="")
        console.print(f" {one.check}: {one.what}", markup=False)
        if one.level is not Level.OK:
            if one.where:
                console.print(f"         where: {one.where}", markup=False)
            console.print(f"         mend:  {one.remedy}", markup=False)
    counts = {level: sum(one.level is level for one in findings) for level in reversed(Level)}
    console.print(", ".join(f"{count} {level.value}" for level, count in counts.items() if count))
