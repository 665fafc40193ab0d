"""The table of jurisdictions: read, checked, complete, and identified by its version and hash.

Reading is the only I/O of this room. A table is a value: whoever reloads gets a second one, and the first
stays in force until the second has been found good.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path as FilePath

from callguard.law.entries import common_to, entry_of, region_entries
from callguard.law.flags import Flag
from callguard.law.overrides import Override, Weakening, apply
from callguard.law.reading import LawTableError, Located, Problem, read
from callguard.law.words import UNKNOWN, Beep, Form, Jurisdiction, Retention, Rule

#: Ways that customer records write a country, beside the code in the table. ISO 3166 gives the five
#: territories of the United States codes of their own.
ALIASES = {"UK": "GB", "EL": "GR", "USA": "US", "EEA": "EU"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Every jurisdiction by code. Look-ups never fail: what is not known is :data:`UNKNOWN`."""

    version: str
    sha256: str  #: of the entries as they are applied, site's changes included
    jurisdictions: Mapping[str, Jurisdiction]
    weakenings: tuple[Weakening, ...]  #: what a site made milder, for the ledger at start-up
    regions: Mapping[str, str]  #: country code of a phone number -> code here
    strictest: Mapping[str, Jurisdiction]  #: code of a whole -> the strictest of its parts

    @property
    def identity(self) -> str:
        """Version and hash, as they stand in every consent entry."""
        return f"{self.version} sha256:{self.sha256}"

    def resolve(self, text: str) -> str:
        """A code as people write it -> the code here, or :data:`UNKNOWN`."""
        code = text.strip().upper().replace("_", "-")
        code = ALIASES.get(code, code)
        return code if code in self.jurisdictions else self.regions.get(code, UNKNOWN)

    def place(self, region: str, part: str | None) -> str:
        """Where a phone number is -> the code here, or :data:`UNKNOWN`."""
        whole = self.regions.get(region, UNKNOWN)
        return f"{whole}-{part}" if part and f"{whole}-{part}" in self.jurisdictions else whole

    def effective(self, code: str) -> Jurisdiction:
        """The entry that is applied to somebody in ``code``."""
        return self.strictest.get(code) or self.jurisdictions.get(code) or self.jurisdictions[UNKNOWN]

    def within(self, code: str, whole: str) -> bool:
        """Whether ``code`` is a proper part of ``whole``."""
        parent = self.jurisdictions[code].parent
        return parent is not None and (parent == whole or self.within(parent, whole))


def load_table(overrides: Iterable[Override] = (), directory: FilePath | None = None) -> Table:
    """Read, check and complete the table.

    Args:
        overrides: what a site changes or adds (see :mod:`callguard.law.overrides`).
        directory: files to read instead of those that ship with callguard.

    Raises:
        LawTableError: with every problem found, each with file, line, key and what would be right.
    """
    root: Traversable = directory or files(__package__) / "table"
    names = sorted(item.name for item in root.iterdir() if item.name.endswith(".yaml"))
    return build([(name, _text(root / name, name)) for name in names], overrides)


def build(texts: Sequence[tuple[str, str]], overrides: Iterable[Override] = ()) -> Table:
    """The table from the texts of its files, as pairs of file name and content."""
    raw: dict[str, Located] = {}
    problems: list[Problem] = []
    version = ""
    for name, text in texts:
        try:
            document = read(text, name)
        except LawTableError as error:
            problems += error.problems
            continue
        if name == "edition.yaml":
            version = _version(document, problems)
            continue
        for located in region_entries(document, common_to(document, problems), problems):
            code = str(located.mapping["code"])
            if code in raw:
                problems.append(_twice(located, raw[code], code))
            raw.setdefault(code, located)
    entries = {code: entry for code, located in raw.items() if (entry := entry_of(located, problems))}
    if not version and not problems:
        problems.append(
            Problem(
                file="edition.yaml",
                line=0,
                key="version",
                what="the table has no version",
                fix="add edition.yaml with a line `version: ...`",
            )
        )
    if problems:
        raise LawTableError(tuple(problems))
    _fallback(entries, raw)
    applied = apply(raw, entries, tuple(overrides))
    _whole(applied.entries, raw)
    return _table(version, applied.entries, applied.weakenings)


def _table(version: str, entries: Mapping[str, Jurisdiction], weakenings: tuple[Weakening, ...]) -> Table:
    ordered = {code: entries[code] for code in sorted(entries)}
    canonical = json.dumps(
        [_canonical(entry) for entry in ordered.values()], sort_keys=True, ensure_ascii=True
    )
    regions = {code: code for code in ordered if len(code) == 2}
    regions |= {region: entry.code for entry in ordered.values() for region in entry.regions}
    return Table(
        version=version,
        sha256=hashlib.sha256(canonical.encode()).hexdigest(),
        jurisdictions=ordered,
        weakenings=weakenings,
        regions=regions,
        strictest={
            entry.code: strictest_of(entry, [part for part in ordered.values() if part.parent == entry.code])
            for entry in ordered.values()
            if entry.strictest_part
        },
    )


