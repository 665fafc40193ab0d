"""Recordings of real calls: what may be done with them afterwards, and what is left of those withdrawn."""

import asyncio
import json
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest_asyncio
import soundfile

from callguard.lab import audio
from callguard.lab.counting import AGENT, CALLER
from callguard.vault.tone import runs
from tests.sealed import SETTINGS, sealing_house, talking, typed

#: Illinois wants objections honoured during the call, and what was captured destroyed; in Britain somebody
#: may take consent back, and what was recorded until then stays.
ILLINOIS = "+13125550161"
LONDON = "+442079460161"


@dataclass(frozen=True)
class Calls:
    """The calls of these tests, which take place at the same time, and what was seen during one of them."""

    paused: str
    destroyed: str
    stopped: str
    kept: Path  #: a copy of the vault from before the withdrawal


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sealed():
    # Five seconds stay back, so that the longest look-back of the pause below is still there.
    async with sealing_house(
        {**SETTINGS, "vault": {"look_back_seconds": "5", "block_seconds": "1"}}
    ) as house:
        yield house


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def calls(sealed, tmp_path_factory):
    kept = tmp_path_factory.mktemp("kept") / "vault"
    found = await asyncio.gather(paused(sealed), withdrawn(sealed, kept), only_stopped(sealed))
    return Calls(*found, kept=kept)


async def paused(sealed):
    site = sealed.site
    async with talking(sealed) as talk:
        await asyncio.sleep(5)
        await site.command("pause", "--call", talk.call, "--drop-last", "2")
        await asyncio.sleep(3)
        await site.command("resume", "--call", talk.call)
        await asyncio.sleep(3)
        await talk.over()
    await site.recording(talk.call)
    return talk.call


async def withdrawn(sealed, kept):
    site = sealed.site
    async with talking(sealed, caller=ILLINOIS) as talk:
        # Until some of it is in the vault.
        async with asyncio.timeout(30):
            while len(list(site.vault.rglob(f"{talk.call}-1/*.block"))) < 3:
                await asyncio.sleep(0.1)
        shutil.copytree(site.vault, kept)
        await talk.caller.press("*")
        stopped = await site.until_entry("capture.stopped", talk.call)
        assert (stopped["body"]["reason"], stopped["body"]["shred"]) == ("withdrawn", True)
        await site.until_entry("retention", talk.call)
        # The call goes on, unrecorded.
        await asyncio.sleep(1)
        assert talk.caller.is_up and not list(site.spool.glob(f"{talk.call}*"))
        await talk.over()
    return talk.call


async def only_stopped(sealed):
    site = sealed.site
    async with talking(sealed, caller=LONDON, key="1") as talk:
        await asyncio.sleep(3)
        await talk.caller.press("*")
        stopped = await site.until_entry("capture.stopped", talk.call)
        assert (stopped["body"]["reason"], stopped["body"].get("shred", False)) == ("withdrawn", False)
        await asyncio.sleep(3)
        assert talk.caller.is_up
        await talk.over()
    return talk.call


async def told(house, *words):
    """What a command prints as JSON; it has to end well."""
    result = await typed(house.site.config, *words, "--json")
    assert result.exit_code == 0, (words, result.output, result.stderr)
    return json.loads(result.stdout)


