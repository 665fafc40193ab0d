"""What a controller has to know of the others that serve the same PBX."""

from __future__ import annotations

from typing import Protocol


class Peers(Protocol):
    """The other controllers."""

    @property
    def shared(self) -> bool:
        """Whether there may be others at all."""

    @property
    def alone(self) -> bool:
        """Whether nobody else is there now to take calls."""

    @property
    def speaks(self) -> bool:
        """Whether it is up to us to write down what happens on calls that are nobody's."""

    @property
    def taken_over(self) -> tuple[str, ...]:
        """Whose calls are ours when we start, by the names of ledger and spool."""

    async def take_up_no_more(self) -> None:
        """We are leaving: what is left behind from now on is for the others."""


class Nobody:
    """There is one controller."""

    shared = False
    alone = True
    speaks = True
    taken_over: tuple[str, ...] = ()

    async def take_up_no_more(self) -> None:
        """Nobody is left behind by anybody."""
