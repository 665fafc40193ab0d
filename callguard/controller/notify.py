"""Telling systemd how we are: ready, alive, stopping (sd_notify(3)).

Decided 2026-11: twenty lines of our own. The protocol is one datagram of text; the packages for it either
bind to a C library or are no longer kept.
"""

from __future__ import annotations

import asyncio
import os
import socket

import structlog

log = structlog.get_logger(__name__)


def notify(*words: str) -> bool:
    """Tell systemd; returns whether anybody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    # A name in the abstract namespace is written with @ and bound with NUL.
    path = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
            line.settimeout(1.0)
            line.sendto("\n".join(words).encode(), path)
    except OSError as error:
        log.warning("systemd was not told", words=words, why=error.strerror)
        return False
    return True


def watchdog_seconds() -> float | None:
    """How often systemd wants to hear that we are alive: half of what it waits. None: it does not."""
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or int(usec) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 2e6


async def keep_alive() -> None:
    """Tell systemd that we are alive, for as long as the event loop runs.

    A loop that hangs says nothing, and systemd starts callguard anew, which takes the live calls up again.
    """
    seconds = watchdog_seconds()
    if seconds is None:
        return
    while True:
        notify("WATCHDOG=1")
        await asyncio.sleep(seconds)