def silences(samples):
    """Where both channels are exactly zero for more than 0.1 s."""
    return [(a, b) for a, b in runs(~(samples != 0).any(axis=1)) if b - a > audio.RATE // 10]


async def test_a_recording_is_listed_audited_exported_and_locked_away_anew(sealed, calls, tmp_path):
    site, call = sealed.site, calls.paused
    name = f"{call}-1"

    [row] = [row for row in await told(sealed, "vault", "list") if row["recording"] == name]
    assert (row["state"], row["purpose"]) == ("finished", "tests")
    [shown] = await told(sealed, "vault", "show", call)
    assert {mark["kind"] for mark in shown["marks"]} == {"pause", "erased"}

    # Every form holds the same sound, and it is silent exactly where the ledger says.
    entries = site.entries(call)
    spans = [
        (entry["body"]["offset"], entry["body"]["until"])
        for entry in entries
        if entry["kind"] in {"capture.verified", "capture.erased"}
    ]
    assert len(spans) == 2
    files = {}
    for form, mono in (("wav", False), ("flac", False), ("opus", False), ("flac", True)):
        file = tmp_path / f"{mono}.{form}"
        words = ("vault", "export", call, "--format", form, "-o", str(file), "--purpose", "a test")
        done = await told(sealed, *words, *(["--mono"] if mono else []))
        assert done["sha256"] == sha256(file.read_bytes()).hexdigest()
        assert (await site.until_entry("export", call))["body"]["purpose"] == "a test"
        files[form, mono] = soundfile.read(file, dtype="int16", always_2d=True)
    exact, rate = files["wav", False]
    assert (files["flac", False][0] == exact).all() and rate == audio.RATE
    assert (files["flac", True][0][:, 0] == np.clip(exact.sum(axis=1, dtype=int), -32768, 32767)).all()
    opus, opus_rate = files["opus", False]
    assert abs(len(opus) / opus_rate - len(exact) / rate) < 0.05
    [(first, last)] = silences(exact)
    # The erasure ends where the pause begins; a codec's own zeros may stand at either edge.
    assert min(span[0] for span in spans) - first < 160 and last - max(span[1] for span in spans) < 160
    assert len(CALLER.read(exact[:, 0] / np.float32(32768)).numbers) > 200
    assert len(AGENT.read(exact[:, 1] / np.float32(32768)).numbers) > 200

    metrics = tmp_path / "callguard.prom"
    result = await typed(site.config, "audit", call, "--metrics", str(metrics))
    assert result.exit_code == 0, result.output
    assert 'callguard_audit_findings{kind="not-silent"} 0.0' in metrics.read_text()
    assert (await told(sealed, "vault", "verify", call))["ok"] is True

    # Another site key: the old one still opens until every key is locked away anew, and then it does not.
    former = site.key.with_name("former.key")
    shutil.move(site.key, former)
    text = json.loads(site.config.read_text())
    config = tmp_path / "config.yaml"
    config.touch(mode=0o600)
    config.write_text(json.dumps(text | {"vault": text["vault"] | {"former_keys": [str(former)]}}))
    assert (await typed(config, "vault", "new-key")).exit_code == 0
    result = await typed(config, "vault", "rekey", "--json")
    assert json.loads(result.stdout)["ok"] is True
    assert (await told(sealed, "vault", "verify", call))["ok"] is True
    new = site.key.read_bytes()
    site.key.write_bytes(former.read_bytes())
    assert (await typed(site.config, "vault", "verify", call)).exit_code == 1
    site.key.write_bytes(new)


async def test_what_is_withdrawn_is_destroyed_and_the_ledger_proves_the_certificate(sealed, calls, tmp_path):
    site, call = sealed.site, calls.destroyed
    entry = await site.until_entry("retention", call)
    name = f"{call}-1"
    [directory] = site.vault.glob(f"??/{call}-*")
    assert [path.name for path in directory.iterdir()] == ["certificate.json"]
    assert not list(site.key.parent.rglob(f"{name}*"))
    result = await typed(
        site.config, "vault", "export", call, "-o", str(tmp_path / "a.wav"), "--purpose", "x"
    )
    assert result.exit_code != 0 and "was destroyed on" in str(result.exception)
    # Nor does a copy of the blocks that somebody kept, put back into the vault of the same site.
    certificate = (directory / "certificate.json").read_bytes()
    shutil.rmtree(directory)
    shutil.copytree(next(calls.kept.glob(f"??/{name}")), directory)
    result = await typed(site.config, "vault", "verify", name, "--json")
    assert json.loads(result.stdout)["ok"] is False
    shutil.rmtree(directory)
    directory.mkdir()
    (directory / "certificate.json").write_bytes(certificate)

    # The ledger has the hash of exactly this certificate, and proves it to whoever holds the public key.
    assert entry["body"]["certificate"] == sha256(certificate).hexdigest()
    proof = tmp_path / "proof.json"
    result = await typed(site.config, "ledger", "prove", str(entry["n"]), "-o", str(proof))
    assert result.exit_code == 0, result.output
    public = tmp_path / "public.keys"
    shutil.copy(next(site.directory.glob("ledger*.pub")), public)
    process = await asyncio.create_subprocess_exec(
        *(*site.callguard, "ledger", "verify-proof", str(proof), "--public-key", str(public), "--json"),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    [proven] = json.loads(out)["proofs"]
    assert proven["ok"] is True
    assert sha256(certificate).hexdigest() in json.dumps(proven)
    assert (await typed(site.config, "audit", name)).exit_code == 0


async def test_what_was_recorded_stays_where_taking_consent_back_only_stops(sealed, calls):
    site, call = sealed.site, calls.stopped
    caller, agent, rate = await site.recording(call)
    # About what was said until the key, and nothing of the three seconds after it; nor the key itself.
    assert 2.5 < len(caller) / rate < 5
    assert CALLER.read(caller).numbers.max() - CALLER.read(caller).numbers.min() < 5 * 50
    assert audio.sounding_keys(caller, rate) == [] == audio.sounding_keys(agent, rate)
    assert (await typed(site.config, "audit", call)).exit_code == 0
