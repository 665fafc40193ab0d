"""How recording is paused, by whom, and for how long."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from callguard.config.forms import Misplaced, form
from callguard.config.section import Section

#: A feature code that an agent presses.
FeatureCode = Annotated[
    str, form(r"[*#][0-9*#]{1,5}", "not a feature code; write * or #, then one to five keys, such as '*4'")
]


class Hotkeys(Section):
    """The feature codes of agents; only the leg of the agent hears them."""

    pause: FeatureCode = "*4"
    drop: FeatureCode = "*7"
    resume: FeatureCode = "*6"
    extend: FeatureCode = "*5"
    withdraw: FeatureCode = "*9"
    refuse: FeatureCode = "*81"
    agreed: FeatureCode = "*82"

    @model_validator(mode="after")
    def _can_be_told_apart(self) -> Hotkeys:
        codes = [(name, getattr(self, name)) for name in type(self).model_fields]
        for name, code in codes:
            for other, longer in codes:
                if name != other and longer.startswith(code):
                    raise Misplaced(
                        f"{other} ({longer}) begins with {name} ({code}), so Asterisk could not tell them "
                        "apart; change one",
                        (other,),
                    )
        return self


class CardGuard(Section):
    """What happens when somebody keys a number while the call is recorded."""

    enabled: bool = True
    digits: Annotated[int, Field(ge=4, le=12)] = 6
    window_seconds: Annotated[float, Field(ge=3, le=60)] = 20.0


class Pause(Section):
    """Pauses. Times in seconds."""

    hotkeys: Hotkeys = Hotkeys()
    seconds: Annotated[float, Field(ge=1, le=1800)] = 180.0
    extend_seconds: Annotated[float, Field(ge=1, le=1800)] = 120.0
    warn_seconds: Annotated[float, Field(ge=0.5, le=300)] = 20.0
    drop_last_seconds: Annotated[float, Field(ge=1, le=50)] = 5.0
    confirm_seconds: Annotated[float, Field(ge=0.1, le=5)] = 1.0
    resume_guard_seconds: Annotated[float, Field(ge=0.1, le=1)] = 0.5
    card_guard: CardGuard = CardGuard()
