"""The warning tone: whether one sounds during a recording, which, and who hears it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from callguard.config.forms import Misplaced
from callguard.config.section import Section

#: What only a tone of one's own has.
OWN = ("frequency_hz", "length_seconds", "interval_seconds")


class WarningTone(Section):
    """The tone that tells again and again that the call is being recorded."""

    when: Literal["never", "law", "always"] = "never"
    profile: Literal["fs1037c", "us-legacy", "custom"] = "fs1037c"
    frequency_hz: Annotated[float, Field(ge=300, le=3400)] | None = None
    length_seconds: Annotated[float, Field(ge=0.1, le=2)] | None = None
    interval_seconds: Annotated[float, Field(ge=3, le=60)] | None = None
    level_dbfs: Annotated[float, Field(ge=-40, le=-6)] = -20.0
    heard_by: Literal["both", "caller", "agent"] = "both"
    lay_into_export: bool = False

    @model_validator(mode="after")
    def _one_tone(self) -> WarningTone:
        for name in OWN:
            given = getattr(self, name) is not None
            if given and self.profile != "custom":
                raise Misplaced(
                    f"{self.profile} has a {name} of its own; leave this out, or write profile: custom",
                    (name,),
                )
            if not given and self.profile == "custom":
                raise Misplaced(f"a custom tone needs {name}; write it", ("profile",))
        return self
