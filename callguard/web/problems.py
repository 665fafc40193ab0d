"""What went wrong, as programs can read it: problem details by RFC 9457."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aiohttp import web

from callguard.controller.desk import DeskError
from callguard.controller.wishes import Unfit, Unreadable, kind_of
from callguard.errors import CallguardError

#: The media type of RFC 9457.
PROBLEM_JSON = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Problem:
    """A kind of trouble: its status, a title that never changes, and what whoever asked can do."""

    status: HTTPStatus
    title: str
    advice: str


PROBLEMS: Mapping[str, Problem] = {
    "unreadable": Problem(
        HTTPStatus.BAD_REQUEST,
        "The request cannot be read",
        "See 'detail', and /v1/openapi.json.",
    ),
    "unfit": Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "The request does not say what is needed",
        "Correct the fields that 'errors' names.",
    ),
    "key-used-otherwise": Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "The Idempotency-Key belongs to another request",
        "Use a new key for each new request; repeat a request with the same words.",
    ),
    "no-token": Problem(
        HTTPStatus.UNAUTHORIZED,
        "A token is needed",
        "Send 'Authorization: Bearer TOKEN' with a token of the section 'web' of the configuration.",
    ),
    "not-yours": Problem(
        HTTPStatus.FORBIDDEN,
        "This token may not do that",
        "Use a token with another role, or have the role changed in the configuration.",
    ),
    "no-such-page": Problem(
        HTTPStatus.NOT_FOUND, "There is nothing here", "GET /v1/openapi.json tells what there is."
    ),
    "no-such-call": Problem(
        HTTPStatus.NOT_FOUND,
        "No live call has this name",
        "GET /v1/calls lists the live calls that this token may see.",
    ),
    "wrong-method": Problem(
        HTTPStatus.METHOD_NOT_ALLOWED, "Not with this method", "Use one that the header 'Allow' names."
    ),
    "too-slow": Problem(
        HTTPStatus.REQUEST_TIMEOUT, "The request did not arrive in time", "Send it in one go."
    ),
    "not-unique": Problem(
        HTTPStatus.CONFLICT, "Several live calls have this name", "Name the call by its id or its channel."
    ),
    "not-recorded": Problem(
        HTTPStatus.CONFLICT, "The call is not being recorded", "There is nothing to pause or to resume."
    ),
    "not-allowed-now": Problem(
        HTTPStatus.CONFLICT, "The state of the call does not allow it", "See 'detail'; GET the call's state."
    ),
    "not-possible": Problem(
        HTTPStatus.CONFLICT, "What was asked cannot be done", "See 'detail'; GET the call's state."
    ),
    "not-placed": Problem(
        HTTPStatus.CONFLICT,
        "The agent's telephone cannot be called",
        "See 'detail'; name the telephone as its endpoint in Asterisk is named, and have it registered.",
    ),
    "too-large": Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large", "Send at most 8192 bytes."
    ),
    "not-json": Problem(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "Only plain JSON is taken",
        "Send 'Content-Type: application/json' and no Content-Encoding.",
    ),
    "too-often": Problem(
        HTTPStatus.TOO_MANY_REQUESTS,
        "Too many requests failed",
        "Wait as long as 'Retry-After' says, and correct what fails.",
    ),
    "broken": Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "callguard made a mistake",
        "Look into its log; what was asked may or may not be done: GET the call's state.",
    ),
    "not-confirmed": Problem(
        HTTPStatus.BAD_GATEWAY,
        "The recorder did not do as it was told, and the recording was ended",
        "Nothing needs to be done for the customer; look at the PBX.",
    ),
    "unavailable": Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Asterisk or the ledger cannot be asked at present",
        "See 'detail'; ask again when it is mended, with a new Idempotency-Key.",
    ),
    "no-answer": Problem(
        HTTPStatus.GATEWAY_TIMEOUT,
        "The recorder did not answer in time",
        "It is still being done: GET the call's state, or ask again with the same Idempotency-Key.",
    ),
}


class Refused(Exception):  # noqa: N818 - the name says what happened
    """A request that is answered with a problem."""

    def __init__(
        self, kind: str, detail: str = "", *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(kind)
        self.kind = kind
        self.detail = detail or PROBLEMS[kind].advice
        self.headers = headers or {}
        self.more = more


def refusal_of(error: CallguardError) -> Refused:
    """How an error of ours is told."""
    if isinstance(error, DeskError):
        return Refused(kind_of(error), str(error))
    if isinstance(error, Unreadable):
        return Refused("unreadable", str(error))
    if isinstance(error, Unfit):
        errors = [
            {"detail": words, "pointer": f"#/{field}" if field else "#"} for field, words in error.wrong
        ]
        return Refused("unfit", str(error), errors=errors)
    return Refused("unavailable", str(error))


def answer(refused: Refused) -> web.Response:
    """The answer to a request that is refused."""
    problem = PROBLEMS[refused.kind]
    body = {
        "type": f"/v1/problems/{refused.kind}",
        "title": problem.title,
        "status": problem.status.value,
        "detail": refused.detail,
        **refused.more,
    }
    return web.Response(
        status=problem.status, text=json.dumps(body), content_type=PROBLEM_JSON, headers=refused.headers
    )
