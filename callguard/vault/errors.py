"""What can be wrong with the vault."""

from __future__ import annotations

# The names say what a recording is.
# ruff: noqa: N818
from callguard.errors import CallguardError


class VaultError(CallguardError):
    """Whoever keeps the recordings: one cannot be written, opened, trusted or destroyed."""


class Damaged(VaultError):
    """Something in the vault is not what was sealed."""


class Destroyed(VaultError):
    """The key of this recording was destroyed, and the recording with it."""
