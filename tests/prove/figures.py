"""How a figure is made."""

import re
import subprocess
import sys
from typing import Any


def exactly(name: str, value: float, target: float, unit: str = "") -> dict[str, Any]:
    """A figure that has to be one number."""
    return figure(name, value, unit, f"= {target}", value == target)


def at_most(name: str, value: float, target: float, unit: str) -> dict[str, Any]:
    """A figure that must not exceed its target."""
    return figure(name, value, unit, f"<= {target}", value <= target)


def at_least(name: str, value: float, target: float, unit: str) -> dict[str, Any]:
    """A figure that must reach its target."""
    return figure(name, value, unit, f">= {target}", value >= target)


def figure(name: str, value: float | str, unit: str, target: str, ok: bool) -> dict[str, Any]:
    """Any figure; numbers are rounded to what can be read."""
    value = getattr(value, "item", lambda: value)()  # numpy's numbers are not JSON
    if isinstance(value, float):
        value = round(value, 3)
    return {"name": name, "value": value, "unit": unit, "target": target, "ok": bool(ok)}


def suite(name: str, *arguments: str) -> dict[str, Any]:
    """A figure that is a run of tests: how many passed, met when none failed."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--timeout", "1800", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error)", run.stdout)}
    bad = counts.get("failed", 0) + counts.get("error", 0)
    return figure(name, counts.get("passed", 0), "tests", "none fails", run.returncode == 0 and not bad)
