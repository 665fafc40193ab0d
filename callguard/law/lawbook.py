"""The table in force, and how it is replaced while calls go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path as FilePath

from callguard.law.difference import Change, difference
from callguard.law.overrides import Override
from callguard.law.table import Table, load_table


class Lawbook:
    """Holds one table. A reload that fails changes nothing; one that succeeds serves the calls to come.

    A call keeps the plan that it began with, so nobody is asked twice because a file was saved.
    """

    def __init__(
        self,
        overrides: Callable[[], Iterable[Override]] = tuple,
        directory: FilePath | None = None,
    ) -> None:
        """Read the first table.

        Args:
            overrides: asked anew at every reload for what the site changes.
            directory: files to read instead of those that ship with callguard.

        Raises:
            LawTableError: there is no table to begin with.
        """
        self._overrides = overrides
        self._directory = directory
        self.table: Table = load_table(overrides(), directory)

    def reload(self) -> tuple[Change, ...]:
        """Read everything again and take it over if it holds together.

        Returns:
            What changed; empty when nothing did.

        Raises:
            LawTableError: every problem with file, line, key and fix. The old table stays in force.
        """
        fresh = load_table(self._overrides(), self._directory)
        changes = difference(self.table, fresh)
        self.table = fresh
        return changes
