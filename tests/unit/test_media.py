"""Samples out of packets of RTP."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import soundfile

from callguard.asterisk.media import samples_of

#: Twenty milliseconds that reach from silence to the loudest, at 8 kHz.
SAMPLES = np.linspace(-32_000, 32_000, 160).astype("<i2")


def packet(kind: int, payload: bytes, *, first: int = 0x80, more: bytes = b"") -> bytes:
    return struct.pack("!BBHII", first, kind, 4711, 160, 7) + more + payload


def mu_law(tmp_path) -> tuple[bytes, bytes]:
    """The samples as libsndfile writes them in mu-law, and as it reads them again."""
    path = tmp_path / "samples.raw"
    soundfile.write(path, SAMPLES, 8000, subtype="ULAW", format="RAW")
    again, _ = soundfile.read(path, dtype="int16", samplerate=8000, channels=1, subtype="ULAW", format="RAW")
    return path.read_bytes(), again.astype("<i2").tobytes()


def test_linear_samples_come_in_the_order_of_the_network() -> None:
    assert samples_of(packet(118, SAMPLES.astype(">i2").tobytes())) == (4711, SAMPLES.tobytes())


@pytest.mark.parametrize("kind", [0, 0x80], ids=["plain", "marked"])
def test_mu_law_is_made_linear(kind: int, tmp_path) -> None:
    written, meant = mu_law(tmp_path)
    assert len(written) == 160
    assert samples_of(packet(kind, written)) == (4711, meant)


def test_every_code_of_mu_law_is_known(tmp_path) -> None:
    path = tmp_path / "codes.raw"
    path.write_bytes(bytes(range(256)))
    meant, _ = soundfile.read(path, dtype="int16", samplerate=8000, channels=1, subtype="ULAW", format="RAW")
    assert samples_of(packet(0, bytes(range(256)))) == (4711, meant.astype("<i2").tobytes())


def test_what_stands_before_and_behind_the_samples_is_left_out() -> None:
    sound = SAMPLES.astype(">i2").tobytes()
    told = struct.pack("!2I", 1, 2) + struct.pack("!HHI", 0xBEDE, 1, 9)
    # Two contributing sources, an extension, and four bytes of padding.
    assert samples_of(packet(118, sound + b"\0\0\0\4", first=0xB2, more=told)) == (4711, SAMPLES.tobytes())


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"\x80\0\0\0",
        packet(118, b""),
        packet(118, b"odd"),
        packet(0, b"", first=0x90),
        b"\x40" + b"\0" * 40,
    ],
    ids=["nothing", "cut", "empty", "odd", "extension cut off", "another version"],
)
def test_what_is_no_packet_of_samples_is_none(wrong: bytes) -> None:
    assert samples_of(wrong) is None
