"""Passwords from where they should be kept: the environment or a file of their own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def secret(value: Any) -> Any:
    """Turn ``env:NAME`` and ``file:/path`` into what they point to; other text is itself.

    Raises:
        ValueError: the variable is not set, the file cannot be read, or what it holds cannot be sent as a
            password. The words never show the secret (pydantic adds the place).
    """
    if not isinstance(value, str):
        return value
    where, found = _looked_up(value)
    if not found:
        raise ValueError(f"{where}is empty; put the password there")
    if not found.isprintable():
        raise ValueError(f"{where}has a line break or control character in it; keep the password on one line")
    return found


def _looked_up(value: str) -> tuple[str, str]:
    kind, _, name = value.partition(":")
    if kind == "env":
        if name not in os.environ:
            raise ValueError(f"the environment variable {name} is not set; set it, or write file:/path")
        return f"the environment variable {name} ", os.environ[name]
    if kind == "file":
        path = Path(name)
        try:
            return f"{path} ", path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ValueError(
                f"{path} cannot be read ({error.strerror}); create it with mode 0640, owned by root and the "
                "group of callguard"
            ) from error
        except UnicodeDecodeError:
            # Not "from" it: it carries the bytes.
            raise ValueError(f"{path} is not text in UTF-8; write the password into it anew") from None
    return "", value
