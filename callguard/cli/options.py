"""Options that many commands share."""

from __future__ import annotations

import functools
from pathlib import Path

import click

from callguard.config import DEFAULT_PATH

_config = functools.partial(
    click.option,
    "-c",
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="CALLGUARD_CONFIG",
    show_default=True,
    show_envvar=True,
)

config_option = _config("path", default=DEFAULT_PATH, help="The configuration file.")

configs_option = _config(
    "paths",
    multiple=True,
    default=(DEFAULT_PATH,),
    help="The configuration file; once for each Asterisk that this process serves.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
