"""The command line. One file per group of commands; each is imported only when it is used."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from callguard import __version__
from callguard.cli.logs import set_up_logs
from callguard.errors import CallguardError

#: Command -> module and name within it.
COMMANDS = {
    "ledger": "callguard.cli.ledger:ledger_group",
    "evidence": "callguard.cli.evidence:evidence",
    "audit": "callguard.cli.audit:audit",
    "run": "callguard.cli.run:run",
    "assign-case": "callguard.cli.desk:assign_case",
    "calls": "callguard.cli.switchboard:calls",
    "demo": "callguard.cli.demo:demo",
    "doctor": "callguard.cli.doctor:doctor",
    "extend": "callguard.cli.desk:extend",
    "init": "callguard.cli.init:init",
    "inventory": "callguard.cli.inventory:inventory",
    "law": "callguard.cli.law:law_group",
    "call": "callguard.cli.desk:place",
    "paid": "callguard.cli.desk:paid",
    "pause": "callguard.cli.desk:pause",
    "pauses": "callguard.cli.pauses:pauses",
    "phones": "callguard.cli.web:phones",
    "policy": "callguard.cli.policy:policy_group",
    "prompts": "callguard.cli.prompts:prompts",
    "register": "callguard.cli.register:register_group",
    "speech": "callguard.cli.speech:speech_group",
    "simulate": "callguard.cli.simulate:simulate",
    "resume": "callguard.cli.desk:resume",
    "stop-all": "callguard.cli.switchboard:stop_all",
    "resume-all": "callguard.cli.switchboard:resume_all",
    "vault": "callguard.cli.vault:vault",
    "web": "callguard.cli.web:web",
    "withdraw": "callguard.cli.desk:withdraw",
}


class Commands(click.Group):
    """A group whose commands are imported on first use, so that `callguard calls` loads no audio library."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All commands, in the order of the alphabet."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="callguard")
def callguard() -> None:
    """Announce, ask, record only after consent, and prove it."""


def main(*args: Any) -> None:
    """Run a command; an error of ours is a message and exit status 1, not a traceback."""
    if not args:
        # The process is ours: what is logged goes to standard error, and not between what `--json` prints.
        set_up_logs("warning", "text")
    try:
        callguard.main(args=list(args) or None, prog_name="callguard")
    except CallguardError as error:
        click.echo(f"callguard: {error}", err=True)
        sys.exit(1)
