"""`callguard init`: a few questions, a configuration that works, and what to put into Asterisk's files."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
from pydantic import TypeAdapter, ValidationError

from callguard.cli.places import Owner, about_key, give_group, make_directories, make_key, of_site
from callguard.cli.questions import (
    Asker,
    ari_url,
    company_name,
    country_code,
    country_here,
    one_of,
    queue_name,
    state_of,
    usual_language,
)
from callguard.config import DEFAULT_PATH, Config, load, loads
from callguard.config.forms import PbxPath
from callguard.config.snippets import DATA, is_loopback, render_config, render_snippets, render_unit
from callguard.errors import ConfigError
from callguard.law import UNKNOWN, load_table
from callguard.prompts.facts import PURPOSES
from callguard.prompts.texts import load_texts
from callguard.recording.spool import ACCOUNT

#: Readable by owner and group: the files hold passwords.
MODE = 0o640


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_PATH.parent,
    show_default=True,
    help="Where to write config.yaml and the directory asterisk/.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=DATA,
    show_default=True,
    callback=lambda _context, _option, value: _for_pbx(value),
    help="Where to keep recordings, keys, announcements and the ledger.",
)
@click.option("--company", help="The company, as callers know it.")
@click.option("--country", help="Two letters, such as US or DE.")
@click.option("--state", help="State or province, where it has a law of its own, such as CA.")
@click.option("--queue", "queues", multiple=True, help="A queue whose calls may be recorded. Repeatable.")
@click.option(
    "--language", "languages", multiple=True, help="Spoken to callers, the usual first. Repeatable."
)
@click.option("--purpose", "purposes", multiple=True, help="What recordings are used for. Repeatable.")
@click.option("--ari", "url", help="Where Asterisk's REST interface is. [default: http://127.0.0.1:8088/ari]")
@click.option(
    "--ami-port",
    type=click.IntRange(1, 65535),
    default=5038,
    show_default=True,
    help="TCP port of the manager interface, on the same host.",
)
@click.option("--non-interactive", is_flag=True, help="Ask nothing: take the options and the defaults.")
@click.option("--pbx-only", is_flag=True, help="Keep config.yaml and write the files for Asterisk anew.")
@click.option(
    "--files-only",
    is_flag=True,
    help="Make no directories and no key: callguard will run elsewhere, or in a container.",
)
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
def init(
    output: Path,
    data: Path,
    company: str | None,
    country: str | None,
    state: str | None,
    queues: tuple[str, ...],
    languages: tuple[str, ...],
    purposes: tuple[str, ...],
    url: str | None,
    ami_port: int,
    *,
    non_interactive: bool,
    pbx_only: bool,
    files_only: bool,
    force: bool,
) -> None:
    """Write a first configuration, and what Asterisk needs to work with callguard.

    Also makes the directories and the key of the vault. A key that is there is never replaced.
    """
    path = output / "config.yaml"
    if pbx_only:
        config = load(path)
        files: dict[Path, str] = {}
    else:
        if not force:
            _refuse_to_overwrite([path])
        ask = Asker(interactive=not non_interactive)
        table, spoken = load_table(), load_texts().languages
        name = ask("company", "Company, as callers know it", company, None, company_name)
        land = ask(
            "country",
            "Country (two letters)",
            country,
            None if non_interactive else country_here(),
            country_code,
        )
        part = state_of(ask, table, land, state)
        chosen = ask.several("queue", "Queues whose calls may be recorded", queues, "sales", queue_name)
        speech = ask.several(
            "language",
            "Languages spoken to callers",
            languages,
            usual_language(table, land, spoken),
            one_of(spoken),
        )
        why = ask.several("purpose", "What recordings are for", purposes, "quality", one_of(PURPOSES))
        where = ask("ari", "Asterisk's REST interface", url, "http://127.0.0.1:8088/ari", ari_url)
        text = render_config(
            name=name,
            country=land,
            jurisdiction=part,
            queues=chosen,
            languages=speech,
            purposes=why,
            url=where,
            ami_port=ami_port,
            passwords=(secrets.token_urlsafe(24), secrets.token_urlsafe(24)),
            data=data,
        )
        config = loads(text, str(path))
        files = {path: text}
        if table.resolve(land) == UNKNOWN:
            click.echo(
                f"The table of jurisdictions has no entry for {land}: its callers are asked for a yes."
            )
    snippets = render_snippets(config, _own_address(config))
    files |= {output / "asterisk" / name: text for name, text in snippets.items()}
    files[output / "systemd" / "callguard.service"] = render_unit(config, path, _command())
    if not force:
        _refuse_to_overwrite(list(files))
    for place, text in files.items():
        _write(place, text)
    owner = Owner.here()
    give_group(files, owner)
    lines = ["Written, readable by owner and group alone:", *(f"  {place}" for place in files)]
    lacking: list[Path] = []
    if not pbx_only and not files_only:
        lacking = make_directories(of_site(config), owner)
        key = config.vault.key.file
        if key is not None and not lacking:
            lines += ["", about_key(key, made=make_key(key, owner))]
    keyless = files_only or bool(lacking)
    click.echo("\n".join([*lines, "", *_what_next(path, config, lacking, owner, keyless=keyless)]))


def _command() -> str:
    """How systemd starts callguard: the program that runs here."""
    program = shutil.which("callguard")
    return program or f"{sys.executable} -m callguard"


def _own_address(config: Config) -> str:
    """The address by which the PBX sees this machine: no packet is sent to find out."""
    host = config.asterisk.ami.host
    if is_loopback(host):
        return "127.0.0.1"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((host, config.asterisk.ami.port))
            return str(probe.getsockname()[0])
    except OSError as error:
        raise ConfigError(
            f"the PBX {host} cannot be reached from here ({error.strerror or error}); write its address, or "
            "run `callguard init` on the machine where callguard will run"
        ) from error


def _refuse_to_overwrite(paths: Sequence[Path]) -> None:
    there = [path for path in paths if path.exists()]
    if there:
        listed = ", ".join(map(str, there))
        raise ConfigError(
            f"{listed}: already there, nothing was written; --force overwrites, --output writes elsewhere"
        )


def _write(path: Path, text: str) -> None:
    """Write a file in one step, never readable by everybody, not even for a moment."""
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                os.fchmod(stream.fileno(), MODE)
                stream.write(text)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written ({error.strerror}); use --output, or the rights to write there"
        ) from error


def _what_next(
    path: Path, config: Config, lacking: Sequence[Path], owner: Owner | None, *, keyless: bool
) -> list[str]:
    option = "" if path == DEFAULT_PATH else f" -c {shlex.quote(str(path))}"
    asterisk = shlex.quote(str(path.parent / "asterisk"))
    refusers = dict.fromkeys(config.unrecorded_queue(name) for name in config.queues)
    steps = [] if owner is not None else [_account(path, config)]
    if lacking:
        made = f"install -d -o {ACCOUNT} -g {ACCOUNT} {shlex.join(map(str, lacking))}"
        steps.append(f"Make what could not be made here, as root: {made}")
    if keyless:
        steps.append(f"Make the key of the vault, as {ACCOUNT}: callguard vault new-key{option}")
    steps += [
        "Copy callguard.conf, callguard-ari.conf, callguard-http.conf and callguard-manager.conf from\n"
        f"     {asterisk} to /etc/asterisk, readable by Asterisk alone, and #include each at the end of\n"
        "     extensions.conf, ari.conf, http.conf and manager.conf.",
        "Change each queue's lines as extensions.example.conf shows, and give refusers a queue of their own\n"
        f"     as queues.example.conf says: {', '.join(refusers)}.",
        f"Let Asterisk write into the spool: usermod -aG {ACCOUNT} asterisk, and restart Asterisk once.",
        "Load it: asterisk -rx 'core reload'",
        f"Render the announcements: callguard prompts build{option}",
        f"Ask Asterisk whether all is well: callguard doctor{option}",
        f"Start, as {ACCOUNT}: callguard run{option}",
    ]
    return ["What to do next:", *(f"  {number}. {step}" for number, step in enumerate(steps, 1))]


def _account(path: Path, config: Config) -> str:
    """How to give callguard an account of its own, and what was written here."""
    own = shlex.join([str(config.prompts.directory.parent), str(config.control.socket.parent)])
    return (
        f"Give callguard an account of its own, and what is its: useradd --system {ACCOUNT};\n"
        f"     mkdir -p {own}; chown -R {ACCOUNT}:{ACCOUNT} {own};\n"
        f"     chgrp -R {ACCOUNT} {shlex.quote(str(path.parent))}"
    )


def _for_pbx(path: Path) -> Path:
    """A place that both Asterisk and callguard can name.

    Raises:
        click.BadParameter: it is none.
    """
    try:
        return TypeAdapter[Path](PbxPath).validate_python(path)
    except ValidationError as error:
        raise click.BadParameter(str(error.errors()[0]["msg"]).removeprefix("Value error, ")) from error
