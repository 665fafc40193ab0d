"""Where the files are that stand at the top of the source tree and inside the installed package."""

from __future__ import annotations

from pathlib import Path


def shipped(name: str) -> Path:
    """The path of a shipped file or directory such as ``dialplan`` or ``config.example.yaml``.

    The wheel carries it below ``callguard/share``, a source tree beside the package. The path may not exist:
    the caller knows what its absence means.
    """
    package = Path(__file__).resolve().parent
    inside = package / "share" / name
    return inside if inside.exists() else package.parent / name
