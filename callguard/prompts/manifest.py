"""The manifest of a prompt directory: which file says what, and how it came to be."""

from __future__ import annotations

import json
import os
import tempfile
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from callguard.errors import PromptError

NAME = "manifest.json"
_STRICT = ConfigDict(extra="forbid", frozen=True)


class Audio(BaseModel):
    """One file of a prompt."""

    model_config = _STRICT

    file: str = Field(
        pattern=r"^[0-9a-f]{32}\.wav(16)?$"
    )  #: the first half of the hash of its 8 kHz audio, and how Asterisk reads it
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    seconds: float = Field(gt=0)


class Entry(BaseModel):
    """One prompt: these words, in this language, for these facts."""

    model_config = _STRICT

    name: str
    language: str
    variant: tuple[str, ...]  #: the facts that are spoken in it
    facts_sha256: str  #: of name, language and variant: one short name for them
    text: str
    source: str  #: who speaks: version, voice and speed of the synthesiser, or the hash of the studio's file
    audio: Audio
    wideband: Audio | None = None

    @property
    def key(self) -> tuple[str, str, tuple[str, ...]]:
        """What a call asks for."""
        return (self.name, self.language, self.variant)


class Manifest(BaseModel):
    """All prompts of a directory."""

    model_config = _STRICT

    schema_version: int = Field(default=1, ge=1, le=1)
    built: str  #: UTC, ISO 8601
    prompts: tuple[Entry, ...]


def facts_hash(name: str, language: str, variant: tuple[str, ...]) -> str:
    """The hash that names one variant of a prompt, in full."""
    return sha256(json.dumps([name, language, *variant], ensure_ascii=True).encode()).hexdigest()


def read_manifest(directory: Path) -> Manifest:
    """The manifest of this directory.

    Raises:
        PromptError: there is none, or it is not what `prompts build` writes.
    """
    path = directory / NAME
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise PromptError(f"{path}: there are no prompts here yet; run `callguard prompts build`") from error
    except OSError as error:
        raise PromptError(f"{path}: cannot be read ({error.strerror}); check owner and mode") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(word) for word in first["loc"]) or "file"
        raise PromptError(
            f"{path}: is damaged at {place} ({first['msg']}); run `callguard prompts build` to write it anew"
        ) from error


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Replace the manifest in one step, so that a reader sees the old one or the new one."""
    write_file(directory / NAME, manifest.model_dump_json(indent=1).encode() + b"\n")


def write_file(path: Path, content: bytes) -> None:
    """Write durably and in one step; readable by the account that Asterisk runs under.

    Raises:
        PromptError: the directory is not writable or the disk is full.
    """
    try:
        handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                os.fchmod(stream.fileno(), 0o644)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise PromptError(
            f"{path}: cannot be written ({error.strerror}); check owner, mode and free space"
        ) from error
