"""What a site changes in the table, or adds to it, on the word of its own counsel.

An override names the code and the keys that change; a code that the table does not know is a whole new
entry. To be stricter needs nobody's leave. To be milder (a milder rule or form, a flag dropped, a longer
retention, and also a new jurisdiction that asks less than the unknown one did) needs ``approved_by`` and
``reason``, and is reported as a :class:`Weakening` so that it becomes a ledger entry at every start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath

from callguard.law.entries import entry_of
from callguard.law.flags import LOOSENING
from callguard.law.reading import LawTableError, Located, Path, Problem, read
from callguard.law.words import UNKNOWN, Jurisdiction

_ABOUT = ("approved_by", "reason", "add_flags", "drop_flags")


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """One change: the keys of an entry that a site gives, with where they were written."""

    code: str
    values: Mapping[str, object]
    file: str = "configuration"
    lines: Mapping[Path, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weakening:
    """One thing that a site made milder, and who answers for it."""

    code: str
    key: str
    before: str
    after: str
    approved_by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The entries after all overrides, and what became milder."""

    entries: Mapping[str, Jurisdiction]
    weakenings: tuple[Weakening, ...]


def overrides_in(document: Located, key: str = "overrides") -> tuple[Override, ...]:
    """Overrides from a document: a mapping of codes under ``key``.

    Raises:
        LawTableError: there is no such mapping.
    """
    listed = document.mapping.get(key)
    if not isinstance(listed, dict) or not all(isinstance(item, dict) for item in listed.values()):
        problem = Problem(
            file=document.file,
            line=document.line((key,)),
            key=key,
            what="is missing or no mapping of codes",
            fix=f"write `{key}:`, below it a code such as `US-TX:`, and below that the keys that change",
        )
        raise LawTableError((problem,))
    parts = ((code, document.part(key, code)) for code in listed)
    return tuple(
        Override(code=code, values=part.mapping, file=part.file, lines=part.lines) for code, part in parts
    )


def site_overrides(
    inline: Mapping[str, Mapping[str, object]], files: Iterable[FilePath] = (), where: str = "configuration"
) -> tuple[Override, ...]:
    """Everything that a site changes: what stands in its configuration, and the files that it names there.

    Raises:
        LawTableError: a file cannot be read, or does not hold overrides.
    """
    own = (
        Override(code=code, values=values, file=f"{where}: law.overrides.{code}")
        for code, values in inline.items()
    )
    return (*own, *(override for path in files for override in read_overrides(path)))


