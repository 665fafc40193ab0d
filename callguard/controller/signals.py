"""What agents see and parties hear of the recorder of one call: lamps, and the warning tone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from callguard.controller.aside import Asides
from callguard.controller.cadence import Cadence, Sounded
from callguard.controller.desk import Lamp
from callguard.controller.tones import Sounds


class Screens(Protocol):
    """What signals need of the floor."""

    asides: Asides
    sounds: Sounds | None

    def shows(self, call: str, agents: Iterable[str], lamp: Lamp) -> None:
        """Show on these agents' telephones what the recorder of a call does."""


class Signals:
    """The lamp and the tone of one call.

    Args:
        screens: where they are shown and sounded.
        call: its id.
        channel: the customer's.
        here: the telephones of ours that are on the call now.
        toned: is told of each tone that was heard.
        missed: is told why one was not.
    """

    def __init__(
        self,
        screens: Screens,
        call: str,
        channel: str,
        *,
        here: Callable[[], frozenset[str]],
        toned: Callable[[Sounded], None],
        missed: Callable[[str], None],
    ) -> None:
        self._screens, self._call, self._channel = screens, call, channel
        self._here, self._toned, self._missed = here, toned, missed
        self.lamp = Lamp.OFF
        self.tone: float | None = None  #: seconds from one warning tone to the next; None: none sounds
        self._lit: frozenset[str] = frozenset()  #: agents whose lamps show this call
        self._cadence: Cadence | None = None

    def turn(self, lamp: Lamp) -> None:
        """The recorder does this now."""
        self.lamp = lamp
        self.light()
        if lamp is Lamp.RECORDING:
            self._sound()

    def light(self) -> None:
        """Show what the recorder does to those who are on the call, and to nobody who has left it."""
        here = self._here()
        self._screens.shows(self._call, self._lit - here, Lamp.OFF)
        self._screens.shows(self._call, here, self.lamp)
        self._lit = here

    def dark(self) -> None:
        """The call is over: no lamp, no tone."""
        self.quiet()
        self._screens.shows(self._call, self._lit, Lamp.OFF)

    def quiet(self) -> None:
        """No tone until the recorder is turned on again."""
        if self._cadence is not None:
            self._cadence.hold()

    def _sound(self) -> None:
        sounds = self._screens.sounds
        if sounds is None or self.tone is None:
            return
        if self._cadence is None:
            self._cadence = Cadence(
                self._screens.asides,
                self._channel,
                sounds.every(self.tone),
                told=self._toned,
                missed=self._missed,
            )
        self._cadence.sound()
