"""One phone on one call: what a person does with it, and what was heard and said on it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

from callguard.errors import LabError
from callguard.lab import audio
from callguard.lab.ari import Line
from callguard.lab.counting import Family
from callguard.lab.voices import Keyed, Voice, Words

#: How pressed keys travel; ``unheard``: as sound, to a PBX that waits for key events only.
Keys = Literal["rfc4733", "inband", "info", "unheard"]
#: Those that are sounds, and take the place of the voice.
SOUNDING: frozenset[Keys] = frozenset({"inband", "unheard"})

#: Seconds to wait for something that takes milliseconds when all is well.
PATIENCE = 10.0
#: Length of one key press in ms, and of the pause after it: what a quick human hand does.
KEY_MS = 100
#: Seconds between two looks at whether Asterisk has closed a sound file.
FILE_POLL = 0.01


class Phone:
    """A phone in the world, from its first ring to the end of its call.

    Attributes:
        name: who: the agent's name, or the number that was called.
        caller_number: the caller id the phone shows (its own for a calling phone).
        caller_name: the caller's name it shows.
        keys: the digits that reached this phone's ear as key events.
        cause: the Q.850 cause of the end (16 is a normal one), once ended.
    """

    def __init__(
        self,
        line: Line,
        channel: str,
        directory: Path,
        *,
        name: str,
        pid: Callable[[], int],
        speaks: Callable[[Voice], Awaitable[str]],
        presses: Keys = "rfc4733",
    ) -> None:
        self.channel = channel
        self.name = name
        self.caller_number = ""
        self.caller_name = ""
        self.keys = ""
        self.cause: int | None = None
        self._line = line
        self._heard = directory / "heard" / f"{channel}.sln"
        self._said = directory / "said" / f"{channel}.sln"
        self._pid = pid
        self._speaks = speaks
        self._presses: Keys = presses
        self._says: float | Family | None = None
        self._turns = 0
        self._key = asyncio.Event()
        self._created = asyncio.Event()
        self._ringing = asyncio.Event()
        self._up = asyncio.Event()
        self._ended = asyncio.Event()

    @property
    def is_up(self) -> bool:
        """Answered, and not yet ended."""
        return self._up.is_set() and not self._ended.is_set()

    async def created(self, timeout: float = PATIENCE) -> None:
        """Wait until Asterisk takes orders for it."""
        await self._reach(self._created, "created", timeout)

    async def ringing(self, timeout: float = PATIENCE) -> None:
        """Wait until the other side rings."""
        await self._reach(self._ringing, "ringing", timeout)

    async def answered(self, timeout: float = PATIENCE) -> None:
        """Wait until the call is answered.

        Raises:
            LabError: it ended first, or nobody answered in time.
        """
        await self._reach(self._up, "answered", timeout)

    async def ended(self, timeout: float = PATIENCE) -> int:
        """Wait until the call is over; returns its cause.

        Raises:
            LabError: it still goes on after that time.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._ended.wait()
        except TimeoutError:
            raise LabError(f"{self} is still on its call after {timeout:g} s.") from None
        return self.cause or 0

    async def answer(self) -> None:
        """Pick up."""
        await self._line.ask("POST", f"/channels/{self.channel}/answer")

    async def press_differently(self) -> None:
        """Have the keys of a phone that is being called travel as they should; before it answers."""
        mode = "inband" if self._presses in SOUNDING else self._presses
        await self._line.ask(
            "POST",
            f"/channels/{self.channel}/variable",
            query={"variable": "PJSIP_DTMF_MODE()", "value": mode},
        )

    async def press(self, keys: str, *, length_ms: int = KEY_MS, pause_ms: int = KEY_MS) -> None:
        """Press keys in the way of the phone's line (RFC 4733 unless called otherwise).

        Returns when Asterisk has taken the order; the keys then follow at their own pace. Keys that sound
        are awaited, and counting speech goes on at a higher number. Let no two phones of one call press at
        the same instant: Asterisk 22 then takes a key to last for seconds.
        """
        if self._presses not in SOUNDING:
            await self._line.ask(
                "POST",
                f"/channels/{self.channel}/dtmf",
                query={"dtmf": keys, "duration": str(length_ms), "between": str(pause_ms)},
            )
            return
        self._turns += 1
        keyed = Keyed(
            keys=keys,
            length_ms=length_ms,
            pause_ms=pause_ms,
            then=self._says,
            turn=self._turns,
            phone=self.channel,
        )
        await self._play(keyed)
        await asyncio.sleep(keyed.seconds)

    async def speak(self, voice: float | Family) -> None:
        """Say that until `hush` or the end of the call; keys can be pressed meanwhile."""
        self._says = voice
        await self._voice()

    async def say(self, file: Path) -> None:
        """Say the words in a file (``.sln``), and then nothing; returns when they are said."""
        self._says = None
        self._turns += 1
        words = Words(file=file, turn=self._turns, phone=self.channel)
        await self._play(words)
        await asyncio.sleep(words.seconds)

    async def hush(self) -> None:
        """Fall silent."""
        self._says = None
        await self._line.ask("DELETE", f"/channels/{self.channel}/moh")
        await self._voice()

    async def send_nothing(self) -> None:
        """Send no packet at all until something is said again, as phones do that spare the line."""
        silent, self._says = self._says is None, None
        await self._line.ask("DELETE", f"/channels/{self.channel}/{'silence' if silent else 'moh'}")

    async def hang_up(self) -> None:
        """End the call from this side, and wait until it is over."""
        if not self._ended.is_set():
            try:
                await self._line.ask("DELETE", f"/channels/{self.channel}")
            except LabError:
                # The other side was quicker: the end is on its way.
                await self.ended()
        await self.ended()

    async def key_pressed(self, key: str, timeout: float = PATIENCE) -> None:
        """Wait until this key has reached this phone's ear.

        Raises:
            LabError: it did not come in time.
        """
        try:
            async with asyncio.timeout(timeout):
                while key not in self.keys:
                    self._key.clear()
                    await self._key.wait()
        except TimeoutError:
            raise LabError(f"{self} heard no key {key} within {timeout:g} s, but {self.keys!r}.") from None

    async def heard(self) -> tuple[audio.Samples, int]:
        """What reached this phone's ear in the whole call: samples and their rate.

        Raises:
            LabError: the call still goes on, or was not recorded.
        """
        return await self._listen(self._heard)

    async def said(self) -> tuple[audio.Samples, int]:
        """What this phone sent, in the same time as `heard`."""
        return await self._listen(self._said)

    async def media_port(self) -> int:
        """The PBX's port that this phone sends its sound to.

        Raises:
            LabError: the call is over, or no sound was agreed on yet.
        """
        where = await self._line.ask(
            "GET", f"/channels/{self.channel}/variable", query={"variable": "CHANNEL(rtp,dest)"}
        )
        return int(where["value"].rpartition(":")[2])

    def heard_so_far(self) -> tuple[audio.Samples, int]:
        """What is on file while the call goes on: up to two seconds behind, nothing before that."""
        if not self._heard.exists():
            return audio.tone(0, 0), audio.RATE
        return audio.read_sln(self._heard)

    def happened(self, state: str) -> None:
        """Take note of a state of the channel, as ARI names it."""
        self._created.set()
        if state in ("Ringing", "Ring", "Up"):
            self._ringing.set()

    def hears_key(self, key: str) -> None:
        """Take note of a key event from the other side."""
        self.keys += key
        self._key.set()

    async def open_line(self) -> None:
        """Send sound from now on, as phones do: silence, until there is something to say."""
        await self._voice()
        self._up.set()

    def over(self, cause: int) -> None:
        """Take note of the end."""
        self.cause = cause
        self._ended.set()

    async def _voice(self) -> None:
        if self._says is None:
            await self._line.ask("POST", f"/channels/{self.channel}/silence")
        else:
            await self._play(self._says)

    async def _play(self, voice: Voice) -> None:
        # Hold music rather than a playback: a playback would hold up every other order.
        music = await self._speaks(voice)
        await self._line.ask("POST", f"/channels/{self.channel}/moh", query={"mohClass": music})

    async def _reach(self, moment: asyncio.Event, word: str, timeout: float) -> None:
        waits = [asyncio.create_task(event.wait()) for event in (moment, self._ended)]
        try:
            await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
        if moment.is_set():
            return
        if self._ended.is_set():
            raise LabError(f"{self} was not {word}: the call ended with cause {self.cause}.")
        raise LabError(f"{self} was not {word} within {timeout:g} s.")

    async def _listen(self, path: Path) -> tuple[audio.Samples, int]:
        await self.ended()
        # Asterisk closes the file in a thread of its own, after it has reported the end.
        try:
            async with asyncio.timeout(PATIENCE):
                while self._writes(path):  # noqa: ASYNC110 - another process closes it
                    await asyncio.sleep(FILE_POLL)
        except TimeoutError:
            raise LabError(f"{self}: Asterisk still writes {path} {PATIENCE:g} s after the end.") from None
        try:
            return audio.read_sln(path)
        except FileNotFoundError:
            raise LabError(f"{self} has no recording {path}: was it called with record=False?") from None

    def _writes(self, path: Path) -> bool:
        """Whether the world's Asterisk has the file open."""
        for entry in Path(f"/proc/{self._pid()}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                if entry.readlink() == path:
                    return True
        return False

    def __str__(self) -> str:
        return f"Phone {self.name} ({self.channel})"
