"""Passwords from where they should be kept: the environment or a file of their own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def secret(value: Any) -> Any:
    """Turn ``env:NAME`` and ``file:/path`` into what they point to; other text is itself.

    Raises:
        ValueError: the variable is not set, or the file cannot be read (pydantic adds the place).
    """
    if not isinstance(value, str):
        return value
    if value.startswith("env:"):
        name = value.removeprefix("env:")
        if name not in os.environ:
            raise ValueError(f"the environment variable {name} is not set; set it, or write file:/path")
        return os.environ[name]
    if value.startswith("file:"):
        path = Path(value.removeprefix("file:"))
        try:
            return path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ValueError(f"{path} cannot be read ({error.strerror}); create it with mode 0600") from error
    return value
