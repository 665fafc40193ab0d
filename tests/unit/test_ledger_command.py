"""`callguard ledger` and `callguard evidence`, as scripts and auditors use them."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sqlite3
import zipfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from callguard.cli.evidence import evidence
from callguard.cli.ledger import ledger_group
from callguard.config import load
from callguard.consent.words import Outcome
from callguard.controller.keeping import vault_of
from callguard.errors import CallguardError
from callguard.ledger import Entry, Ledger, Settings
from callguard.ledger.bodies import Arrived, Ended
from callguard.ledger.privacy import Numbers, Privacy, load_or_create_key
from callguard.ledger.publishing import FileTarget
from callguard.ledger.webhook import Endpoint
from callguard.vault import KeyFile, Mark, RecordingKey, Vault, name
from fakes.sealing import speech
from fakes.tampering import write_calls

CONFIG = """
site: {{name: Acme, country: US}}
asterisk: {{ari: {{password: a}}, ami: {{password: b}}}}
queues: {{sales: {{}}}}
ledger: {{url: "sqlite:///{path}/ledger.db"}}
prompts: {{directory: {path}/prompts}}
"""


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A directory with a configuration, a ledger of 20 calls, and checkpoints elsewhere."""
    (tmp_path / "config.yaml").write_text(CONFIG.format(path=tmp_path))

    async def make() -> None:
        targets = (FileTarget(tmp_path / "checkpoints"),)
        for seed in range(2):
            async with Ledger(Settings(url=f"sqlite:///{tmp_path}/ledger.db", targets=targets)) as ledger:
                await write_calls(ledger, 10, seed)

    asyncio.run(make())
    return tmp_path


def ran(*arguments: object, command: object = ledger_group) -> Result:
    return CliRunner().invoke(command, [str(a) for a in arguments])  # type: ignore[arg-type]


def done(*arguments: object, command: object = ledger_group) -> str:
    result = ran(*arguments, command=command)
    assert result.exit_code == 0, result.output or result.exception
    return result.stdout


def harm(house: Path, statement: str) -> None:
    database = sqlite3.connect(house / "ledger.db")
    with database:
        database.execute(statement)
    database.close()


def a_call(house: Path) -> str:
    database = sqlite3.connect(house / "ledger.db")
    call = str(database.execute("SELECT call FROM entries WHERE position = 1").fetchone()[0])
    database.close()
    return call


def test_verify_needs_only_the_file_and_the_key(house: Path) -> None:
    said = done("verify", "--database", house / "ledger.db", "--public-key", house / "ledger.pub")
    assert "100 entries" in said
    assert "complete and unchanged" in said
    assert "an older state" in said, "without checkpoints from elsewhere it must say what it cannot see"
    said = done("verify", "-c", house / "config.yaml", "--checkpoints", house / "checkpoints")
    assert "an older state" not in said


def test_verify_for_scripts(house: Path) -> None:
    report = json.loads(done("verify", "--database", house / "ledger.db", "--json"))
    assert report["ok"] is True
    assert (report["entries"], report["findings"], report["outside"]) == (100, [], False)
    harm(house, "DELETE FROM entries WHERE position = 42")
    result = ran("verify", "--database", house / "ledger.db", "--json")
    assert result.exit_code == 1
    (finding,) = json.loads(result.stdout)["findings"]
    assert (finding["wrong"], finding["entry"]) == ("missing", 42)


def test_verify_names_the_entry_to_people(house: Path) -> None:
    harm(house, "UPDATE entries SET text = replace(text, 'granted', 'refused') WHERE position < 50")
    result = ran("verify", "--database", house / "ledger.db")
    assert result.exit_code == 1
    assert "changed: it is not what was written" in result.stdout
    assert "things are wrong" in result.stdout


def test_a_copy_on_a_read_only_medium_can_be_verified(house: Path, tmp_path: Path) -> None:
    copy = tmp_path / "medium"
    copy.mkdir()
    (copy / "ledger.db").write_bytes((house / "ledger.db").read_bytes())
    (copy / "ledger.db").chmod(0o400)
    copy.chmod(0o500)
    done("verify", "--database", copy / "ledger.db", "--public-key", house / "ledger.pub")
    assert [file.name for file in copy.iterdir()] == ["ledger.db"], "verifying leaves nothing behind"


def test_what_is_exported_can_be_verified_and_the_export_is_an_entry(house: Path, tmp_path: Path) -> None:
    out = tmp_path / "export.jsonl"
    done("export", "-c", house / "config.yaml", "-o", out, "--purpose", "audit 2026")
    report = json.loads(done("verify", "--database", out, "--public-key", house / "ledger.pub", "--json"))
    assert (report["ok"], report["entries"]) == (True, 101)
    (entry,) = json.loads(done("search", "-c", house / "config.yaml", "--kind", "export", "--json"))
    assert entry["body"]["purpose"] == "audit 2026"
    assert entry["body"]["what"] == "ledger as jsonl"


