"""Structured logs without card digits or secrets."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import structlog

#: What may be a card number: 12 to 19 digits, perhaps grouped (ISO/IEC 7812). E.164 numbers have up to 15
#: and begin with a plus; they are told apart by it.
CARD = re.compile(r"(?<![\d+])(?:\d[ -]?){11,18}\d(?!\d)")
SECRETS = frozenset({"password", "secret", "authorization", "token"})

#: The id of a call, which is ours and random: some of them hold what looks like a card number.
CALL = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def without_secrets(_: Any, __: str, event: Any) -> Any:
    """Take what must not be logged out of an event."""
    for key, value in event.items():
        if key in SECRETS:
            event[key] = "***"
        elif isinstance(value, str) and not (key == "call" and CALL.fullmatch(value)):
            event[key] = CARD.sub("[digits]", value)
    return event


def set_up_logs(level: str, form: str) -> None:
    """Log to standard error."""
    renderer: Any = structlog.processors.JSONRenderer()
    if form == "text":
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            without_secrets,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
