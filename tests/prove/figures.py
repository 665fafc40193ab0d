"""How a figure is made."""

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
    if isinstance(value, float):
        value = round(value, 3)
    return {"name": name, "value": value, "unit": unit, "target": target, "ok": bool(ok)}
