"""What a check found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is, from nothing to do to nothing works."""

    OK = "ok"
    ADVICE = "advice"  #: works, and could be better or could not be looked at
    WARNING = "warning"  #: works, and something will be lost or is riskier than it has to be
    FAULT = "fault"  #: calls are not recorded, or not as the configuration says


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: what was looked at, in a word or two; the same for the same check in every run.
        what: what is true of it.
        where: the file, address or name to look at.
        remedy: how to mend it; empty when there is nothing to mend.
    """

    level: Level
    check: str
    what: str
    where: str = ""
    remedy: str = ""


def ok(check: str, what: str, where: str = "") -> Finding:
    """All is well."""
    return Finding(level=Level.OK, check=check, what=what, where=where)


def advice(check: str, what: str, where: str, remedy: str) -> Finding:
    """It could be better, or could not be looked at."""
    return Finding(level=Level.ADVICE, check=check, what=what, where=where, remedy=remedy)


def warning(check: str, what: str, where: str, remedy: str) -> Finding:
    """Something will be lost, or is riskier than it has to be."""
    return Finding(level=Level.WARNING, check=check, what=what, where=where, remedy=remedy)


def fault(check: str, what: str, where: str, remedy: str) -> Finding:
    """It does not work as the configuration says."""
    return Finding(level=Level.FAULT, check=check, what=what, where=where, remedy=remedy)


def healthy(findings: Iterable[Finding]) -> bool:
    """Whether nothing is at fault."""
    return all(finding.level is not Level.FAULT for finding in findings)
