"""Who is let in, and how a wish is carried out for them."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import re
import time
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import hdrs, web
from pydantic import BaseModel

from callguard.config import Config
from callguard.controller.desk import By, Desk, NoSuchCall, NotUnique, Standing, Target
from callguard.controller.wishes import CALL, CallWish, Verb, Wish, told, told_placed
from callguard.errors import CallguardError
from callguard.web.limits import Failures, Familiar, address_of
from callguard.web.meters import Meters
from callguard.web.problems import PROBLEM_JSON, Refused, answer, refusal_of
from callguard.web.repeats import OtherRequest, Repeats, TooMany
from callguard.web.tokens import Asker, Tokens

log = structlog.get_logger(__name__)

#: How long somebody waits for the recorder before they are told that it takes longer, in seconds.
ANSWER_SECONDS = 15.0
#: How long the body of a request may take to arrive, in seconds.
BODY_SECONDS = 5.0
#: What makes a call more private is never refused for haste.
ALWAYS = frozenset({Verb.PAUSE, Verb.WITHDRAW})
#: Answers that count as a failure of the token: not those that tell of the state of a call.
FAILURES = frozenset({400, 403, 404, 408, 413, 415, 422})

_ASKER = web.RequestKey("asker", Asker)
_KEY = re.compile(r'"([!#-~ ]{1,200})"|([!#-~]{1,200})')


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered, once and again."""

    status: int
    body: str
    content_type: str