def read_overrides(path: FilePath) -> tuple[Override, ...]:
    """Overrides from a file of their own.

    Raises:
        LawTableError: the file cannot be read, or does not hold overrides.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem(
            file=str(path),
            line=0,
            key="(file)",
            what=f"cannot be read: {error}",
            fix="make it readable UTF-8 text",
        )
        raise LawTableError((problem,)) from error
    return overrides_in(read(text, str(path)))


def apply(
    raw: Mapping[str, Located], entries: Mapping[str, Jurisdiction], overrides: tuple[Override, ...]
) -> Applied:
    """The table with every override in force.

    Raises:
        LawTableError: an override contradicts itself, or weakens without approver and reason.
    """
    changed = dict(entries)
    problems: list[Problem] = []
    weakenings: list[Weakening] = []
    seen: set[str] = set()
    for override in overrides:
        code = override.code
        where = Located(value=dict(override.values), file=override.file, lines=override.lines)
        if code in seen:
            problems.append(_problem(where, code, "is changed a second time", "put both changes into one"))
            continue
        seen.add(code)
        entry = entry_of(_patched(code, raw.get(code), where, problems), problems)
        if entry is None:
            continue
        before = entries.get(code)
        lost = tuple(milder(before, entry) if before else milder(entries[UNKNOWN], entry, new=True))
        who, why = (str(override.values.get(key, "")).strip() for key in ("approved_by", "reason"))
        if lost and not (who and why):
            listed = "; ".join(f"{key} from {old} to {new}" for key, old, new in lost)
            key = "reason" if who else "approved_by"
            problems.append(
                _problem(where, key, f"{code} becomes milder ({listed}) and nobody answers for it",
                         "add approved_by (a person) and reason")
            )  # fmt: skip
            continue
        changed[code] = entry
        weakenings += (
            Weakening(code=code, key=key, before=old, after=new, approved_by=who, reason=why)
            for key, old, new in lost
        )
    if problems:
        raise LawTableError(tuple(problems))
    return Applied(entries=changed, weakenings=tuple(weakenings))


def _patched(code: str, base: Located | None, where: Located, problems: list[Problem]) -> Located:
    """The shipped entry, if there is one, with the site's keys in place of its own."""
    value = dict(base.mapping) if base else {}
    if base:
        # What the law itself asks does not move along with what callguard applies, unless counsel says so.
        value = {"law_rule": value.get("rule"), "law_form": value.get("form")} | value
    value |= {key: item for key, item in where.mapping.items() if key not in _ABOUT}
    value["code"] = code
    flags = value.get("flags", [])
    for key in ("add_flags", "drop_flags"):
        listed = where.mapping.get(key, [])
        if not isinstance(listed, list) or not isinstance(flags, list):
            problems.append(_problem(where, key, "is no list", f"write `{key}: [one_flag, another_flag]`"))
        elif key == "drop_flags":
            problems += (
                _problem(where, key, f"{flag} is not set there", "drop flags that are")
                for flag in listed
                if flag not in flags
            )
            flags = [flag for flag in flags if flag not in listed]
        else:
            flags = flags + [flag for flag in listed if flag not in flags]
    value["flags"] = flags
    # A problem is reported where the site wrote, not in the shipped file.
    return Located(value=value, file=where.file, lines={(): where.line(())} | dict(where.lines))


def milder(before: Jurisdiction, after: Jurisdiction, *, new: bool = False) -> Iterator[tuple[str, str, str]]:
    """What asks less than it did: key, before and after. A ``new`` entry is held against the unknown one."""
    for key in ("rule", "form"):
        old, now = getattr(before, key), getattr(after, key)
        if now.strictness < old.strictness:
            yield key, str(old), str(now)
    if gained := (after.flags & LOOSENING) - before.flags:
        yield "flags", "(not set)", ", ".join(sorted(gained))
    if new:
        return  # the other flags of the fallback are those of no law in particular
    if lost := before.flags - after.flags - LOOSENING:
        yield "flags", ", ".join(sorted(lost)), "(dropped)"
    if after.beep.role.strictness < before.beep.role.strictness:
        yield "beep", before.beep.role, after.beep.role
    if after.announce_languages < before.announce_languages:
        yield "announce_languages", str(before.announce_languages), str(after.announce_languages)
    yield from _milder_retention(before, after)
    # A basis more is a way more not to ask; a country more is a place that the unknown entry protected.
    for key in ("bases", "regions"):
        old, now = getattr(before, key), getattr(after, key)
        if set(now) - set(old) - {"consent"} or (old and not now):
            yield key, ", ".join(old) or "(none)", ", ".join(now) or "(none)"
    if before.parent and after.parent != before.parent:
        yield "parent", before.parent, after.parent or "(none)"  # its law no longer counts for the whole
    if before.strictest_part and not after.strictest_part:
        yield "strictest_part", "true", "false"


def _milder_retention(before: Jurisdiction, after: Jurisdiction) -> Iterator[tuple[str, str, str]]:
    old, now = before.retention, after.retention
    if old.max_days is not None and (now.max_days is None or now.max_days > old.max_days):
        yield "retention.max_days", str(old.max_days), str(now.max_days or "no limit")
    if old.min_days is not None and (now.min_days is None or now.min_days < old.min_days):
        yield "retention.min_days", str(old.min_days), str(now.min_days or "no minimum")


def _problem(where: Located, key: str, what: str, fix: str) -> Problem:
    return Problem(file=where.file, line=where.line((key,)), key=key, what=what, fix=fix)
