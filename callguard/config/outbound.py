"""How callguard itself places calls: an agent's telephone first, and then the customer's."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from callguard.config.forms import form
from callguard.config.section import Section

#: What an endpoint may hold beside its place for a name: nothing that means something to the dialplan.
_REST = r"[A-Za-z0-9_.:/@+-]*"

AgentEndpoint = Annotated[
    str,
    form(
        rf"[A-Za-z][A-Za-z0-9]*/{_REST}\{{agent\}}{_REST}",
        "not an endpoint; write the technology and {agent} once, such as PJSIP/{agent}",
    ),
]
NumberEndpoint = Annotated[
    str,
    form(
        rf"[A-Za-z][A-Za-z0-9]*/{_REST}\{{number\}}{_REST}",
        "not an endpoint; write the technology and {number} once, such as PJSIP/{number}@trunk",
    ),
]


class Outbound(Section):
    """Calls that `callguard call` and REST place. Times in seconds."""

    agent: AgentEndpoint = "PJSIP/{agent}"
    dial: NumberEndpoint | None = None
    ring_seconds: Annotated[int, Field(ge=5, le=120)] = 30
    dial_seconds: Annotated[int, Field(ge=5, le=300)] = 60