def test_csv_opens_in_a_spreadsheet_without_running_anything(house: Path) -> None:
    async def add() -> None:
        async with Ledger(Settings(url=f"sqlite:///{house}/ledger.db", name="=cmd")) as ledger:
            await ledger.append(Entry.now(Ended(outcome=Outcome.REFUSED), "x"))

    asyncio.run(add())
    rows = list(
        csv.DictReader(io.StringIO(done("export", "--database", house / "ledger.db", "--format", "csv")))
    )
    assert len(rows) == 101
    assert rows[100]["by"].startswith("'=cmd/")
    assert json.loads(rows[0]["body"])["called"] == "+12065550100"


def test_show_tells_a_call_in_sentences(house: Path) -> None:
    call = a_call(house)
    said = done("show", call, "-c", house / "config.yaml")
    assert "A call from +14155550000 to +12065550100" in said
    assert "Recording began at sample 0." in said
    entries = json.loads(done("show", call, "--database", house / "ledger.db", "--json"))
    assert [entry["kind"] for entry in entries][:2] == ["call.arrived", "consent"]
    assert ran("show", "nobody", "-c", house / "config.yaml").exit_code == 1


def test_search(house: Path) -> None:
    place = ("--database", house / "ledger.db", "--json")
    found = json.loads(done("search", "--caller", "+14155550003", *place))
    assert [entry["kind"] for entry in found] == ["call.arrived", "call.arrived"]
    found = json.loads(done("search", "--queue", "sales", "--kind", "consent", "--limit", "3", *place))
    assert len(found) == 3
    assert json.loads(done("search", "--since", "2026-11-03", *place)) == []
    assert "Nothing was found." in done("search", "--caller", "+1", "--database", house / "ledger.db")


@pytest.mark.parametrize("numbers", [Numbers.ENCRYPTED, Numbers.HASHED])
def test_hidden_numbers_are_found_with_their_key(tmp_path: Path, numbers: Numbers) -> None:
    key = tmp_path / "numbers.key"
    privacy = Privacy(numbers, load_or_create_key(key))

    async def make() -> None:
        async with Ledger(Settings(url=f"sqlite:///{tmp_path}/ledger.db", privacy=privacy)) as ledger:
            await ledger.append(Entry.now(Arrived(channel="1", caller="+14155550100", called="+2"), "a"))

    asyncio.run(make())
    place = ("--database", tmp_path / "ledger.db", "--json")
    assert json.loads(done("search", "--caller", "+14155550100", *place)) == []
    (entry,) = json.loads(done("search", "--caller", "+1 415 555 0100", "--numbers-key", key, *place))
    readable = entry["body"]["caller"] == "+14155550100"
    assert readable is (numbers is Numbers.ENCRYPTED)


def test_a_proof_travels_without_the_ledger(house: Path, tmp_path: Path) -> None:
    proofs = tmp_path / "proofs.jsonl"
    done("prove", "7", "42", "--database", house / "ledger.db", "-o", proofs)
    report = json.loads(done("verify-proof", proofs, "--public-key", house / "ledger.pub", "--json"))
    assert [proof["entry"]["entry"] for proof in report["proofs"]] == [7, 42]
    proofs.write_text(proofs.read_text().replace("sales", "spring"))
    result = ran("verify-proof", proofs, "--public-key", house / "ledger.pub")
    assert result.exit_code == 1
    assert "does not hold" in result.stdout


def test_growth_since_a_checkpoint_travels_too(house: Path, tmp_path: Path) -> None:
    proof = tmp_path / "growth.json"
    done("prove", "--since", house / "checkpoints", "--database", house / "ledger.db", "-o", proof)
    assert "grew out of its first 50 entries" in done(
        "verify-proof", proof, "--public-key", house / "ledger.pub"
    )
    assert ran("prove", "--database", house / "ledger.db").exit_code == 2


def test_the_key_is_changed(house: Path) -> None:
    new = done("change-key", "-c", house / "config.yaml").strip()
    assert (house / "ledger.pub").read_text().splitlines()[-1] == new
    place = ("--database", house / "ledger.db", "--json")
    (entry,) = json.loads(done("search", "--kind", "ledger.key_changed", *place))
    assert entry["body"]["new"] == new
    done("export", "-c", house / "config.yaml", "-o", house / "export.jsonl")  # one more entry
    report = json.loads(done("verify", *place))
    assert new.startswith(report["signed_by"])


