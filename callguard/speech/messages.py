"""What Vosk and Riva say over gRPC: the few of their messages, and of the fields in them, that are needed.

Described here rather than generated: a message is known by the numbers of its fields, and protobuf passes
over those that nobody described. An enumeration is an int32 on the wire, and so it is one here.

Load this with `protobuf` installed only (the extra `grpc`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

#: Samples of 16 bits, little-endian; it is 1 in both services.
LINEAR_PCM = 1
#: A field: its number, and its kind; one that is no scalar is a message, and in brackets there are many.
Fields = Mapping[str, tuple[int, str]]

_SCALARS = {
    kind: getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{kind.upper()}")
    for kind in ("bool", "bytes", "float", "int32", "int64", "string")
}
_VOSK: Mapping[str, Fields] = {
    "StreamingRecognitionRequest": {"config": (1, "RecognitionConfig"), "audio_content": (2, "bytes")},
    "RecognitionConfig": {"specification": (1, "RecognitionSpec")},
    "RecognitionSpec": {
        "audio_encoding": (1, "int32"),
        "sample_rate_hertz": (2, "int64"),
        "language_code": (3, "string"),
        "model": (5, "string"),
        "enable_word_time_offsets": (12, "bool"),
    },
    "StreamingRecognitionResponse": {"chunks": (1, "[SpeechRecognitionChunk]")},
    "SpeechRecognitionChunk": {
        "alternatives": (1, "[SpeechRecognitionAlternative]"),
        "final": (2, "bool"),
    },
    "SpeechRecognitionAlternative": {"text": (1, "string"), "words": (3, "[WordInfo]")},
    "WordInfo": {"confidence": (4, "float")},
}
_RIVA: Mapping[str, Fields] = {
    "StreamingRecognizeRequest": {
        "streaming_config": (1, "StreamingRecognitionConfig"),
        "audio_content": (2, "bytes"),
    },
    "StreamingRecognitionConfig": {"config": (1, "RecognitionConfig")},
    "RecognitionConfig": {
        "encoding": (1, "int32"),
        "sample_rate_hertz": (2, "int32"),
        "language_code": (3, "string"),
        "max_alternatives": (4, "int32"),
        "audio_channel_count": (7, "int32"),
        "enable_word_time_offsets": (8, "bool"),
        "model": (13, "string"),
        "verbatim_transcripts": (14, "bool"),
    },
    "StreamingRecognizeResponse": {"results": (1, "[StreamingRecognitionResult]")},
    "StreamingRecognitionResult": {
        "alternatives": (1, "[SpeechRecognitionAlternative]"),
        "is_final": (2, "bool"),
    },
    "SpeechRecognitionAlternative": {
        "transcript": (1, "string"),
        "confidence": (2, "float"),
        "words": (3, "[WordInfo]"),
    },
    "WordInfo": {"confidence": (4, "float")},
}


@dataclass(frozen=True, slots=True)
class Certain:
    """Words that will not change any more; none at all may be what was certain."""

    text: str
    #: Of each word, or of all together; 0 is what a server sends that knows none.
    confidences: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one service is spoken to, in bytes."""

    method: str  #: the path of the call
    begin: Callable[[int, str, str], bytes]  #: the first message: samples per second, language, model or ""
    audio: Callable[[bytes], bytes]  #: one with samples
    certain: Callable[[bytes], Iterator[Certain]]  #: what an answer says; ValueError: it says nothing
    #: Whether it says something certain, if only nothing, after the last audio.
    always_ends_with_words: bool
    #: The service's own codes of languages, where they are not the site's.
    codes: Mapping[str, str] = field(default_factory=dict)


def dialects() -> dict[str, Dialect]:
    """All services that are known, by their names in the configuration."""
    return {"vosk": _vosk(), "riva": _riva()}


def _vosk() -> Dialect:
    known = _classes("vosk.stt.v1", _VOSK)
    request, response = known["StreamingRecognitionRequest"], known["StreamingRecognitionResponse"]

    def begin(rate: int, language: str, model: str) -> bytes:
        spec = {
            "audio_encoding": LINEAR_PCM,
            "sample_rate_hertz": rate,
            "language_code": language,
            "model": model,
            # Without it there are no words, and the server makes up that it is sure.
            "enable_word_time_offsets": True,
        }
        return bytes(request(config={"specification": spec}).SerializeToString())

    def certain(raw: bytes) -> Iterator[Certain]:
        for chunk in _parsed(response, raw).chunks:
            if chunk.final and chunk.alternatives:
                best = chunk.alternatives[0]
                # The confidence of the whole is their mean, or 1 where there are none: of no use.
                yield Certain(best.text, tuple(word.confidence for word in best.words))

    return Dialect(
        method="/vosk.stt.v1.SttService/StreamingRecognize",
        begin=begin,
        audio=lambda pcm: bytes(request(audio_content=pcm).SerializeToString()),
        certain=certain,
        always_ends_with_words=True,
    )


def _riva() -> Dialect:
    known = _classes("nvidia.riva.asr", _RIVA)
    request, response = known["StreamingRecognizeRequest"], known["StreamingRecognizeResponse"]

    def begin(rate: int, language: str, model: str) -> bytes:
        config = {
            "encoding": LINEAR_PCM,
            "sample_rate_hertz": rate,
            "language_code": language,
            "max_alternatives": 1,
            "audio_channel_count": 1,
            "enable_word_time_offsets": True,
            "model": model,
            "verbatim_transcripts": True,  # "one" as it was said, not "1"
        }
        return bytes(request(streaming_config={"config": config}).SerializeToString())

    def certain(raw: bytes) -> Iterator[Certain]:
        for result in _parsed(response, raw).results:
            if result.is_final and result.alternatives:
                best = result.alternatives[0]
                words = tuple(word.confidence for word in best.words)
                yield Certain(best.transcript, words if any(words) else (best.confidence,))

    return Dialect(
        method="/nvidia.riva.asr.RivaSpeechRecognition/StreamingRecognize",
        begin=begin,
        audio=lambda pcm: bytes(request(audio_content=pcm).SerializeToString()),
        certain=certain,
        always_ends_with_words=False,
        codes={
            "de": "de-DE",
            "en": "en-US",
            "es": "es-US",
            "fr": "fr-FR",
            "it": "it-IT",
            "nl": "nl-NL",
            "pt": "pt-BR",
        },
    )


def _parsed(kind: Any, raw: bytes) -> Any:
    try:
        return kind.FromString(raw)
    except DecodeError as error:
        raise ValueError("an answer that is no message of its protocol") from error


def _classes(package: str, messages: Mapping[str, Fields]) -> dict[str, Any]:
    # A pool of its own: a program that has the services' generated code as well must not collide with this.
    pool = descriptor_pool.DescriptorPool()
    file = descriptor_pb2.FileDescriptorProto(
        name=f"callguard/{package}.proto", package=package, syntax="proto3"
    )
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for own, (number, written) in fields.items():
            each = message.field.add(name=own, number=number)
            kind = written.strip("[]")
            each.label = each.LABEL_OPTIONAL if written == kind else each.LABEL_REPEATED
            if kind in _SCALARS:
                each.type = _SCALARS[kind]
            else:
                each.type, each.type_name = each.TYPE_MESSAGE, f".{package}.{kind}"
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
        for name in messages
    }
