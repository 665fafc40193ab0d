"""What documents are made of, and how they are set as HTML or Markdown."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

#: What a reader of Markdown would take for something else than text.
_MARKS = re.compile(r"([\\`*_\[\]<>|#~])")


@dataclass(frozen=True, slots=True)
class Says:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Points:
    """A list."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table."""

    heading: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Words:
    """Exact words that are spoken."""

    name: str
    language: str
    text: str


Block = Says | Points | Grid | Words


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: tuple[Block, ...]
    level: int = 2


@dataclass(frozen=True, slots=True)
class Document:
    """One document, ready to be set."""

    title: str
    sections: tuple[Section, ...]


def rendered(page: Document, kind: str) -> str:
    """A document as ``html`` or ``md``; nothing in it is taken for markup."""
    house = Environment(
        loader=PackageLoader("callguard.cli.documents"),
        autoescape=kind == "html",  # noqa: S701 - Markdown is escaped by _plain instead
        finalize=None if kind == "html" else _plain,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    template = house.get_template(f"page.{kind}.j2")
    return template.render(document=page, kind_of=lambda block: type(block).__name__)


def _plain(value: object) -> str:
    return _MARKS.sub(r"\\\1", str(value)).replace("\n", " ")