def strictest_of(whole: Jurisdiction, parts: Sequence[Jurisdiction]) -> Jurisdiction:
    """The entry for somebody known to be in ``whole`` but not where: what satisfies every part of it."""
    lows = [entry.retention.min_days for entry in (whole, *parts) if entry.retention.min_days is not None]
    highs = [entry.retention.max_days for entry in (whole, *parts) if entry.retention.max_days is not None]
    beeps = [entry.beep for entry in (whole, *parts)]
    return replace(
        whole,
        rule=max((entry.rule for entry in (whole, *parts)), key=lambda rule: rule.strictness),
        form=max((entry.form for entry in (whole, *parts)), key=lambda form: form.strictness),
        flags=whole.flags.union(*(part.flags for part in parts)),
        beep=Beep(role=max((beep.role for beep in beeps), key=lambda role: role.strictness)),
        retention=Retention(min_days=max(lows, default=None), max_days=min(highs, default=None)),
    )


def _canonical(entry: Jurisdiction) -> dict[str, object]:
    plain = asdict(entry)
    plain["flags"] = sorted(entry.flags)
    plain["read"], plain["review_by"] = entry.read.isoformat(), entry.review_by.isoformat()
    return plain


def _text(path: Traversable, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem(
            file=name,
            line=0,
            key="(file)",
            what=f"cannot be read: {error}",
            fix="make it readable UTF-8 text",
        )
        raise LawTableError((problem,)) from error


def _version(document: Located, problems: list[Problem]) -> str:
    version = document.mapping.get("version", "")
    if not isinstance(version, str) or not version.strip():
        problems.append(
            Problem(
                file=document.file,
                line=document.line(("version",)),
                key="version",
                what="is empty or missing",
                fix="write `version: 2026.11.1` or the like",
            )
        )
        return ""
    return version.strip()


def _twice(located: Located, first: Located, code: str) -> Problem:
    return Problem(
        file=located.file,
        line=located.line(("code",)),
        key="code",
        what=f"{code} stands already in {first.file}:{first.line(('code',))}",
        fix="keep one of the two, or change the shipped entry through an override",
    )


def _fallback(entries: Mapping[str, Jurisdiction], raw: Mapping[str, Located]) -> None:
    """The unknown must be there and be the strictest; a site may soften it, under its own name."""
    entry = entries.get(UNKNOWN)
    if entry and entry.rule is Rule.ALL_PARTY and entry.form is Form.EXPLICIT:
        return
    at = raw.get(UNKNOWN)
    problem = Problem(
        file=at.file if at else "unknown.yaml",
        line=at.line(("form",)) if at else 0,
        key="form" if at else "code",
        # Whoever could be anywhere must not be recorded more easily than somebody whose law is known.
        what=f"{UNKNOWN} must be all-party and explicit" if at else f"the fallback {UNKNOWN} is missing",
        fix="restore it",
    )
    raise LawTableError((problem,))


def _whole(entries: Mapping[str, Jurisdiction], raw: Mapping[str, Located]) -> None:
    """What only the table as a whole can show."""
    problems: list[Problem] = []
    taken: dict[str, str] = {}
    for entry in entries.values():
        at = raw.get(entry.code, Located(value={}, file="configuration"))
        outer = entries.get(entry.parent or "")
        if entry.parent and (outer is None or outer.parent):
            what = f"{entry.parent} is {'within another one' if outer else 'not in the table'}"
            problems.append(_about(at, "parent", f"{entry.code}: {what}", "name an outermost entry, or none"))
        for region in entry.regions:
            if region in taken or (region in entries and region != entry.code):
                what = f"{entry.code}: {region} belongs to another entry"
                problems.append(_about(at, "regions", what, "list each country code once"))
            taken[region] = entry.code
        if Flag.STATE_LAW_STRICTER in entry.flags and not entry.strictest_part:
            what = f"{entry.code}: contradicts the flag {Flag.STATE_LAW_STRICTER}"
            problems.append(_about(at, "strictest_part", what, "write strictest_part: true"))
    if problems:
        raise LawTableError(tuple(problems))


def _about(at: Located, key: str, what: str, fix: str) -> Problem:
    return Problem(file=at.file, line=at.line((key,)), key=key, what=what, fix=fix)
