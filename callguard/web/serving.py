"""The server: all pages in their places, what every answer carries, and where it listens."""

from __future__ import annotations

import contextlib
import logging
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog
from aiohttp import hdrs, web

from callguard.config import Config
from callguard.config.web import Tls
from callguard.controller.desk import Desk
from callguard.controller.figures import Watched
from callguard.errors import CallguardError, ConfigError
from callguard.web.meters import Meters
from callguard.web.openapi import document
from callguard.web.phones import Action, Phones
from callguard.web.problems import Refused, answer, refusal_of
from callguard.web.reception import Reception
from callguard.web.rest import Rest

log = structlog.get_logger(__name__)

#: The most that a body, the first line, or a header may have, in bytes.
BODY_BYTES = 8192
LINE_BYTES = 4096
#: How long a connection may be quiet, or take to send the head of a request, in seconds.
QUIET_SECONDS = 15.0
#: How long requests that are under way may take when callguard stops, in seconds.
CLOSE_SECONDS = 5.0

#: What every answer carries: nothing of it is kept, guessed at, framed, or run.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "callguard",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
#: Problems that aiohttp finds before any page is asked.
_FOUND_BY_SERVER = {404: "no-such-page", 405: "wrong-method", 413: "too-large"}


class Front:
    """The interface over HTTP; serves nothing while nobody may use it.

    Args:
        config: who may ask, and where it listens.
        desk: what is asked about live calls.
        watched: what the controller says of itself.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        config: Config,
        desk: Desk,
        watched: Watched,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._meters = Meters(desk, watched)
        self._reception = Reception(config, desk, self._meters, clock=clock)
        self._phones = Phones(self._reception)
        self._settings = config.web
        self._tls: ssl.SSLContext | None = None
        self.app = self._application()
        self._runner = web.AppRunner(
            self.app,
            access_log=None,  # addresses of telephones hold their keys
            auto_decompress=False,
            keepalive_timeout=QUIET_SECONDS,
            lingering_time=1.0,
            logger=_said_by_server(),
            max_field_size=LINE_BYTES,
            max_line_size=LINE_BYTES,
            shutdown_timeout=CLOSE_SECONDS,
        )

    @property
    def port(self) -> int | None:
        """The port that it listens on."""
        return self._runner.addresses[0][1] if self._runner.addresses else None

    async def open(self) -> None:
        """Listen, if anybody may use it.

        Raises:
            ConfigError: it cannot listen there, or the certificate is not usable.
        """
        settings = self._settings
        if not settings.enabled:
            return
        if settings.tls is not None:
            self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
            _show(self._tls, settings.tls)
        await self._runner.setup()
        try:
            await web.TCPSite(
                self._runner, settings.host, settings.port, ssl_context=self._tls, reuse_address=True
            ).start()
        except OSError as error:
            await self._runner.cleanup()
            raise ConfigError(
                f"web: {settings.host}:{settings.port} cannot be listened on ({error.strerror}); choose a "
                "port that is free and an address of this machine"
            ) from error
        log.info("web", host=settings.host, port=self.port, tls=self._tls is not None)

    async def close(self) -> None:
        """Stop listening, and let what is under way come to its end."""
        await self._runner.cleanup()
        await self._reception.close()
        await self._phones.close()

    def take_over(self, config: Config) -> None:
        """From now on these may ask, and this certificate is shown; the place stays until a restart."""
        old, new = self._settings, config.web
        if (old.host, old.port, old.tls is None, old.enabled) != (
            new.host,
            new.port,
            new.tls is None,
            new.enabled,
        ):
            log.warning("where the web interface listens changes only with a restart")
        self._reception.take_over(config)
        if self._tls is not None and new.tls is not None:
            try:
                _show(self._tls, new.tls)
            except ConfigError as error:
                log.error("the certificate stays the old one", why=str(error))  # noqa: TRY400 - the text says it all
        self._settings = new

    # ------------------------------------------------------------------ pages

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[self._answered], client_max_size=BODY_BYTES)
        app.on_response_prepare.append(self._dress)
        Rest(self._reception, document()).add_to(app.router)
        actions = "|".join(action.value for action in Action)
        place = f"/phone/{{action:{actions}}}"
        app.router.add_get(place, self._phones.fetched, allow_head=False)
        app.router.add_post(place, self._phones.fetched)
        app.router.add_get("/metrics", self._figures, allow_head=False)
        app.router.add_get("/healthz", self._health, allow_head=False)
        return app

    @web.middleware
    async def _answered(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Whatever goes wrong is told as a problem, and says nothing that only we should know."""
        response: web.StreamResponse
        try:
            response = await handler(request)
        except Refused as refused:
            response = answer(refused)
        except CallguardError as error:
            response = answer(refusal_of(error))
        except web.HTTPException as error:
            kind = _FOUND_BY_SERVER.get(error.status, "unreadable")
            allowed = error.headers.get(hdrs.ALLOW)
            response = answer(Refused(kind, headers={hdrs.ALLOW: allowed} if allowed else None))
        except Exception:
            log.exception("a page failed", method=request.method, page=request.match_info.handler.__name__)
            response = answer(Refused("broken"))
        self._reception.count(request, response.status)
        return response

    async def _dress(self, _: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(HEADERS)
        if self._tls is not None:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"

    async def _figures(self, request: web.Request) -> web.Response:
        asker = self._reception.asker(request)
        if not asker.may_watch:
            raise Refused("not-yours", "figures tell of all calls; use a supervisor's or a program's token")
        body, content_type = self._meters.text(request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})

    async def _health(self, _: web.Request) -> web.Response:
        well = self._meters.well
        return web.json_response({"status": "ok" if well else "unwell"}, status=200 if well else 503)


def _said_by_server() -> logging.Logger:
    """What aiohttp says of requests that it cannot read, without their text: a token may stand in it."""
    said = logging.getLogger("callguard.web")
    if not said.filters:
        said.addFilter(_without_text)
    return said


def _without_text(record: logging.LogRecord) -> bool:
    record.exc_info = None
    return True


def _show(context: ssl.SSLContext, tls: Tls) -> None:
    """Show this certificate from the next connection on.

    Raises:
        ConfigError: it cannot be read, or the key is that of another.
    """
    try:
        context.load_cert_chain(tls.certificate, tls.key, password=_no_password)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"web.tls: {tls.certificate} and {tls.key} cannot be used ({error}); name a certificate and its "
            "private key, both PEM, the key without a password, readable by callguard"
        ) from error


def _no_password() -> str:
    """OpenSSL would ask at the terminal."""
    raise ValueError("the key has a password")


@contextlib.asynccontextmanager
async def serve(config: Config, desk: Desk, watched: Watched) -> AsyncIterator[Front]:
    """Serve for as long as the context lasts; nothing, where nobody may use it.

    Raises:
        ConfigError: it cannot listen there, or the certificate is not usable.
    """
    front = Front(config, desk, watched)
    await front.open()
    try:
        yield front
    finally:
        await front.close()
