"""Several controllers for one Asterisk: who they are, and how soon one that hangs is taken for dead."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from callguard.config.forms import Misplaced, form
from callguard.config.section import Section

#: How a controller of a pool is called. It becomes part of an application's name and of a regular
#: expression in the dialplan, so it has nothing that could mean something there.
MemberName = Annotated[
    str, form(r"[a-z0-9]{1,16}", "is no name for a controller; use a-z and digits only (16 at most)")
]


class Pool(Section):
    """The controllers of one Asterisk, and which of them this is. Nobody: there is one controller."""

    name: MemberName | None = None
    members: tuple[MemberName, ...] = ()
    lease_seconds: Annotated[float, Field(ge=2, le=60)] = 5.0

    @model_validator(mode="after")
    def _this_is_one_of_them(self) -> Pool:
        if len(set(self.members)) != len(self.members):
            raise Misplaced("one controller is named twice; give each its own name", ("members",))
        if (self.name is None) is not (not self.members):
            raise Misplaced(
                "a pool needs both: 'members', the same in each controller's file, and 'name', which of them "
                "this one is",
                ("members" if self.name is not None else "name",),
            )
        if self.name is not None and self.name not in self.members:
            raise Misplaced(f"{self.name!r} is not one of 'members'; add it there, in every file", ("name",))
        return self
