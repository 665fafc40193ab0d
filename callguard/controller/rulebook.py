"""What decides about calls, read from files: configuration, table of jurisdictions, prompts.

Decided 2026-11: a reload reads everything anew and takes it over only when all of it holds together,
for the calls to come; a call keeps the plan that it began with. Reloading single files lost, because
a new table with old prompts would announce what is no longer true.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from callguard.config import Config, load
from callguard.controller.planning import Planner
from callguard.controller.register import Register
from callguard.controller.tones import Sounds, sounds_of
from callguard.law import Table, load_table, site_overrides
from callguard.ledger import Kind
from callguard.ledger.bodies import Changed
from callguard.prompts.library import Library


def table_of(config: Config) -> Table:
    """The table of jurisdictions as this site has it.

    Raises:
        LawTableError: every problem, with file, line, key and fix.
    """
    return load_table(site_overrides(config.law.overrides, config.law.files))


def planner_of(config: Config, register: Register | None = None) -> Planner:
    """Everything that decides about calls.

    Raises:
        CallguardError: the table, or the prompts, are not as they must be.
    """
    return Planner(config, table_of(config), Library.open(config.prompts.directory), register)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """A configuration and what follows from it."""

    config: Config
    planner: Planner
    sounds: Sounds | None  #: the warning tone, where the site has one
    sha256: str  #: of the configuration file

    @classmethod
    def read(cls, path: Path, register: Register | None = None) -> Rulebook:
        """Read everything.

        Raises:
            CallguardError: something does not hold together; nothing was changed.
        """
        config = load(path)
        planner = planner_of(config, register)
        return cls(
            config=config,
            planner=planner,
            sounds=sounds_of(config),
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )

    def entries(self, before: Rulebook | None = None) -> list[Changed]:
        """What the ledger has to say about it: what changed, and who answers for what was made milder."""
        table = self.planner.table
        found = []
        if before is None or before.sha256 != self.sha256:
            found.append(Changed(kind=Kind.CONFIG_CHANGED, version="1", sha256=self.sha256))
        if before is None or before.planner.table.identity != table.identity:
            found.append(Changed(kind=Kind.TABLE_CHANGED, version=table.version, sha256=table.sha256))
            found += [
                Changed(
                    kind=Kind.TABLE_CHANGED,
                    version=table.version,
                    sha256=table.sha256,
                    by=each.approved_by,
                    detail=f"{each.code}.{each.key}: {each.before} -> {each.after}: {each.reason}",
                )
                for each in table.weakenings
            ]
        return found
