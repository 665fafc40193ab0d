"""What goes wrong with speech before a call; within one there is only the verdict `unclear`."""

from __future__ import annotations

from callguard.errors import CallguardError


class SpeechError(CallguardError):
    """The administrator: speech cannot be recognised as it is configured."""
