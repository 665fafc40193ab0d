"""`callguard web token`, `callguard phones keys`: what the web interface is used with."""

from __future__ import annotations

import hashlib
import json
import secrets
from pathlib import Path

import click

from callguard.cli.options import config_option, json_option
from callguard.config import load
from callguard.web.phones import addresses
from callguard.web.screens import Form

#: Random bytes of a token.
TOKEN_BYTES = 32


@click.group()
def web() -> None:
    """The interface over HTTP."""


@web.command()
@json_option
def token(*, as_json: bool) -> None:
    """Make a token, or a secret for telephones; it is shown once and kept nowhere."""
    made = secrets.token_urlsafe(TOKEN_BYTES)
    digest = f"sha256:{hashlib.sha256(made.encode()).hexdigest()}"
    if as_json:
        click.echo(json.dumps({"token": made, "hash": digest}))
        return
    click.echo(f"token: {made}")
    click.echo(f"hash:  {digest}")
    click.echo(
        "Give the token to whoever shall use it, and write the hash into the configuration (web.tokens.NAME."
        "secret). A secret for telephones stands in a file of its own (web.phones.secret: file:/path).",
        err=True,
    )


@click.group()
def phones() -> None:
    """Desk telephones whose keys fetch an address."""


@phones.command()
@click.argument("extensions", nargs=-1, required=True)
@click.option(
    "--format",
    "form",
    type=click.Choice([form.value for form in Form]),
    help="How answers are written; default: as the telephone says of itself.",
)
@config_option
@json_option
def keys(extensions: tuple[str, ...], form: str | None, path: Path, *, as_json: bool) -> None:
    """Print what the keys of the telephones EXTENSIONS have to fetch.

    Each address holds the key of its telephone: whoever knows it can pause and resume there.
    """
    settings = load(path).web
    found = {each: addresses(settings, each, Form(form) if form else None) for each in extensions}
    if as_json:
        click.echo(json.dumps(found))
        return
    for extension, places in found.items():
        click.echo(extension)
        for action, place in places.items():
            click.echo(f"  {action.value:<9} {place}")
