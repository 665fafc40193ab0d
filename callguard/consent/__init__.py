"""The core: what may be captured, when, and why. Pure; see ``machine`` for rules and invariants."""

from callguard.consent.call import Call, Capture, State
from callguard.consent.machine import advance
from callguard.consent.replay import Standing, replay, standing
from callguard.consent.words import CAPTURING, Form, OnRefusal, Outcome, Party, Plan, Prompt

__all__ = [
    "CAPTURING",
    "Call",
    "Capture",
    "Form",
    "OnRefusal",
    "Outcome",
    "Party",
    "Plan",
    "Prompt",
    "Standing",
    "State",
    "advance",
    "replay",
    "standing",
]
