"""REST over plain HTTP, on a few kept connections: for an older Asterisk, and round a blocked websocket."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from yarl import URL

from callguard.asterisk import wire
from callguard.asterisk.asking import Query, answer_of
from callguard.asterisk.errors import AriLost, AriRefused, AriTimeout
from callguard.asterisk.settings import AriSettings

#: Connections at once. Asterisk's own limit is 100 for everybody (``sessionlimit`` in http.conf).
CONNECTIONS = 32

#: Seconds an idle connection is kept; Asterisk closes it after 15 (``session_keep_alive``), and a request
#: that meets the closing would be lost.
KEPT_SECONDS = 10.0

#: Asterisk refuses a request line over 4096 bytes but takes the same parameters in a body of up to 40 KiB
#: (tried on 22.10.1).
LONGEST_QUERY = 2048


def open_session(settings: AriSettings) -> aiohttp.ClientSession:
    """Make the session that carries both the websocket and the HTTP requests. The caller closes it."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEPT_SECONDS),
        headers={"Authorization": aiohttp.encode_basic_auth(settings.username, settings.password)},
        timeout=aiohttp.ClientTimeout(total=None),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


async def ask(
    session: aiohttp.ClientSession,
    base: str,
    method: str,
    path: str,
    query: Query | None,
    body: object | None,
    deadline: float,
) -> Any:
    """Make one request.

    Raises:
        AriTimeout: No answer within the deadline (seconds).
        AriRefused: Asterisk said no, or the request cannot be written.
        AriLost: The connection failed; whether the request was carried out is unknown.
        AriUnreadable: The answer is not JSON.
    """
    url = f"{base}/{path}"
    if query:
        encoded = urlencode(
            {name: str(value) for name, value in query.items()}, quote_via=quote, errors="replace"
        )
        if len(encoded) <= LONGEST_QUERY or body is not None:
            url = f"{url}?{encoded}"
        else:
            body = dict(query)
    headers: dict[str, str] | None = None
    data: bytes | None = None
    if body is not None:
        try:
            data = wire.dumps(body)
        except ValueError as error:
            raise AriRefused(400, method, path, f"not sent, it cannot be written as JSON: {error}") from error
        headers = {"Content-Type": "application/json"}
    try:
        async with (
            asyncio.timeout(deadline),
            session.request(
                method, URL(url, encoded=True), data=data, headers=headers, allow_redirects=False
            ) as answer,
        ):
            text = await answer.read()
    except TimeoutError:
        raise AriTimeout(method, path, deadline) from None
    except aiohttp.ClientError as error:
        fault = f"{type(error).__name__}: {error}"
    else:
        return answer_of(answer.status, method, path, text, answer.reason)
    # Raised outside the handler: some of aiohttp's errors carry the request with its credentials.
    raise AriLost(f"the HTTP connection to {base} failed during {method} {path} ({fault})")
