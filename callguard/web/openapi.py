"""The description of all pages by OpenAPI 3.1, made from what reads and answers the requests."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from callguard import __version__
from callguard.controller.desk import By, Lamp
from callguard.controller.wishes import CALL, WISHES, CallWish, Verb
from callguard.web.phones import Action
from callguard.web.problems import PROBLEM_JSON, PROBLEMS
from callguard.web.repeats import KEEP_SECONDS, MOST_KEPT
from callguard.web.screens import Form


def document() -> dict[str, Any]:
    """The whole description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "callguard",
            "version": __version__,
            "description": "Live calls and their recorders. An answer is given when the recorder did as it "
            "was told.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"token": []}],
        "paths": {
            "/v1/calls": {"get": _page("calls", "All live calls that this token may see", "Calls")},
            "/v1/calls/{call}": {
                "get": _page("call", "One live call", "Call", "no-such-call")
                | {"parameters": [_in_path("call", "The id in the ledger.")]}
            },
            **{f"/v1/{verb.value}": {"post": _wish(verb)} for verb in Verb},
            f"/v1/{CALL}": {"post": _place()},
            "/v1/openapi.json": {"get": _open("openapi", "This description", "application/json")},
            "/v1/problems/{kind}": {
                "get": _open("problem", "What a problem means", "text/plain", "no-such-page")
                | {"parameters": [_in_path("kind", "The last part of the problem's type.")]}
            },
            "/phone/{action}": {method: _telephone(method) for method in ("get", "post")},
            "/metrics": {"get": _metrics()},
            "/healthz": {"get": _health()},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Call": _call(),
                "Calls": _closed({"calls": {"type": "array", "items": _ref("Call")}}),
                "Health": _closed({"status": {"enum": ["ok", "unwell"]}}),
                "Problem": _problem(),
                **{_name(verb): _schema(verb) for verb in Verb},
                "PlaceCall": TypeAdapter(CallWish).json_schema(),
                "Placed": _placed(),
            },
        },
    }


def _name(verb: Verb) -> str:
    return verb.value.capitalize()


def _schema(verb: Verb) -> dict[str, Any]:
    """What a verb takes, with the call named in exactly one way."""
    schema = TypeAdapter(WISHES[verb]).json_schema()
    for by in By:
        schema["properties"][by.value] = {
            "type": "string",
            "minLength": 1,
            "maxLength": 128,
            "description": schema["properties"][by.value]["description"],
        }
    return schema | {"oneOf": [{"required": [by.value]} for by in By]}


def _call() -> dict[str, Any]:
    words = {name: {"type": "string"} for name in ("call", "channel", "caller", "queue", "case")}
    return _closed(
        {
            **words,
            "agents": {"type": "array", "items": {"type": "string"}},
            "state": {"enum": [lamp.value for lamp in Lamp], "description": "What the recorder does."},
            "seconds_left": {"type": ["number", "null"], "description": "Of a pause."},
            "extended": {"type": "boolean", "description": "The one extension of this pause was used."},
            "erased_seconds": {
                "type": "number",
                "description": "What is destroyed so far from before this pause. The last of it reaches the "
                "recorder up to two seconds after the pause.",
            },
        }
    )


def _placed() -> dict[str, Any]:
    words = {name: {"type": "string"} for name in ("channel", "extension", "number", "queue")}
    return _closed({**words, "state": {"enum": ["ringing"], "description": "The agent's telephone."}})


def _problem() -> dict[str, Any]:
    wrong = _closed({"detail": {"type": "string"}, "pointer": {"type": "string"}})
    return _closed(
        {
            "type": {"enum": [f"/v1/problems/{kind}" for kind in PROBLEMS]},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "errors": {"type": "array", "items": wrong},
        },
        "errors",
    )


