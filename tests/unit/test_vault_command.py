"""`callguard vault` and `callguard audit`, as they are typed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from callguard.cli import callguard
from callguard.config import load
from callguard.controller.keeping import vault_of
from callguard.ledger import Entry, Kind, open_ledger
from callguard.ledger.bodies import Access, Capture, Retention
from callguard.vault import RecordingKey, Vault
from fakes.sealing import CALL, NAME

RATE = 8000


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(
        f"""\
site: {{name: Acme, country: US}}
asterisk:
  ari: {{password: x}}
  ami: {{password: x}}
queues:
  sales: {{}}
ledger:
  url: sqlite:///{tmp_path}/ledger.db
vault:
  directory: {tmp_path}/vault
  keys: {tmp_path}/keys
  key:
    file: {tmp_path}/site.key
"""
    )
    assert run(path, "vault", "new-key").exit_code == 0
    return path


def run(site: Path, *words: str) -> Result:
    return CliRunner().invoke(callguard, [*words, "--config", str(site)])


def told(result: Result) -> Any:
    return json.loads(result.stdout)


def talk(seconds: float) -> np.ndarray:
    said = np.random.default_rng(1).normal(0, 300, (round(seconds * RATE), 2)).astype(np.int16)
    said[said == 0] = 1
    return said


def record(site: Path, said: np.ndarray, name: str = NAME) -> Vault:
    vault = vault_of(load(site))
    vault.prepare()
    writing = vault.begin(
        name, {"purpose": "quality", "until": "2027-01-31"}, b"", [], RecordingKey.generate().raw
    )
    for at in range(0, len(said), 5 * RATE):
        writing.seal(said[at : at + 5 * RATE].tobytes())
    writing.finish()
    return vault


def write_down(site: Path, *bodies: Capture) -> None:
    async def write() -> None:
        ledger = await open_ledger(load(site).ledger.url)
        for body in bodies:
            await ledger.append(Entry.now(body, CALL))
        await ledger.close()

    asyncio.run(write())


def entries(site: Path, kind: Kind) -> list[Any]:
    async def read() -> list[Any]:
        ledger = await open_ledger(load(site).ledger.url)
        found = await ledger.entries(kinds=(kind,))
        await ledger.close()
        return [entry.body for entry in found]

    return asyncio.run(read())


def test_a_recording_is_listed_and_shown(site: Path) -> None:
    record(site, talk(12))
    (row,) = told(run(site, "vault", "list", "--json"))
    assert row["recording"] == NAME and row["seconds"] == 12.0 and row["state"] == "finished"
    assert "quality" in run(site, "vault", "list").stdout
    (shown,) = told(run(site, "vault", "show", CALL, "--json"))
    assert shown["until"] == "2027-01-31" and shown["samples"] == 12 * RATE and shown["sha256"]
    assert NAME in run(site, "vault", "show", CALL).stdout


def test_an_export_is_in_the_ledger_with_the_hash_of_the_file(site: Path, tmp_path: Path) -> None:
    said = talk(6)
    record(site, said)
    out = tmp_path / "call.flac"
    words = (
        "vault",
        "export",
        CALL,
        "--format",
        "flac",
        "-o",
        str(out),
        "--purpose",
        "complaint 12",
        "--by",
        "dpo",
    )
    done = told(run(site, *words, "--json"))
    assert np.array_equal(soundfile.read(out, dtype="int16")[0], said)
    (entry,) = entries(site, Kind.EXPORT)
    assert isinstance(entry, Access) and entry.sha256 == done["sha256"]
    assert (entry.who, entry.purpose, entry.recording) == ("dpo", "complaint 12", CALL)


def test_without_a_ledger_nothing_leaves_the_vault(site: Path, tmp_path: Path) -> None:
    record(site, talk(1))
    (tmp_path / "ledger.db").mkdir()
    out = tmp_path / "out.wav"
    result = run(site, "vault", "export", CALL, "-o", str(out), "--purpose", "x")
    assert result.exit_code != 0 and not out.exists()


def test_verify_names_what_was_changed(site: Path) -> None:
    vault = record(site, talk(12))
    assert "1 recordings: 1 are as they were sealed" in run(site, "vault", "verify").stdout
    block = vault.open(NAME).directory / "00000002.block"
    block.write_bytes(block.read_bytes()[:-1] + b"!")
    result = run(site, "vault", "verify", "--json")
    assert result.exit_code == 1 and "00000002.block" in told(result)["recordings"][0]["findings"][0]


def test_the_site_key_is_changed_by_two_lines_and_one_command(site: Path, tmp_path: Path) -> None:
    record(site, talk(1))
    text = site.read_text().replace("site.key", "new.key") + f"  former_keys: [{tmp_path}/site.key]\n"
    site.write_text(text)
    assert run(site, "vault", "new-key").exit_code == 0
    assert told(run(site, "vault", "rekey", "--json")) == {"ok": True, "changed": 1, "refused": []}
    site.write_text(text.replace(f"  former_keys: [{tmp_path}/site.key]\n", ""))
    assert run(site, "vault", "verify").exit_code == 0


def test_destroying_asks_and_leaves_the_hash_of_the_certificate_in_the_ledger(site: Path) -> None:
    vault = record(site, talk(1))
    words = ("vault", "destroy", CALL, "--reason", "erasure request", "--by", "dpo")
    assert CliRunner().invoke(callguard, [*words, "--config", str(site)], input="n\n").exit_code == 1
    assert not vault.is_destroyed(NAME)
    (done,) = told(run(site, *words, "--yes", "--json"))
    (entry,) = entries(site, Kind.RETENTION)
    assert isinstance(entry, Retention) and entry.certificate == done["certificate"]
    (row,) = told(run(site, "vault", "list", "--json"))
    assert row["state"] == "destroyed"
    (shown,) = told(run(site, "vault", "show", CALL, "--json"))
    assert shown["by"] == "dpo"


def test_an_audit_compares_with_the_ledger_and_writes_its_findings_there(site: Path) -> None:
    said = talk(30)
    said[8 * RATE : 10 * RATE] = 0
    finished = record(site, said).open(NAME).finished()
    assert finished is not None
    paused = Capture(kind=Kind.CAPTURE_CONFIRMED, recording=CALL, offset=8 * RATE, until=10 * RATE)
    stopped = Capture(kind=Kind.CAPTURE_STOPPED, recording=CALL, offset=30 * RATE, sha256=finished.sha256)
    write_down(site, paused, stopped)
    assert told(run(site, "audit", "--json")) == {"ok": True, "recordings": {NAME: []}}
    longer = Capture(kind=Kind.CAPTURE_CONFIRMED, recording=NAME, offset=8 * RATE, until=11 * RATE)
    write_down(site, longer)
    result = run(site, "audit")
    assert result.exit_code == 1 and "not silent from 10.000 s on" in result.stderr
    (fault,) = entries(site, Kind.FAULT)
    assert fault.where == f"audit of {NAME}" and "not silent" in fault.detail
    assert run(site, "audit", "--dry-run").exit_code == 1
    assert len(entries(site, Kind.FAULT)) == 1
