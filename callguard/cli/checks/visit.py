"""Doctor's own connections to the PBX, and what arrives on them."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from callguard.asterisk.ami_line import AmiLine
from callguard.asterisk.ari import Ari
from callguard.asterisk.errors import AmiLost, AriLost, AriRefused
from callguard.asterisk.events import ChannelDestroyed, Event, StasisStart
from callguard.asterisk.settings import CALL_EVENTS, RECORDING_EVENTS, AmiSettings, AriSettings
from callguard.cli.checks.finding import Finding, fault, ok
from callguard.config import Config
from callguard.errors import AsteriskError

T = TypeVar("T")

#: Seconds that something may take on the PBX which takes milliseconds on a healthy one.
PATIENCE = 5.0

#: Events that show by arriving which class of rights the manager's user has beyond what it needs.
TELLTALE = {"VarSet": "dialplan", "Newexten": "dialplan"}


class Visit:
    """A site as doctor meets it.

    Attributes:
        config: the site.
        etc: Asterisk's configuration directory, as far as it can be read.
        app: the Stasis application that doctor's own channels are in; nobody else's.
        ari: the REST interface, None when it does not answer.
        ami: the manager interface, None when it does not answer.
        heard: what arrived over ARI.
        noticed: what arrived over AMI.
    """

    def __init__(self, config: Config, etc: Path) -> None:
        self.config = config
        self.etc = etc
        self.app = f"doctor-{secrets.token_hex(4)}"
        self.ari: Ari | None = None
        self.ami: AmiLine | None = None
        self.heard: list[Event] = []
        self.noticed: list[Mapping[str, str]] = []
        self._news = asyncio.Event()
        self._lost: list[str] = []

    @property
    def nobody_there(self) -> bool:
        """Whether neither interface could be reached at all."""
        return len(self._lost) == 2

    @property
    def ari_settings(self) -> AriSettings:
        """The controller's, with an application of doctor's own."""
        ari = self.config.asterisk.ari
        return AriSettings(
            app=self.app,
            username=ari.username,
            password=ari.password.get_secret_value(),
            url=ari.url,
            deadline=max(ari.deadline, PATIENCE),
            transport=ari.transport,
            allowed_events=(*CALL_EVENTS, "RecordingStarted", "RecordingFinished", "RecordingFailed"),
        )

    async def connect_ari(self) -> list[Finding]:
        """Log in to the REST interface."""
        where = self.config.asterisk.ari.url
        try:
            self.ari = await Ari.open(self.ari_settings, self._hear)
        except AsteriskError as error:
            self._lost += [where] * isinstance(error, AriLost)
            remedy = (
                "in http.conf and ari.conf enable the servers, with the user and password of "
                "asterisk.ari (callguard-http.conf and callguard-ari.conf of `callguard init`)"
            )
            return [fault("ARI", str(error), where, remedy)]
        return [ok("ARI", f"answers; requests travel over {self.ari.transport}", where)]

    async def connect_ami(self) -> list[Finding]:
        """Log in to the manager interface."""
        ami = self.config.asterisk.ami
        where = f"{ami.host}:{ami.port}"
        settings = AmiSettings(
            host=ami.host,
            port=ami.port,
            username=ami.username,
            password=ami.password.get_secret_value(),
            deadline=PATIENCE,
            allowed_events=(*RECORDING_EVENTS, *TELLTALE),
        )
        try:
            self.ami = await AmiLine.open(settings, self._notice)
        except AsteriskError as error:
            self._lost += [where] * isinstance(error, AmiLost)
            remedy = (
                "in manager.conf enable it, with the user, password and permit= of "
                "callguard-manager.conf (`callguard init`). Without AMI nothing is recorded"
            )
            return [fault("AMI", str(error), where, remedy)]
        return [ok("AMI", f"answers, and knows {ami.username}", where)]

    async def leave(self) -> None:
        """Let go of both."""
        if self.ari is not None:
            await self.ari.close()
        if self.ami is not None:
            await self.ami.close()

    async def until(self, found: Callable[[], T | None], seconds: float = PATIENCE) -> T | None:
        """Wait until something has arrived that ``found`` finds; None when it does not in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while (result := found()) is None:
                    self._news.clear()
                    await self._news.wait()
                return result
        return None

    async def entered(self, channel: str) -> bool:
        """Wait until one of our channels is in our application; False when it ended or did not come."""

        def seen() -> Event | None:
            for event in self.heard:
                if isinstance(event, (StasisStart, ChannelDestroyed)) and event.channel.id == channel:
                    return event
            return None

        return isinstance(await self.until(seen), StasisStart)

    async def take_back(self, method_path: tuple[str, str]) -> None:
        """Undo something on the PBX that may be undone already."""
        if self.ari is not None:
            with contextlib.suppress(AriRefused):
                await self.ari.request(*method_path)

    def _hear(self, event: Event) -> None:
        self.heard.append(event)
        self._news.set()

    def _notice(self, event: Mapping[str, Any]) -> None:
        self.noticed.append(event)
        self._news.set()
