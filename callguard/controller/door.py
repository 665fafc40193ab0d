"""The control door: a unix socket on which `callguard calls`, `pause`, `stop-all` and the like are heard.

Whoever may open the socket may use it; its directory and mode (0660) say who that is. It stays a unix
socket so that nothing on the network can stop or start recording.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from callguard import __version__
from callguard.controller.conductor import Conductor
from callguard.controller.desk import By, DeskError, Target
from callguard.controller.wishes import (
    CALL,
    KINDS,
    Unfit,
    Unreadable,
    Verb,
    kind_of,
    read,
    read_call,
    told,
    told_placed,
)
from callguard.errors import AsteriskError, CallguardError, ConfigError, RecordingError

#: Seconds a question at the door may take.
DEADLINE = 10.0
#: The most that a question may have, in bytes.
LARGEST = 8192


class Door:
    """Serves the socket while callguard runs."""

    def __init__(self, conductor: Conductor, path: Path) -> None:
        self._conductor = conductor
        self._path = path
        app = web.Application(client_max_size=LARGEST)
        app.router.add_get("/calls", self._calls)
        app.router.add_get("/first-prompts", self._first_prompts)
        for verb in Verb:
            app.router.add_post(f"/desk/{verb.value}", self._wish)
        app.router.add_post(f"/desk/{CALL}", self._place)
        app.router.add_post("/stop-all", self._stop_all)
        app.router.add_post("/resume-all", self._resume_all)
        self._runner = web.AppRunner(app, access_log=None)

    async def open(self) -> None:
        """Begin to listen.

        Raises:
            ConfigError: the socket cannot be made, or another callguard listens on it.
        """
        if await _answers(self._path):
            raise ConfigError(f"{self._path}: another callguard is running here; stop it first")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.unlink(missing_ok=True)
            await self._runner.setup()
            await web.UnixSite(self._runner, str(self._path)).start()
            self._path.chmod(0o660)
        except OSError as error:
            raise ConfigError(
                f"control.socket: {self._path} cannot be made ({error.strerror}); use a directory that "
                "callguard may write to"
            ) from error

    async def close(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    async def _calls(self, _: web.Request) -> web.Response:
        conductor = self._conductor
        return web.json_response(
            {
                "version": __version__,
                "ari": conductor.ari is not None,
                "ami": conductor.ami.connected,
                "ledger": conductor.ledger.healthy,
                "recording_off": conductor.is_off,
                "calls": conductor.summary(),
            }
        )

    async def _first_prompts(self, _: web.Request) -> web.Response:
        """How soon callers heard something: seconds from the hand-over to the first prompt, newest last."""
        return web.json_response({"seconds": list(self._conductor.first_prompts)})

    async def _wish(self, request: web.Request) -> web.Response:
        """What is asked about one live call, in the words of `callguard.controller.wishes`."""

        async def carry_out(who: str) -> dict[str, Any]:
            desk = self._conductor.desk
            wish = read(Verb(request.path.rpartition("/")[2]), await request.read())
            target = Target(by=By.CALL, value=desk.find(wish.target).call)
            return told(await wish.carry_out(desk, target, who))

        return await _answered(request, carry_out)

    async def _place(self, request: web.Request) -> web.Response:
        """A call is to be placed."""

        async def carry_out(who: str) -> dict[str, Any]:
            wish = read_call(await request.read())
            return told_placed(await wish.carry_out(self._conductor.desk, who))

        return await _answered(request, carry_out)

    async def _stop_all(self, request: web.Request) -> web.Response:
        who = await _who(request)
        try:
            stopped = await self._conductor.switch_off(who)
        except (AsteriskError, RecordingError) as error:
            return web.json_response({"error": str(error), "recording_off": True}, status=503)
        return web.json_response({"recording_off": True, "stopped": stopped})

    async def _resume_all(self, request: web.Request) -> web.Response:
        try:
            await self._conductor.switch_on(await _who(request))
        except RecordingError as error:
            return web.json_response({"error": str(error), "recording_off": True}, status=503)
        return web.json_response({"recording_off": False})


async def _answered(
    request: web.Request, carry_out: Callable[[str], Awaitable[dict[str, Any]]]
) -> web.Response:
    """What came of a wish, or why it did not."""
    who = request.query.get("by", "").strip()[:100] or "somebody at the control socket"
    try:
        return web.json_response(await carry_out(who))
    except DeskError as error:
        return web.json_response({"error": str(error), "kind": kind_of(error)}, status=409)
    except (Unfit, Unreadable) as error:
        return web.json_response({"error": str(error), "kind": "unfit"}, status=422)
    except CallguardError as error:
        return web.json_response({"error": str(error), "kind": "unavailable"}, status=503)


async def _who(request: web.Request) -> str:
    body = await request.text()
    return body.strip()[:100] or "somebody at the control socket"


async def _answers(path: Path) -> bool:
    try:
        await ask(path, "GET", "/calls")
    except CallguardError:
        return False
    return True


async def wish(path: Path, verb: Verb, words: dict[str, Any], who: str) -> dict[str, Any]:
    """Have a running callguard do something about one live call; returns the call as its recorder says.

    Raises:
        DeskError: it cannot be done; see its kinds.
        CallguardError: nobody answers there, or what was asked does not fit.
    """
    return await ask(path, "POST", f"/desk/{verb.value}?{urlencode({'by': who})}", json.dumps(words))


async def place(path: Path, words: dict[str, Any], who: str) -> dict[str, Any]:
    """Have a running callguard place a call; raises as `wish` does."""
    return await ask(path, "POST", f"/desk/{CALL}?{urlencode({'by': who})}", json.dumps(words))


async def ask(path: Path, method: str, what: str, who: str = "") -> dict[str, Any]:
    """Ask a running callguard.

    Raises:
        DeskError: what was asked about a call cannot be done.
        CallguardError: nobody answers there, or the answer is an error (its text says what to do).
    """
    timeout = aiohttp.ClientTimeout(total=DEADLINE)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path)), timeout=timeout) as session,
            session.request(method, f"http://callguard{what}", data=who.encode()) as response,
        ):
            answer: dict[str, Any] = await response.json()
    except (OSError, aiohttp.ClientError, ValueError, TimeoutError) as error:
        raise ConfigError(
            f"{path}: no callguard answers there ({error or 'no answer in time'}); is `callguard run` "
            "running with this configuration, and may you open its socket?"
        ) from error
    if "error" in answer:
        kinds = {name: kind for kind, name in KINDS.items()} | {"not-possible": DeskError}
        raise kinds.get(str(answer.get("kind")), RecordingError)(str(answer["error"]))
    return answer


def caller() -> str:
    """Who asks, for the ledger."""
    return os.environ.get("SUDO_USER") or os.environ.get("USER") or f"uid {os.getuid()}"
