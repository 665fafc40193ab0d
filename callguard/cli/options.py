"""Options that many commands share."""

from __future__ import annotations

from pathlib import Path

import click

from callguard.config import DEFAULT_PATH

config_option = click.option(
    "-c",
    "--config",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT_PATH,
    envvar="CALLGUARD_CONFIG",
    show_default=True,
    show_envvar=True,
    help="The configuration file.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