class Reception:
    """What all pages share.

    Args:
        config: who may ask.
        desk: what is asked.
        meters: counts what is asked.
        clock: seconds that never go back.
    """

    def __init__(
        self, config: Config, desk: Desk, meters: Meters, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.desk, self.meters = desk, meters
        self.failures = Failures(clock=clock)
        self.familiar = Familiar()
        self._repeats: Repeats[Answer] = Repeats(clock=clock)
        self._unkeyed: Repeats[Answer] = Repeats(keep=0.0, clock=clock)
        self.take_over(config)

    def take_over(self, config: Config) -> None:
        """From now on, these may ask."""
        self.config = config
        self.tokens = Tokens(config.web.tokens)

    async def close(self) -> None:
        """Let what is under way come to its end."""
        await self._repeats.close()
        await self._unkeyed.close()

    # ------------------------------------------------------------------ who asks

    def asker(self, request: web.Request, verb: Verb | None = None) -> Asker:
        """Whoever shows a right token.

        Raises:
            Refused: nobody we know, or too many failures.
        """
        address = address_of(request.remote or "")
        asker = self.tokens.owner(_bearer(request))
        wait = self.failures.wait(address)
        if wait and (asker is None or not self.familiar.knows(address, asker.name)):
            raise _too_often(wait)
        if asker is None:
            self.failures.failed(address)
            log.warning("a wrong token", address=address)
            raise Refused("no-token", headers=_challenge('error="invalid_token"'))
        self.familiar.add(address, asker.name)
        wait = self.failures.wait(f"token {asker.name}")
        if wait and verb not in ALWAYS:
            raise _too_often(wait)
        request[_ASKER] = asker
        return asker

    def count(self, request: web.Request, status: int) -> None:
        """Count an answer that whoever asked could have spared us."""
        asker = request.get(_ASKER)
        if asker is not None and status in FAILURES:
            self.failures.failed(f"token {asker.name}")

    # ------------------------------------------------------------------ what is asked

    def find(self, target: Target, asker: Asker) -> Standing:
        """The one call that is meant, if it is theirs to ask about.

        Raises:
            Refused: there is none, or there are several. Calls of others are as if they were not there.
        """
        try:
            standing = self.desk.find(target)
        except NoSuchCall:
            raise Refused("no-such-call") from None
        except NotUnique:
            own = [each for each in self.desk.calls() if asker.may_see(each) and _is_named(each, target)]
            if len(own) > 1 or (own and not asker.extensions):
                raise Refused("not-unique") from None
            if not own:
                raise Refused("no-such-call") from None
            return own[0]
        if not asker.may_see(standing):
            raise Refused("no-such-call")
        return standing

    async def wish(self, request: web.Request, verb: Verb, wish: Wish, asker: Asker) -> web.Response:
        """Carry it out once, however often it is sent."""

        async def carry_out() -> dict[str, Any]:
            standing = self.find(wish.target, asker)
            target = Target(by=By.CALL, value=standing.call)
            return told(await wish.carry_out(self.desk, target, asker.by))

        return await self._once(request, verb.value, wish, asker, carry_out)

    async def place(self, request: web.Request, wish: CallWish, asker: Asker) -> web.Response:
        """Place a call once, however often that is sent."""

        async def carry_out() -> dict[str, Any]:
            return told_placed(await wish.carry_out(self.desk, asker.by))

        return await self._once(request, CALL, wish, asker, carry_out)

    async def _once(
        self,
        request: web.Request,
        name: str,
        wish: BaseModel,
        asker: Asker,
        carry_out: Callable[[], Coroutine[Any, Any, dict[str, Any]]],
    ) -> web.Response:
        key = _idempotency_key(request)
        says = hashlib.sha256(f"{name} {wish.model_dump_json()}".encode()).digest()

        async def act() -> Answer:
            began = time.monotonic()
            try:
                done = await carry_out()
            except CallguardError as error:
                kept = kept_answer(refusal_of(error))
            except Refused as refused:
                kept = kept_answer(refused)
            else:
                kept = Answer(200, json.dumps(done), "application/json")
            self.meters.took(name, asker.role, kept.status, time.monotonic() - began)
            log.info("asked", verb=name, by=asker.by, status=kept.status)
            return kept

        found, repeated = await self._in_time(asker.name, key, says, act)
        headers = {"Idempotency-Replayed": "true"} if repeated else None
        return web.Response(
            status=found.status, text=found.body, content_type=found.content_type, headers=headers
        )

    async def _in_time(
        self, owner: str, key: str, says: bytes, act: Callable[[], Coroutine[Any, Any, Answer]]
    ) -> tuple[Answer, bool]:
        repeats = self._repeats if key else self._unkeyed
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await repeats.once(owner, key or uuid.uuid4().hex, says, act)
        except TimeoutError:
            raise Refused("no-answer") from None
        except OtherRequest:
            raise Refused("key-used-otherwise") from None
        except TooMany:
            raise _too_often(1) from None


async def body_of(request: web.Request) -> bytes:
    """The body of a request that has to be JSON.

    Raises:
        Refused: it is something else, or it comes too slowly.
    """
    if request.content_type != "application/json" or hdrs.CONTENT_ENCODING in request.headers:
        raise Refused("not-json")
    if request.query_string:
        raise Refused("unreadable", "what is asked stands in the body; send no query with it")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    raise Refused("too-slow", headers={"Connection": "close"})


def kept_answer(refused: Refused) -> Answer:
    """A refusal as it is kept."""
    response = answer(refused)
    return Answer(response.status, response.text or "", PROBLEM_JSON)


def _bearer(request: web.Request) -> str:
    shown = request.headers.getall(hdrs.AUTHORIZATION, [])
    if not shown:
        raise Refused("no-token", headers=_challenge())
    scheme, _, token = shown[0].partition(" ")
    if len(shown) > 1 or scheme.lower() != "bearer" or not token.strip():
        raise Refused("no-token", headers=_challenge('error="invalid_request"'))
    return token.strip()


def _challenge(more: str = "") -> dict[str, str]:
    return {"WWW-Authenticate": ", ".join(filter(None, ('Bearer realm="callguard"', more)))}


def _too_often(wait: int) -> Refused:
    return Refused("too-often", headers={"Retry-After": str(wait)})


def _idempotency_key(request: web.Request) -> str:
    """The key, with or without the quotes of a structured field; "" for none."""
    given = request.headers.getall("Idempotency-Key", [])
    if not given:
        return ""
    found = _KEY.fullmatch(given[0])
    if len(given) > 1 or found is None:
        raise Refused("unreadable", "the Idempotency-Key must be one text of 1 to 200 characters of ASCII")
    return found[1] or found[2]


def _is_named(standing: Standing, target: Target) -> bool:
    match target.by:
        case By.CALL:
            return standing.call == target.value
        case By.CHANNEL:
            return standing.channel == target.value
        case By.EXTENSION:
            return target.value in standing.agents
        case By.CASE:
            return standing.case == target.value
