"""Opening the websocket of ARI, and what its end means."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp

from callguard.asterisk.errors import AriLogin, AriLost, AriRefused, AriTimeout
from callguard.asterisk.settings import AriSettings

#: Seconds the opening of the connection may take.
OPENING_SECONDS = 5.0

#: Seconds Asterisk gets to take part in closing.
CLOSING_SECONDS = 0.5

#: The largest message we read. The list of all channels is the longest answer, about 600 bytes for each.
LARGEST_MESSAGE = 32 * 1024 * 1024

#: The handshake's statuses that time does not mend: credentials, rights, ARI not loaded.
_LOGIN_STATUSES = frozenset({401, 403, 404})


async def handshake(
    session: aiohttp.ClientSession, settings: AriSettings
) -> aiohttp.ClientWebSocketResponse[Any]:
    """Open the websocket on which the events of our application arrive.

    Raises:
        AriLogin: Asterisk knows this user, or ARI itself, not.
        AriRefused: It will not serve us now.
        AriTimeout: It does not answer.
        AriLost: It cannot be reached.
    """
    url = f"{settings.base}/events"
    try:
        async with asyncio.timeout(OPENING_SECONDS):
            websocket = await session.ws_connect(
                url,
                params={"app": settings.app, "subscribeAll": "false"},
                autoping=False,
                max_msg_size=LARGEST_MESSAGE,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSING_SECONDS),
                decode_text=False,
            )
    except TimeoutError:
        raise AriTimeout("GET", "events", OPENING_SECONDS) from None
    except aiohttp.WSServerHandshakeError as error:
        status, said = error.status, error.message
    except (aiohttp.ClientError, ValueError) as error:
        status, said = 0, f"{type(error).__name__}: {error}"
    else:
        _notice_lost_packets(websocket, settings.heartbeat)
        return websocket
    # Raised outside the handlers: the handshake's error carries the request with its credentials.
    if status == 401:
        raise AriLogin(
            status, "GET", "events", f"{said}. Check user and password in ari.conf of {settings.base}"
        )
    if status in _LOGIN_STATUSES:
        raise AriLogin(
            status, "GET", "events", f"{said}. Check that ARI is enabled and allowed at {settings.base}"
        )
    if status:
        raise AriRefused(status, "GET", "events", said)
    raise AriLost(f"cannot connect to ARI at {settings.base} ({said})")


def _notice_lost_packets(websocket: aiohttp.ClientWebSocketResponse[Any], seconds: float) -> None:
    """Let the kernel end a connection whose packets nobody acknowledges.

    It sees a dead network even while a slow request excuses the silence of Asterisk.
    """
    wire = websocket.get_extra_info("socket")
    option = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux only
    if wire is not None and option is not None:
        wire.setsockopt(socket.IPPROTO_TCP, option, int(seconds * 1000))


def ending(websocket: aiohttp.ClientWebSocketResponse[Any], message: aiohttp.WSMessage) -> str:
    """Say why a websocket ended, from the last message of it."""
    fault = websocket.exception() or (message.data if isinstance(message.data, BaseException) else None)
    if fault is not None:
        return f"the connection to ARI broke ({type(fault).__name__}: {fault})"
    return f"Asterisk closed the connection to ARI (code {websocket.close_code})"
