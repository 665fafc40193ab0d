"""REST: live calls, and what may be asked about them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from callguard.controller.desk import By, Target
from callguard.controller.wishes import CALL, Verb, WithdrawWish, read, read_call, told
from callguard.web.problems import PROBLEMS, Refused
from callguard.web.reception import Reception, body_of

_CALL = re.compile(r"[A-Za-z0-9-]{1,64}")


class Rest:
    """The pages below /v1.

    Args:
        reception: who may ask what.
        document: the OpenAPI document.
    """

    def __init__(self, reception: Reception, document: Mapping[str, Any]) -> None:
        self._reception = reception
        self._document = document

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Put the pages into their places."""
        router.add_get("/v1/calls", self._calls, allow_head=False)
        router.add_get("/v1/calls/{call}", self._call, allow_head=False)
        for verb in Verb:
            router.add_post(f"/v1/{verb.value}", self._wish)
        router.add_post(f"/v1/{CALL}", self._place)
        router.add_get("/v1/openapi.json", self._openapi, allow_head=False)
        router.add_get("/v1/problems/{kind}", self._problem, allow_head=False)

    async def _calls(self, request: web.Request) -> web.Response:
        asker = self._reception.asker(request)
        _without_query(request)
        calls = [told(each) for each in self._reception.desk.calls() if asker.may_see(each)]
        return web.json_response({"calls": calls})

    async def _call(self, request: web.Request) -> web.Response:
        asker = self._reception.asker(request)
        _without_query(request)
        call = request.match_info["call"]
        if _CALL.fullmatch(call) is None:
            raise Refused("no-such-call")
        return web.json_response(told(self._reception.find(Target(by=By.CALL, value=call), asker)))

    async def _wish(self, request: web.Request) -> web.Response:
        verb = Verb(request.path.rpartition("/")[2])
        asker = self._reception.asker(request, verb)
        wish = read(verb, await body_of(request))
        if isinstance(wish, WithdrawWish) and wish.shred and not asker.may_shred:
            raise Refused("not-yours", "a program may end a recording, but not destroy it")
        return await self._reception.wish(request, verb, wish, asker)

    async def _place(self, request: web.Request) -> web.Response:
        asker = self._reception.asker(request)
        wish = read_call(await body_of(request))
        if asker.extensions and wish.extension not in asker.extensions:
            raise Refused("not-yours", "this token calls only from its own telephones")
        return await self._reception.place(request, wish, asker)

    async def _openapi(self, _: web.Request) -> web.Response:
        return web.json_response(self._document)

    async def _problem(self, request: web.Request) -> web.Response:
        """What a problem means, at the address that is its type."""
        problem = PROBLEMS.get(request.match_info["kind"])
        if problem is None:
            raise Refused("no-such-page")
        return web.Response(text=f"{problem.status.value}: {problem.title}.\n{problem.advice}\n")


def _without_query(request: web.Request) -> None:
    if request.query_string:
        raise Refused("unreadable", "this page takes no query; leave out what follows the question mark")
