"""Addresses that desk telephones fetch when a key is pressed, each with a key of its own.

The key of a telephone is an HMAC of its name: it opens nothing but the calls of this telephone, needs to be
stored nowhere, and all of them become void with another secret.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import re
import time
from collections.abc import Mapping
from enum import StrEnum
from urllib.parse import urlencode

import structlog
from aiohttp import web

from callguard.config.web import Web
from callguard.controller.desk import By, Lamp, Standing, Target
from callguard.errors import CallguardError, ConfigError
from callguard.web.limits import address_of
from callguard.web.problems import PROBLEMS, Refused, refusal_of
from callguard.web.reception import ANSWER_SECONDS, Reception
from callguard.web.repeats import Repeats
from callguard.web.screens import Form, Screen, form_of, screen_of, trouble, written

log = structlog.get_logger(__name__)

#: Characters of a key: 192 bits in base 64.
KEY_LENGTH = 32
#: The headers by which browsers tell that they fetch what nobody asked for yet.
_IN_ADVANCE = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")
_EXTENSION = re.compile(r"[A-Za-z0-9_.@+-]{1,80}")
#: What is wrong with the address, and not with the call, has a status of its own.
_OF_THE_ADDRESS = frozenset({"not-yours", "too-often"})


class Action(StrEnum):
    """What a telephone can ask; each says what shall be, so asking twice is asking once."""

    STATUS = "status"
    PAUSE = "pause"
    DROP = "drop"  #: pause, and erase what was said last
    RESUME = "resume"
    EXTEND = "extend"
    WITHDRAW = "withdraw"


def phone_key(secret: str, extension: str) -> str:
    """The key of a telephone."""
    digest = hmac.digest(secret.encode(), b"callguard telephone\0" + extension.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode()[:KEY_LENGTH]


def addresses(settings: Web, extension: str, form: Form | None = None) -> Mapping[Action, str]:
    """What a telephone has to fetch, by action.

    Raises:
        ConfigError: telephones are not configured, or their name is none.
    """
    if settings.phones.secret is None:
        raise ConfigError(
            "web.phones.secret: is missing, so telephones have no keys; `callguard web token` makes one"
        )
    if _EXTENSION.fullmatch(extension) is None:
        raise ConfigError(
            f"{extension!r} is no telephone; write the name of its endpoint in Asterisk, such as 211"
        )
    query = {"ext": extension, "key": phone_key(settings.phones.secret.get_secret_value(), extension)}
    if form is not None:
        query["format"] = form.value
    base = settings.phones.address or _base(settings)
    return {action: f"{base}/phone/{action.value}?{urlencode(query)}" for action in Action}


def _base(settings: Web) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{'https' if settings.tls else 'http'}://{host}:{settings.port}"


class Phones:
    """The pages that telephones fetch."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._under_way: Repeats[Screen] = Repeats(keep=0.0)

    async def close(self) -> None:
        """Let what is under way come to its end."""
        await self._under_way.close()

    async def fetched(self, request: web.Request) -> web.Response:
        """A key was pressed."""
        form = form_of(request.query.get("format", ""), request.headers)
        status, headers = 200, None
        try:
            screen = await self._pressed(Action(request.match_info["action"]), self._extension(request))
        except Refused as refused:
            screen, headers = trouble(refused.kind), refused.headers
            if refused.kind in _OF_THE_ADDRESS:
                status = PROBLEMS[refused.kind].status.value
        body, media = written(screen, form)
        return web.Response(status=status, text=body, content_type=media, headers=headers)

    def _extension(self, request: web.Request) -> str:
        """The telephone whose key this is.

        Raises:
            Refused: it is the key of none, or too many keys were wrong.
        """
        reception = self._reception
        secret = reception.config.web.phones.secret
        if any(name in request.headers for name in _IN_ADVANCE):
            raise Refused("not-yours")
        given = [request.query.getall(name, []) for name in ("ext", "key")]
        if secret is None or any(len(each) != 1 for each in given):
            raise Refused("not-yours")
        extension, key = given[0][0], given[1][0]
        right = _EXTENSION.fullmatch(extension) is not None and hmac.compare_digest(
            phone_key(secret.get_secret_value(), extension).encode(),
            key.encode("utf-8", "surrogateescape"),
        )
        address, name = address_of(request.remote or ""), f"phone {extension}"
        wait = reception.failures.wait(address)
        if wait and not (right and reception.familiar.knows(address, name)):
            raise Refused("too-often", headers={"Retry-After": str(wait)})
        if not right:
            reception.failures.failed(address)
            log.warning("a wrong key of a telephone", address=address)
            raise Refused("not-yours")
        reception.familiar.add(address, name)
        return extension

    async def _pressed(self, action: Action, extension: str) -> Screen:
        """Do it once, though a telephone may fetch it again while it is being done."""

        async def act() -> Screen:
            began, status = time.monotonic(), 200
            try:
                screen = screen_of(await self._done(action, extension))
            except CallguardError as error:
                refused = refusal_of(error)
                status, screen = PROBLEMS[refused.kind].status.value, trouble(refused.kind)
            self._reception.meters.took(action.value, "phone", status, time.monotonic() - began)
            log.info("asked", verb=action.value, by=f"phone {extension}", status=status)
            return screen

        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                screen, _ = await self._under_way.once(extension, action.value, b"", act)
        except TimeoutError:
            raise Refused("no-answer") from None
        return screen

    async def _done(self, action: Action, extension: str) -> Standing:
        """Make it so; what is so already is left as it is."""
        desk, by = self._reception.desk, f"phone {extension}"
        standing = desk.find(Target(by=By.EXTENSION, value=extension))
        call = Target(by=By.CALL, value=standing.call)
        paused = standing.lamp is Lamp.PAUSED
        match action:
            case Action.PAUSE:
                return await desk.pause(call, by=by)
            case Action.DROP:
                seconds = self._reception.config.pause.drop_last_seconds
                return await desk.pause(call, by=by, drop_last=seconds)
            case Action.RESUME if standing.lamp is not Lamp.RECORDING:
                return await desk.resume(call, by=by)
            case Action.EXTEND if not (paused and standing.extended):
                return await desk.extend(call, by=by, reason="key of the telephone")
            case Action.WITHDRAW if standing.lamp is not Lamp.OFF:
                return await desk.withdraw(call, by=by, shred=False)
        return standing
