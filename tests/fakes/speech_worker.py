"""``python -m fakes.speech_worker``: a worker that misbehaves as the first byte of the samples says."""

from __future__ import annotations

import json
import os
import sys
import time

from callguard.speech.workers import HEADER

FINE, DIES, HANGS, TALKS, HALF = range(5)


def main() -> None:
    if sys.argv[1:] == ["broken"]:
        print("no such model; install callguard[speech]")
        return
    print("ready", flush=True)
    while header := sys.stdin.buffer.read(HEADER.size):
        rate, length = HEADER.unpack(header)
        pcm = sys.stdin.buffer.read(length)
        match pcm[0]:
            case 1:
                os._exit(3)
            case 2:
                time.sleep(600)
            case 3:
                print("hello")
            case 4:
                print(json.dumps({"kind": "phrase"}))
            case _:
                print(json.dumps({"kind": "phrase", "confidence": 1.0, "words": f"{rate} {length}"}))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
