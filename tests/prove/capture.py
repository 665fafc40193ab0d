"""Capture: pauses that are proven, lies that are caught, cards, kills, many calls, the disk, other recorders.

``CALLGUARD_PARTS=pauses,kills make prove TOPIC=capture`` measures only some of it.
"""

import os
import sys
from importlib import import_module
from pathlib import Path

#: Modules of this package, by what is behind ``capture_`` in their names.
PARTS = ("pauses", "lies", "cards", "kills", "many", "disk", "foreign", "tones")


async def figures(tell):
    """All parts, one after the other."""
    sys.path.insert(0, str(Path(__file__).parent.parent))  # `fakes`, as in the tests
    found = []
    for name in os.environ.get("CALLGUARD_PARTS", ",".join(PARTS)).split(","):
        part = import_module(f"tests.prove.capture_{name}")
        found += [each | {"name": f"{name}: {each['name']}"} for each in await part.figures(tell)]
    return found
