"""JSON on the wire: orjson where it is installed (the extra ``fast``), else the standard library."""

from __future__ import annotations

import json
from typing import Any

try:
    import orjson
except ImportError:  # the extra ``fast`` is not installed
    orjson = None  # type: ignore[assignment]


def _std_loads(raw: bytes | str) -> Any:
    return json.loads(raw)


def _std_dumps(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


_loads = orjson.loads if orjson else _std_loads
_dumps = orjson.dumps if orjson else _std_dumps


def loads(raw: bytes | str) -> Any:
    """Read JSON.

    Raises:
        ValueError: It is not JSON, not UTF-8, or nested beyond reason.
    """
    try:
        return _loads(raw)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def dumps(value: Any) -> bytes:
    """Write JSON as UTF-8.

    Raises:
        ValueError: The value has no form in JSON or in UTF-8 (a lone surrogate, an unknown type).
    """
    try:
        return _dumps(value)
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error
