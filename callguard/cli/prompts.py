"""`callguard prompts`: render what callers hear, check it, list it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from callguard.cli.options import config_option, json_option
from callguard.config import Config, load
from callguard.controller import needed, table_of
from callguard.controller.tones import put_tone, wrong_sounds
from callguard.prompts.build import Built, Needed, build
from callguard.prompts.library import Library
from callguard.prompts.manifest import Entry
from callguard.prompts.measure import Finding
from callguard.prompts.phrasing import variant
from callguard.prompts.texts import SiteTexts, Texts, load_texts


@click.group()
def prompts() -> None:
    """Render, check and list what callers hear."""


@prompts.command("build")
@config_option
@json_option
def build_prompts(path: Path, *, as_json: bool) -> None:
    """Render every prompt that a queue can need, and the warning tone; unchanged ones are kept.

    A recording in DIRECTORY/studio/LANGUAGE/NAME.wav takes precedence over the synthesiser when NAME.txt
    beside it holds exactly the words of the prompt. `callguard prompts list` shows names and words.
    """
    config = load(path)
    texts = texts_of(config)
    wanted = needed(config, table_of(config))
    told: list[Built] = []
    console = Console(stderr=True, quiet=as_json)
    with console.status("rendering") as status:

        def tell(built: Built) -> None:
            told.append(built)
            status.update(f"{len(told)} prompts: {built.entry.name} in {built.entry.language}")

        directory = config.prompts.directory
        library = build(directory, texts, wanted, wideband=config.prompts.wideband, told=tell)
        put_tone(config)
    rendered = sum(not built.reused for built in told)
    if as_json:
        click.echo(json.dumps(_summary(library) | {"rendered": rendered, "kept": len(told) - rendered}))
        return
    click.echo(
        f"{len(told)} prompts in {', '.join(sorted(library.languages))}: {rendered} rendered, "
        f"{len(told) - rendered} kept. They are in {library.directory}."
    )


@prompts.command("check")
@config_option
@json_option
def check_prompts(path: Path, *, as_json: bool) -> None:
    """Hash and measure every prompt again, and compare it with the configuration. Exit status 1 if wrong."""
    config = load(path)
    library = Library.open(config.prompts.directory)
    findings = [*library.check(), *_outdated(library, texts_of(config), needed(config, table_of(config)))]
    findings += wrong_sounds(config)
    if as_json:
        found = [{"where": f.where, "what": f.what, "remedy": f.remedy} for f in findings]
        click.echo(json.dumps(_summary(library) | {"ok": not findings, "findings": found}))
    elif findings:
        for finding in findings:
            click.echo(str(finding), err=True)
    else:
        click.echo(f"{len(library.entries)} prompts in {library.directory} are as they were built.")
    if findings:
        sys.exit(1)


@prompts.command("list")
@config_option
@click.option("-l", "--language", help="Only this language.")
@json_option
def list_prompts(path: Path, language: str | None, *, as_json: bool) -> None:
    """Show every built prompt: its words, length and voice."""
    library = Library.open(load(path).prompts.directory)
    entries = [entry for entry in library.entries if language in {None, entry.language}]
    if as_json:
        shown = [entry.model_dump(mode="json") for entry in entries]
        click.echo(json.dumps(_summary(library) | {"prompts": shown}, ensure_ascii=False))
        return
    table = Table("language", "prompt", "seconds", "voice", "words")
    for entry in entries:
        table.add_row(
            entry.language,
            entry.name,
            f"{entry.audio.seconds:.1f}",
            _voice(entry),
            entry.text,
        )
    Console().print(table)


def texts_of(config: Config) -> Texts:
    """The shipped texts with the site's own on top.

    Raises:
        PromptError: something in the site's own texts is wrong.
    """
    own = config.prompts
    site = SiteTexts.of(
        texts=own.texts, purposes=own.purposes, alternatives=own.alternatives, voices=own.voices
    )
    return load_texts(site=site)


def _outdated(library: Library, texts: Texts, wanted: Iterable[Needed]) -> list[Finding]:
    """Prompts that the configuration needs and that are missing, or say something else by now."""
    built = {entry.key: entry.text for entry in library.entries}
    findings: dict[str, Finding] = {}
    for want in wanted:
        key = (want.name, texts.resolve(want.language), variant(want.name, want.facts))
        where = f"{want.name} in {key[1]}"
        text = texts.render(want.name, want.language, want.facts)
        if key not in built:
            what = f"was not built ({text})"
        elif built[key] != text:
            what = f"says {built[key]!r} and should say {text!r}"
        else:
            continue
        finding = Finding(where=where, what=what, remedy="run `callguard prompts build`")
        findings[str(finding)] = finding
    return list(findings.values())


def _summary(library: Library) -> dict[str, Any]:
    return {"directory": str(library.directory), "languages": sorted(library.languages)}


def _voice(entry: Entry) -> str:
    source = entry.source.split()
    return "studio" if source[0] == "studio" else source[2]
