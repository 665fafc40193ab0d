"""`callguard demo`: a laboratory PBX, real callers, one for each outcome, and what came of each."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from dataclasses import asdict, dataclass

import click
from rich.console import Console
from rich.table import Table

from callguard.cli.options import json_option
from callguard.config.dialplan import shipped_dialplan
from callguard.lab import Lab
from callguard.lab.scenarios import Report, play_all
from callguard.lab.site import Site


@click.command()
@json_option
@click.option("--keep", is_flag=True, help="Leave it running, and say how to call in with a softphone.")
def demo(*, as_json: bool, keep: bool) -> None:
    """Place real calls on a laboratory PBX, one for each outcome."""
    console = Console(stderr=as_json)
    sys.exit(asyncio.run(_demo(console, as_json=as_json, keep=keep)))


async def _demo(console: Console, *, as_json: bool, keep: bool) -> int:
    with console.status("Preparing") as status:
        dialplan = shipped_dialplan()
        # A softphone calls from another machine, the scenarios from this one.
        async with Lab(dialplan, progress=status.update, bind="0.0.0.0" if keep else "127.0.0.1") as lab:  # noqa: S104
            site = Site(lab)
            try:
                status.update("Rendering the announcements")
                await lab.pbx.load_dialplan(dialplan=site.dialplan(dialplan))
                await site.build_prompts()
                await site.start()
                status.update("Calling: 6 callers at once, then one who finds no controller")
                reports = await play_all(lab, site, lambda report: _tell(console, report))
                status.stop()
                sealed = await in_the_vault(site, reports)
                if as_json:
                    click.echo(json.dumps(result(reports, sealed)))
                else:
                    console.print(table(reports))
                    _tell_sealed(console, site, sealed)
                if keep:
                    await _stay(console, lab, site)
            finally:
                await site.close()
    return 0 if result(reports, sealed)["ok"] else 1


def _tell(console: Console, report: Report) -> None:
    mark = "[green]as it must be[/green]" if report.ok else "[red]not as it must be[/red]"
    console.print(f"  {report.name}: {mark}")
    for problem in report.problems:
        console.print(f"    {problem}", style="red", markup=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A recording as it lies in the vault, and what an export of it gave."""

    recording: str
    seconds: float
    bytes: int  #: of its blocks
    verified: bool
    exported: str  #: SHA-256 of the exported file


async def in_the_vault(site: Site, reports: list[Report]) -> list[Sealed]:
    """Verify every recording, and take it out, by the commands that a site has for it.

    Raises:
        LabError: a command failed.
    """
    found = []
    for report in reports:
        if not report.recording:
            continue
        _, said = await site.command("vault", "verify", report.recording, "--json", check=False)
        [verdict] = json.loads(said)["recordings"]
        out = site.spool / "export.wav"  # in memory, like all speech in the clear
        words = ("vault", "export", report.recording, "-o", str(out), "--purpose", "demo", "--json")
        _, said = await site.command(*words)
        out.unlink()
        done = json.loads(said)
        found.append(
            Sealed(
                recording=verdict["recording"],
                seconds=done["seconds"],
                bytes=sum(path.stat().st_size for path in site.vault.rglob(f"{report.recording}-*/*.block")),
                verified=verdict["ok"],
                exported=done["sha256"],
            )
        )
    return found


def _tell_sealed(console: Console, site: Site, sealed: list[Sealed]) -> None:
    left = len(list(site.spool.glob("*.sln")))
    lines = [f"\nIn the vault, sealed; {left} files of them are left in the spool:"]
    for one in sealed:
        verdict = "verified" if one.verified else "NOT AS IT WAS SEALED"
        lines.append(f"  {one.recording}  {one.seconds:.1f} s, {one.bytes >> 10} KiB, {verdict}")
    for one in sealed[:1]:
        call = one.recording.rpartition("-")[0]
        lines += [
            "Only the key of the site opens them. To take one out, with a reason for the ledger:",
            f"  callguard vault export {call} --purpose 'complaint 12'",
            f"  (tried here: {one.seconds:.1f} s; SHA-256 {one.exported[:16]}... stands in the ledger)",
        ]
    for line in lines:
        console.print(line, highlight=False, markup=False)


def result(reports: list[Report], sealed: list[Sealed]) -> dict[str, object]:
    """The reports as JSON for scripts."""
    return {
        "ok": all(report.ok for report in reports) and all(one.verified for one in sealed),
        "vault": [asdict(one) for one in sealed],
        "scenarios": [
            {
                "name": report.name,
                "outcome": report.outcome,
                "queue": report.queue or None,
                "captured_seconds": report.captured_seconds,
                "ledger_entry": report.ledger_entry,
                "ok": report.ok,
            }
            for report in reports
        ],
    }


def table(reports: list[Report]) -> Table:
    """The reports for people."""
    shown = Table("caller", "outcome", "queue reached", "captured", "ledger entry", "")
    for report in reports:
        shown.add_row(
            report.name,
            report.outcome,
            report.queue or "-",
            f"{report.captured_seconds:.2f} s" if report.captured_seconds else "nothing",
            "-" if report.ledger_entry is None else str(report.ledger_entry),
            "[green]ok[/green]" if report.ok else "[red]wrong[/red]",
        )
    return shown


async def _stay(console: Console, lab: Lab, site: Site) -> None:
    await site.start()
    pbx = lab.pbx
    console.print(
        f"\nThe laboratory stays up. Register a softphone as [b]softphone[/b], password "
        f"[b]{pbx.softphone_password}[/b], at this machine's address, port [b]{pbx.ports.sip}[/b] (UDP), and "
        f"call [b]100[/b].\nLive calls: callguard calls -c {site.config}\n"
        f"Recordings: callguard vault list -c {site.config}\n"
        "Ctrl-C ends it."
    )
    asked = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, asked.set)
    await asked.wait()
