"""The product's dialplan as it is shipped."""

from __future__ import annotations

from pathlib import Path

import callguard
from callguard.errors import ConfigError


def shipped_dialplan() -> str:
    """The text of ``callguard.conf``: from the wheel, or from the source tree beside the package.

    Raises:
        ConfigError: the installation lacks it.
    """
    package = Path(callguard.__file__).parent
    for place in (package / "share" / "dialplan", package.parent / "dialplan"):
        path = place / "callguard.conf"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise ConfigError(f"{package}: the dialplan callguard.conf is missing; install callguard again")
