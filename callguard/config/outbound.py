"""How callguard itself places calls: an agent's telephone first, and then the customer's."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field

from callguard.config.forms import form
from callguard.config.section import Section

#: What an endpoint may hold beside its place for a name: nothing that means something to the dialplan.
_REST = r"[A-Za-z0-9_.:/@+-]*"


def _endpoint(whose: str, example: str) -> Any:
    """An endpoint with one place for a name or a number."""
    place = f"{{{whose}}}"
    return form(
        rf"[A-Za-z][A-Za-z0-9]*/{_REST}{re.escape(place)}{_REST}",
        f"not an endpoint; write the technology and {place} once, such as {example}",
    )


AgentEndpoint = Annotated[str, _endpoint("agent", "PJSIP/{agent}")]
NumberEndpoint = Annotated[str, _endpoint("number", "PJSIP/{number}@trunk")]


class Outbound(Section):
    """Calls that `callguard call` and REST place. Times in seconds."""

    agent: AgentEndpoint = "PJSIP/{agent}"
    dial: NumberEndpoint | None = None
    ring_seconds: Annotated[int, Field(ge=5, le=120)] = 30
    dial_seconds: Annotated[int, Field(ge=5, le=300)] = 60
