"""Whether callers may answer by voice, who recognises it, and from when on an answer is clear."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from callguard.config.forms import FilePath, Language, Misplaced, Name, Words, form
from callguard.config.section import Secret, Section

#: The engine that comes with callguard.
POCKETSPHINX = "pocketsphinx"
#: Where its thresholds come from.
_CHOSEN = (
    "generated corpus, 2026-11, each voice left out in turn: 10 of 5,133 were wrongly above, "
    "8 of these one short word"
)

#: Confidence from which on an answer counts. Above 1 it never does.
Threshold = Annotated[float, Field(ge=0, le=1.01)]
RecogniserUrl = Annotated[
    str,
    form(
        r"wss?://[^\s/@?#]+(/[^\s#]*)?|grpcs?://([^\s/@?#:\[\]]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}",
        "is no address of a recogniser; write ws://HOST:PORT or grpc://HOST:PORT (wss and grpcs encrypt), "
        "without user and password in it",
    ),
]
#: What only one of the two kinds of servers has.
_OF_WEBSOCKETS = ("start", "end", "text", "words", "confidence")
_OF_GRPC = ("protocol", "model", "codes")


class Listening(Section):
    """How one language is understood."""

    engine: Name = POCKETSPHINX
    phrase: Threshold = 0.75
    half: Threshold = 0.85
    bare: Threshold = 0.75
    no: Threshold = 0.5
    chosen: Words = _CHOSEN


class SpeechServer(Section):
    """A recogniser on the network, behind a websocket or gRPC."""

    url: RecogniserUrl
    start: str = '{"config": {"sample_rate": {rate}, "words": true}}'
    end: str = '{"eof" : 1}'
    text: Words = "text"
    words: Words = "result"
    confidence: Words = "conf"
    protocol: Literal["vosk", "riva"] = "vosk"
    model: Words | None = None
    codes: dict[Language, Words] = Field(default_factory=dict)
    authorization: Secret | None = None

    @property
    def grpc(self) -> bool:
        """Whether it is asked over gRPC."""
        return self.url.startswith("grpc")

    @model_validator(mode="after")
    def _fields_go_with_the_url(self) -> SpeechServer:
        strange, what, other = (
            (_OF_WEBSOCKETS, "a websocket", "ws://") if self.grpc else (_OF_GRPC, "gRPC", "grpc://")
        )
        for name in strange:
            default = type(self).model_fields[name].get_default(call_default_factory=True)
            if getattr(self, name) != default:
                raise Misplaced(f"is for {what} only; leave it out, or write {other} in url", (name,))
        return self


class Speech(Section):
    """Spoken answers. Times in seconds."""

    enabled: bool = False
    require_check: bool = True
    checks: FilePath = Path("/var/lib/callguard/speech")
    workers: Annotated[int, Field(ge=1, le=32)] = 2
    pause_seconds: Annotated[float, Field(ge=0.3, le=2)] = 0.6
    interrupt_announcement: bool = False
    patience_seconds: Annotated[float, Field(ge=0.5, le=10)] = 5.0
    languages: dict[Language, Listening] = Field(default_factory=lambda: {"en": Listening()})
    servers: dict[Name, SpeechServer] = Field(default_factory=dict)

    @field_validator("servers")
    @classmethod
    def _names_are_free(cls, servers: dict[str, SpeechServer]) -> dict[str, SpeechServer]:
        if POCKETSPHINX in servers:
            raise ValueError(
                f"{POCKETSPHINX} is the engine that comes with callguard; name the server otherwise"
            )
        return servers

    @model_validator(mode="after")
    def _engines_exist(self) -> Speech:
        for language, listening in self.languages.items():
            if listening.engine == POCKETSPHINX:
                if language.partition("-")[0] != "en":
                    raise Misplaced(
                        f"{POCKETSPHINX} understands English only; name a server of speech.servers, or leave "
                        f"{language} out: its callers are then offered keys only",
                        ("languages", language),
                    )
            elif listening.engine not in self.servers:
                raise Misplaced(
                    f"there is no '{listening.engine}' under speech.servers; write there where it is",
                    ("languages", language, "engine"),
                )
        return self
