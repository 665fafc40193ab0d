"""The one switch that stops all recording on the PBX, and stays off until somebody puts it on again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from callguard.errors import RecordingError


@dataclass(slots=True)
class Switch:
    """A file that is there while recording is stopped, so that a restart does not turn it on again."""

    directory: Path

    @property
    def path(self) -> Path:
        """The file; its text is who stopped the recording."""
        return self.directory / "recording-off"

    @property
    def off(self) -> bool:
        """Whether recording is stopped."""
        return self.path.exists()

    def turn_off(self, by: str) -> None:
        """Stop recording from now on; durable when this returns.

        Raises:
            RecordingError: the file cannot be written.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
            try:
                os.write(handle, by.encode())
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise RecordingError(
                f"{self.path}: cannot be written ({error.strerror}); recording stops now, but a restart "
                "would start it again: mend the directory, then stop it once more"
            ) from error

    def turn_on(self) -> None:
        """Let recording start again.

        Raises:
            RecordingError: the file cannot be removed.
        """
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise RecordingError(f"{self.path}: cannot be removed ({error.strerror}); remove it") from error
