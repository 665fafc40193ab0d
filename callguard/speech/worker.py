"""``python -m callguard.speech.worker``: recognises what comes on standard input. Started by `Workers`.

It dumps no core, so that speech does not get onto a disk that way, overwrites what it read, and yields to
calls (nice 5).
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import resource
import sys

from callguard.speech.errors import SpeechError
from callguard.speech.workers import HEADER

#: Seconds of silence that are recognised before the first answer, so that nothing is loaded during it.
WARM_UP = 0.5


def main() -> None:
    """Serve until standard input ends."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(5)
    try:
        from callguard.speech.english.listening import Ears
        from callguard.speech.english.weighing import weigh

        ears = Ears()
    except ImportError as error:
        _tell(f"{error}; install callguard[speech]")
        return
    except SpeechError as error:
        _tell(str(error))
        return
    for rate in (8000, 16000):
        ears.listen(bytes(round(WARM_UP * rate) * 2), rate)
    # Unbuffered, so that speech is in this process once and can be overwritten.
    given = io.FileIO(sys.stdin.fileno(), closefd=False)
    _tell("ready")
    while (header := _exactly(given, HEADER.size)) is not None:
        rate, length = HEADER.unpack(header)
        pcm = _exactly(given, length)
        if pcm is None:
            return
        evidence = ears.listen(pcm, rate)
        pcm[:] = bytes(length)
        _tell(json.dumps(dataclasses.asdict(weigh(evidence))))


def _exactly(given: io.FileIO, count: int) -> bytearray | None:
    """So many bytes, or nothing when the other side has gone."""
    whole = bytearray(count)
    left = memoryview(whole)
    while left:
        read = given.readinto(left)
        if not read:
            return None
        left = left[read:]
    return whole


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
