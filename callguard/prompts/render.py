"""Words to audio: espeak-ng speaks them unless a studio has, and either is brought to one form."""

from __future__ import annotations

import io
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from callguard.errors import PromptError
from callguard.prompts.measure import HIGHEST_PEAK, LEVEL, SILENCE_AFTER, SILENCE_BEFORE, read
from callguard.prompts.sound import Samples, framed, levelled, resampled

_WORDS_PER_MINUTE = 150  # espeak-ng's own 175 is hard to follow over a telephone
_DEADLINE = 30.0  # seconds; a prompt takes about 50 ms


@dataclass(frozen=True)
class Espeak:
    """The speech synthesiser espeak-ng, as a program that is started once per prompt."""

    program: str = "espeak-ng"
    deadline: float = _DEADLINE  #: seconds
    words_per_minute: int = _WORDS_PER_MINUTE

    @cached_property
    def version(self) -> str:
        """Its version, for the manifest ("espeak-ng 1.51").

        Raises:
            PromptError: it is not installed or does not answer.
        """
        # "eSpeak NG text-to-speech: 1.51  Data at: /usr/lib/..."
        answer = self._run(["--version"], "")
        return f"espeak-ng {answer.partition(':')[2].split()[0]}" if ":" in answer else "espeak-ng"

    def speak(self, text: str, voice: str) -> tuple[Samples, int]:
        """The spoken text as samples and their rate.

        Raises:
            PromptError: espeak-ng is missing, has no such voice, failed or took too long.
        """
        with tempfile.TemporaryDirectory(prefix="callguard-prompt-") as directory:
            path = Path(directory) / "spoken.wav"
            speed = str(self.words_per_minute)
            self._run(["-b", "1", "-s", speed, "-v", voice, "-w", str(path), "--stdin"], text)
            try:
                samples, rate, _, _ = read(path)
            except (OSError, ValueError) as error:
                raise PromptError(
                    f"espeak-ng with voice {voice!r} wrote no audio ({error}); "
                    f"`espeak-ng --voices` lists the voices there are"
                ) from error
        return samples, rate

    def _run(self, arguments: list[str], text: str) -> str:
        try:
            done = subprocess.run(
                [self.program, *arguments],
                input=text.encode(),
                capture_output=True,
                timeout=self.deadline,
                check=False,
            )
        except FileNotFoundError as error:
            raise PromptError(f"{self.program} is not installed; run `apt install espeak-ng`") from error
        except OSError as error:
            raise PromptError(
                f"{self.program} cannot be started ({error.strerror}); check its mode"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise PromptError(
                f"{self.program} did not finish within {self.deadline:g} s; is this machine overloaded?"
            ) from error
        said = done.stderr.decode(errors="replace").strip()
        if done.returncode != 0 or "does not exist" in said:
            raise PromptError(f"{self.program} failed with status {done.returncode}: {said or 'no message'}")
        return done.stdout.decode(errors="replace")


def prompt_wav(samples: Samples, rate: int, wanted: int) -> bytes:
    """A WAV file as Asterisk plays it: mono, 16 bit, levelled, with a short silence around the speech."""
    import numpy as np
    import soundfile

    # Cut at the source's own rate, so that the narrow and the wide file of a prompt last equally long.
    cut = framed(samples, rate, SILENCE_BEFORE, SILENCE_AFTER)
    ready = levelled(resampled(cut, rate, wanted), wanted, LEVEL, HIGHEST_PEAK)
    file = io.BytesIO()
    soundfile.write(file, np.rint(ready * 32767).astype(np.int16), wanted, format="WAV", subtype="PCM_16")
    return file.getvalue()
