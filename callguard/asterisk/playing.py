"""Which channels are listening to a playback of ours just now.

While a playback runs on a channel, Asterisk makes requests that need the channel itself (set a variable, go
on in the dialplan, answer) wait until it ends, and over the websocket everything behind them waits as well.
"""

from __future__ import annotations


class Playing:
    """Playbacks that began and are not known to have ended."""

    def __init__(self) -> None:
        self._channels: dict[str, str] = {}
        self._latest: dict[str, str] = {}

    def began(self, playback: str, channel: str) -> None:
        """A playback was ordered, or was seen to start."""
        if playback and channel:
            self._channels[playback] = channel
            self._latest[channel] = playback

    def ended(self, playback: str) -> None:
        """A playback finished, was stopped or never started."""
        channel = self._channels.pop(playback, None)
        if channel is not None and self._latest.get(channel) == playback:
            del self._latest[channel]

    def gone(self, channel: str) -> None:
        """A channel has ended, and with it whatever it listened to."""
        playback = self._latest.pop(channel, None)
        if playback is not None:
            self._channels.pop(playback, None)

    def on(self, channel: str) -> bool:
        """Whether this channel is listening to a playback."""
        return channel in self._latest