def _closed(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    """An object with these members and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _in_path(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string"},
    }


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": _ref(schema)}}


def _ref(schema: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{schema}"}


def _texts(*media: str) -> dict[str, Any]:
    return {each: {"schema": {"type": "string"}} for each in media}


def _troubles(*kinds: str) -> dict[str, Any]:
    """The answers for these problems, by status."""
    by_status: dict[int, list[str]] = {}
    for kind in kinds:
        by_status.setdefault(PROBLEMS[kind].status.value, []).append(PROBLEMS[kind].title)
    content = {PROBLEM_JSON: {"schema": _ref("Problem")}}
    return {
        str(status): {"description": "; ".join(titles), "content": content}
        for status, titles in sorted(by_status.items())
    }


def _page(name: str, summary: str, schema: str, *kinds: str) -> dict[str, Any]:
    troubles = _troubles("unreadable", "no-token", "too-often", "broken", *kinds)
    return {
        "operationId": name,
        "summary": summary,
        "responses": {"200": {"description": "As their recorders say", "content": _json(schema)}} | troubles,
    }


def _wish(verb: Verb) -> dict[str, Any]:
    summary = (WISHES[verb].__doc__ or "").split("\n")[0]
    return _deed(verb.value, summary, _name(verb), "The recorder did it", "Call")


def _place() -> dict[str, Any]:
    summary = (CallWish.__doc__ or "").split("\n")[0]
    return _deed("place", summary, "PlaceCall", "The agent's telephone is being called", "Placed")


def _deed(name: str, summary: str, takes: str, done: str, schema: str) -> dict[str, Any]:
    """Something that is done once, however often it is sent."""
    kept = f"for {KEEP_SECONDS / 3600:g} hour, the newest {MOST_KEPT} of each token"
    return {
        "operationId": name,
        "summary": summary,
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "A text of your choice for this one request. Sent again with it, it is not "
                f"done again, and the answer is the same; answers are kept {kept}.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 200},
            }
        ],
        "requestBody": {"required": True, "content": _json(takes)},
        "responses": {
            "200": {
                "description": done,
                "content": _json(schema),
                "headers": {
                    "Idempotency-Replayed": {
                        "description": "This answer was given before.",
                        "schema": {"enum": ["true"]},
                    }
                },
            }
        }
        | _troubles(*(kind for kind in PROBLEMS if kind not in {"no-such-page", "wrong-method"})),
    }


def _open(name: str, summary: str, media: str, *kinds: str) -> dict[str, Any]:
    schema = {"type": "object"} if media == "application/json" else {"type": "string"}
    return {
        "operationId": name,
        "summary": summary,
        "security": [],
        "responses": {"200": {"description": summary, "content": {media: {"schema": schema}}}}
        | _troubles("broken", *kinds),
    }


def _telephone(method: str) -> dict[str, Any]:
    screen = _texts("text/plain", "text/xml", "application/xhtml+xml")
    words = {
        "200": "What the telephone shows: the state of the recorder, or what is in the way",
        "403": "The key is not right, or was fetched in advance",
        "429": "Too many wrong keys from this address",
        "500": "callguard made a mistake",
    }
    query = {
        "ext": ({"type": "string"}, True, "The telephone, as its endpoint in Asterisk is named."),
        "key": ({"type": "string"}, True, "Its key; `callguard phones keys` prints it."),
        "format": (
            {"enum": [form.value for form in Form]},
            False,
            "How the answer is written; else what the headers Accept and User-Agent tell.",
        ),
    }
    return {
        "operationId": f"phone-{method}",
        "summary": "A key of a telephone was pressed",
        "security": [],
        "parameters": [
            _in_path("action", "What shall be.") | {"schema": {"enum": [action.value for action in Action]}},
            *(
                {"name": name, "in": "query", "required": required, "description": told, "schema": schema}
                for name, (schema, required, told) in query.items()
            ),
        ],
        "responses": {status: {"description": told, "content": screen} for status, told in words.items()},
    }


def _metrics() -> dict[str, Any]:
    page = _page("metrics", "Figures for Prometheus", "Call", "not-yours")
    texts = _texts("text/plain", "application/openmetrics-text")
    page["responses"]["200"] = {"description": "All figures", "content": texts}
    return page


def _health() -> dict[str, Any]:
    return {
        "operationId": "health",
        "summary": "Whether calls can be recorded, paused and stopped",
        "security": [],
        "responses": {
            "200": {"description": "All is well", "content": _json("Health")},
            "503": {"description": "Asterisk or the ledger cannot be asked", "content": _json("Health")},
        },
    }
