"""`callguard vault` and `callguard audit`, as they are typed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result
from prometheus_client.parser import text_string_to_metric_families

from callguard.cli import callguard
from callguard.config import load
from callguard.consent.words import Form, Outcome
from callguard.controller.keeping import vault_of
from callguard.ledger import Entry, Kind, open_ledger
from callguard.ledger.bodies import Access, AnyBody, Capture, Consent, Retention
from callguard.vault import Finished, Mark, RecordingKey, Vault, VaultError
from callguard.vault.audit import KINDS
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


def record(site: Path, said: np.ndarray, name: str = NAME, *, marks: Sequence[Mark] = ()) -> Vault:
    vault = vault_of(load(site))
    vault.prepare()
    writing = vault.begin(
        name, {"purpose": "quality", "until": "2027-01-31"}, b"", [], RecordingKey.generate().raw
    )
    for at in range(0, len(said), 5 * RATE):
        writing.seal(said[at : at + 5 * RATE].tobytes())
    writing.finish(marks)
    return vault


def write_down(site: Path, *bodies: AnyBody, at: datetime | None = None) -> None:
    async def write() -> None:
        ledger = await open_ledger(load(site).ledger.url)
        for body in bodies:
            entry = Entry.now(body, CALL)
            await ledger.append(replace(entry, utc=at) if at else entry)
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
    assert f"{NAME} " in run(site, "vault", "list").stdout
    (shown,) = told(run(site, "vault", "show", CALL, "--json"))
    assert shown["until"] == "2027-01-31" and shown["samples"] == 12 * RATE and shown["sha256"]
    vault = record(site, talk(1), f"{CALL}-2", marks=[Mark(serial=1, kind="erased", start=0, end=4000)])
    result = run(site, "vault", "show", CALL)
    assert result.exit_code == 0
    assert [line for line in result.stdout.splitlines() if not line.startswith(" ")] == [NAME, f"{CALL}-2"]
    assert "      0.000 s to 0.500 s  erased\n" in result.stdout
    vault.shred(f"{CALL}-2", by="dpo", reason="a request")
    assert "  reason: a request\n" in run(site, "vault", "show", CALL).stdout


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


def consent() -> Consent:
    """What a recording stands on."""
    return Consent(
        number=1,
        party="caller",
        outcome=Outcome.GRANTED,
        form=Form.EXPLICIT,
        queue="sales",
        jurisdictions=("US-CA",),
        rule="all-party",
        table="1",
    )


def paused(site: Path, *, marked: bool = True) -> Finished:
    """A recording of 30 s that was paused from 8 s to 10 s."""
    said = talk(30)
    said[8 * RATE : 10 * RATE] = 0
    marks = [Mark(serial=1, kind="pause", start=8 * RATE, end=10 * RATE)] if marked else []
    finished = record(site, said, marks=marks).open(NAME).finished()
    assert finished is not None
    return finished


def in_the_ledger(finished: Finished, *, until: int = 10) -> tuple[AnyBody, ...]:
    """What the ledger has of it, when all is well."""
    pause = Capture(kind=Kind.CAPTURE_VERIFIED, recording=CALL, offset=8 * RATE, until=until * RATE)
    # Several pauses may lie in each other.
    again = Capture(kind=Kind.CAPTURE_ERASED, recording=CALL, offset=9 * RATE, until=10 * RATE)
    sealed = Capture(
        kind=Kind.CAPTURE_STOPPED, recording=NAME, offset=finished.samples, sha256=finished.sha256
    )
    return consent(), pause, again, sealed


def audited(site: Path, *words: str) -> tuple[int, dict[str, list[str]]]:
    result = run(site, "audit", "--json", *words)
    return result.exit_code, told(result)["recordings"]


def test_an_audit_compares_with_the_ledger_and_writes_its_findings_there(site: Path) -> None:
    finished = paused(site)
    write_down(site, *in_the_ledger(finished))
    assert audited(site) == (0, {NAME: []})
    longer = Capture(kind=Kind.CAPTURE_VERIFIED, recording=NAME, offset=8 * RATE, until=11 * RATE)
    write_down(site, longer)
    result = run(site, "audit")
    assert result.exit_code == 1 and "not silent from 10.000 s on" in result.stderr
    faults = entries(site, Kind.FAULT)
    assert {fault.where for fault in faults} == {f"audit of {NAME}"}
    assert "the ledger has a pause or an erasure from 10.00 s to 11.00 s" in faults[-1].detail
    assert run(site, "audit", "--dry-run").exit_code == 1
    assert len(entries(site, Kind.FAULT)) == len(faults) == 2


def test_an_audit_finds_a_silence_that_the_ledger_does_not_know(site: Path) -> None:
    finished = paused(site)
    first, _, _, last = in_the_ledger(finished)
    write_down(site, first, last)
    status, found = audited(site)
    assert status == 1
    assert found == {
        NAME: ["the index has a pause or an erasure from 8.00 s to 10.00 s, and the ledger has none"]
    }


def test_an_audit_finds_a_recording_without_consent_and_one_that_is_gone(site: Path) -> None:
    finished = paused(site)
    _, *rest = in_the_ledger(finished)
    gone = Capture(kind=Kind.CAPTURE_STOPPED, recording=f"{CALL}-2", offset=RATE, sha256="ab" * 32)
    write_down(site, *rest, gone)
    status, found = audited(site)
    assert status == 1
    assert found[NAME] == ["the ledger has no consent that it stands on"]
    assert found[f"{CALL}-2"] == ["the ledger has its hash, and the vault does not have the recording"]


def test_an_audit_knows_destroyed_recordings_by_their_certificates(site: Path) -> None:
    finished = paused(site)
    write_down(site, *in_the_ledger(finished))
    words = ("vault", "destroy", CALL, "--reason", "erasure request", "--yes")
    assert run(site, *words).exit_code == 0
    assert audited(site) == (0, {NAME: []})
    vault = vault_of(load(site))
    path = next(vault.recordings.rglob("certificate.json"))
    path.write_text(path.read_text().replace("erasure request", "something else"))
    assert audited(site)[1] == {NAME: ["was destroyed, and the ledger has no such certificate"]}


def test_an_audit_measures_a_recording_by_the_clock_of_the_ledger(site: Path) -> None:
    finished = paused(site)
    began = Capture(kind=Kind.CAPTURE_STARTED, number=2, recording=CALL)
    ended = Capture(kind=Kind.CAPTURE_STOPPED, number=3, recording=CALL, reason="hung up")
    now = datetime.now(UTC)
    write_down(site, *in_the_ledger(finished), began, at=now)
    write_down(site, ended, at=now + timedelta(seconds=34))
    assert audited(site)[1] == {NAME: ["is 30.0 s long, and was captured for 34.0 s"]}


def test_an_audit_writes_figures_for_prometheus(site: Path, tmp_path: Path) -> None:
    finished = paused(site)
    write_down(site, *in_the_ledger(finished, until=11))
    file = tmp_path / "callguard.prom"
    assert run(site, "audit", "--metrics", str(file)).exit_code == 1
    figures = {
        (sample.name, sample.labels.get("kind", "")): sample.value
        for family in text_string_to_metric_families(file.read_text())
        for sample in family.samples
    }
    assert figures["callguard_audit_recordings", ""] == figures["callguard_audit_recordings_wrong", ""] == 1
    assert figures["callguard_audit_listened_seconds", ""] == 30
    found = {kind: count for (name, kind), count in figures.items() if name == "callguard_audit_findings"}
    assert set(found) == set(KINDS)
    assert {kind for kind, count in found.items() if count} == {"not-silent", "unledgered"}
    assert [path.name for path in tmp_path.iterdir() if ".prom" in path.name] == ["callguard.prom"]


def test_callguard_does_not_start_without_its_key_and_says_what_to_do(site: Path, tmp_path: Path) -> None:
    (tmp_path / "site.key").unlink()
    result = run(site, "run")
    assert isinstance(result.exception, VaultError)
    for words in ("`callguard vault new-key` makes one", "restore the one they were sealed with"):
        assert words in str(result.exception)
    assert "with vault.enabled: no it does, and recordings stay in memory in the clear" in str(
        result.exception
    )


def test_a_key_is_never_replaced(site: Path, tmp_path: Path) -> None:
    before = (tmp_path / "site.key").read_bytes()
    result = run(site, "vault", "new-key")
    assert isinstance(result.exception, VaultError) and "vault.former_keys" in str(result.exception)
    assert (tmp_path / "site.key").read_bytes() == before