def test_the_outbox_is_shown_and_dead_letters_told_again(house: Path) -> None:
    endpoint = Endpoint(
        name="crm",
        url="http://127.0.0.1:9/",
        secrets=("whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0",),
        give_up_after=0.0,
        events=("call.*",),
    )

    async def make() -> None:
        async with Ledger(Settings(url=f"sqlite:///{house}/ledger.db", endpoints=(endpoint,))) as ledger:
            await ledger.append(Entry.now(Ended(outcome=Outcome.REFUSED), "x"))
            async with asyncio.timeout(10):
                while await ledger.outbox() != {("crm", "dead"): 1}:
                    await asyncio.sleep(0.01)

    asyncio.run(make())
    config = ("-c", house / "config.yaml")
    assert json.loads(done("outbox", "--json", *config))["dead"][0]["event"] == "call.ended"
    assert "1 events will be told again to crm" in done("outbox", "--replay", "crm", *config)
    (state,) = json.loads(done("outbox", "--json", *config))["states"]
    assert state == {"endpoint": "crm", "state": "waiting", "events": 1}


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "--database", "/nowhere/ledger.db"),
        ("verify", "--database", "mysql://x/y", "--public-key", "/dev/null"),
        ("search", "--database", "/nowhere/ledger.db"),
        ("verify-proof", "/nowhere/proof", "--public-key", "/nowhere/key"),
    ],
)
def test_what_is_not_there_is_an_error_with_a_name(arguments: tuple[str, ...]) -> None:
    result = ran(*arguments)
    assert result.exit_code == 1
    assert isinstance(result.exception, CallguardError)


def test_evidence_of_a_call(house: Path, tmp_path: Path) -> None:
    call, out, audio = a_call(house), tmp_path / "case.zip", tmp_path / "call.wav"
    audio.write_bytes(b"RIFF")
    config = ("-c", house / "config.yaml", "--purpose", "court")
    said = done(call, *config, "-o", out, "--audio", audio, command=evidence)
    assert "5 entries, 1 recordings" in said
    with zipfile.ZipFile(out) as archive:
        archive.extractall(tmp_path / "case")
    proofs = sorted((tmp_path / "case" / "proofs").iterdir())
    assert len(proofs) == 5
    done("verify-proof", *proofs, "--public-key", tmp_path / "case" / "keys.pub")
    (entry,) = json.loads(done("search", "-c", house / "config.yaml", "--kind", "export", "--json"))
    assert (entry["call"], entry["body"]["what"]) == (call, "evidence as zip")
    assert entry["body"]["sha256"] == sha256(out.read_bytes()).hexdigest()
    assert entry["body"]["purpose"] == "court"


def test_evidence_as_a_vcon_and_without_audio(house: Path, tmp_path: Path) -> None:
    call, out = a_call(house), tmp_path / "case.json"
    place = ("--database", house / "ledger.db", "--purpose", "court")
    done(call, "--format", "vcon", *place, "-o", out, command=evidence)
    made = json.loads(out.read_text())
    assert made["vcon"] == "0.4.0"
    assert ran("nobody", *place, command=evidence).exit_code == 1


def sealed(house: Path, call: str) -> Vault:
    """Two recordings of a call in the vault that the configuration names, the second one destroyed."""
    config = house / "config.yaml"
    with config.open("a") as file:
        file.write(
            f"vault: {{enabled: true, directory: {house}/vault, keys: {house}/keys,\n"
            f"  key: {{file: {house}/site.key}}}}\n"
        )
    KeyFile.create(house / "site.key")
    vault = vault_of(load(config))
    vault.prepare()
    for number in (1, 2):
        mark = Mark(serial=0, kind="announcement", start=0, end=None, detail={})
        writing = vault.begin(name(call, number), {}, b"", [mark], RecordingKey.generate().raw)
        writing.seal(speech(16_000).tobytes())
        writing.finish(())
    vault.shred(name(call, 2), by="sweep", reason="kept long enough")
    return vault


def test_evidence_takes_its_recordings_from_the_vault(house: Path, tmp_path: Path) -> None:
    call, out = a_call(house), tmp_path / "case.zip"
    sealed(house, call)
    arguments = (call, "-c", house / "config.yaml", "--purpose", "court", "-o", out)
    assert "1 recordings" in done(*arguments, command=evidence)
    with zipfile.ZipFile(out) as archive:
        samples, rate = soundfile.read(io.BytesIO(archive.read(f"audio/{call}-1.wav")), dtype="int16")
        page = archive.read("page.html").decode()
    assert (rate, len(samples)) == (8000, 16_000)
    assert np.array_equal(samples, speech(16_000))
    assert f"Recording {call}-2 is not in this file" in page
    assert "destroyed" in page

    assert "0 recordings" in done(*arguments, "--no-audio", command=evidence)
    with zipfile.ZipFile(out) as archive:
        assert not [entry for entry in archive.namelist() if entry.startswith("audio/")]
        assert "The recordings were left out." in archive.read("page.html").decode()
