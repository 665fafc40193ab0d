"""Who else may be on a call."""

from __future__ import annotations

from callguard.config.forms import Words
from callguard.config.section import Section


class Parties(Section):
    """Parties who come to a call that is recorded."""

    staff: tuple[Words, ...] = ()
