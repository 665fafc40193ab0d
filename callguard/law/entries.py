"""One file of the table -> its entries, complete with what is common to the file, and checked one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from callguard.law.reading import Located, Path, Problem
from callguard.law.schema import Entry
from callguard.law.words import Jurisdiction

#: Lists to which ``common`` adds; every other key of an entry stands instead of the common one.
ADDED = ("flags", "statutes", "sources", "notes")


def common_to(document: Located, problems: list[Problem]) -> Located:
    """What every entry of the file takes unless it says its own."""
    common = document.mapping.get("common", {})
    if isinstance(common, dict):
        return document.part("common") if common else Located(value={}, file=document.file)
    problems.append(
        _problem(document, ("common",), "common", "is no mapping", "indent `key: value` lines below it")
    )
    return Located(value={}, file=document.file)


def region_entries(document: Located, common: Located, problems: list[Problem]) -> Iterator[Located]:
    """Every entry of the file that at least has a code."""
    listed = document.mapping.get("jurisdictions")
    if not isinstance(listed, list):
        problems.append(
            _problem(
                document,
                (),
                "jurisdictions",
                "is missing or no list",
                "add it, each entry starting with `- code:`",
            )
        )
        return
    problems += (
        _problem(document, (key,), key, "is not a key of a file", "use region, common and jurisdictions")
        for key in document.mapping.keys() - {"region", "common", "jurisdictions"}
    )
    for place, entry in enumerate(listed):
        located = document.part("jurisdictions", place)
        if not isinstance(entry, dict) or not isinstance(entry.get("code"), str):
            problems.append(
                _problem(located, (), "code", "an entry has no code", "start it with `- code: XX`")
            )
            continue
        yield merged(located, common)


def merged(own: Located, common: Located) -> Located:
    """An entry together with what is common."""
    value = dict(own.mapping)
    lines = dict(own.lines)
    for key, shared in common.mapping.items():
        mine = value.get(key)
        if mine is None:
            value[key] = shared
            lines |= {path: line for path, line in common.lines.items() if path[:1] == (key,)}
        elif key in ADDED and isinstance(mine, list) and isinstance(shared, list):
            new = [(place, item) for place, item in enumerate(shared) if item not in mine]
            value[key] = mine + [item for _, item in new]
            for offset, (place, _) in enumerate(new):
                lines[(key, len(mine) + offset)] = common.line((key, place))
    return Located(value=value, file=own.file, lines=lines)


def entry_of(located: Located, problems: list[Problem]) -> Jurisdiction | None:
    """The checked entry, or ``None`` with the problems noted."""
    try:
        return Entry.model_validate(located.value).jurisdiction()
    except ValidationError as error:
        problems += (_explained(located, dict(item)) for item in error.errors())
        return None


def _explained(located: Located, item: Mapping[str, Any]) -> Problem:
    code = located.mapping.get("code", "?")
    context = item.get("ctx") or {}
    if item["type"] == "contradiction":
        return _problem(
            located, (context["key"],), context["key"], f"{code}: {context['what']}", context["fix"]
        )
    path: Path = tuple(item["loc"])
    key = ".".join(str(step) for step in path)
    given = item.get("input")
    match item["type"]:
        case "extra_forbidden":
            close = get_close_matches(str(path[-1]), list(Entry.model_fields), n=1)
            what, fix = "is not a key of an entry", f"did you mean {close[0]}?" if close else "remove it"
        case "missing":
            what, fix = "is missing", "add it; `callguard law schema` tells what it may hold"
        case "enum":
            expected = str(context.get("expected", ""))
            words = [word.strip(" '") for word in expected.replace(" or ", ",").split(",")]
            close = get_close_matches(str(given), words, n=1)
            what = f"{given!r} is not one of its words"
            fix = f"did you mean {close[0]}?" if close else f"use {expected}"
        case _:
            what, fix = f"{given!r} is not accepted", str(item["msg"])
    return _problem(located, path, key, f"{code}: {what}", fix)


def _problem(located: Located, path: Path, key: str, what: str, fix: str) -> Problem:
    return Problem(file=located.file, line=located.line(path), key=key, what=what, fix=fix)
