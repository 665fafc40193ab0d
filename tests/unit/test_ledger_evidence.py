"""What is handed to somebody outside: a bundle and a vCon that can be checked without us."""

from __future__ import annotations

import base64
import io
import json
import re
import uuid
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from callguard.consent.words import Answer, Basis, ConsentEntry, Form, Heard, Outcome, Prompt
from callguard.ledger import Entry, Kind, Ledger, Settings, SigningKey, body_for
from callguard.ledger.bodies import Arrived, Capture, Ended, Ruled
from callguard.ledger.case import Case, Recorded, Spoken
from callguard.ledger.evidence import bundle, page
from callguard.ledger.keys import PublicKey
from callguard.ledger.proof import prove_entries, verify_proof
from callguard.ledger.story import sentence
from callguard.ledger.vcon import vcon

KEY = SigningKey.generate()
CALL = "2f1c7c1e-5a4b-4c53-9f0e-0f2d3c4b5a69"
FIRST, SECOND = b"RIFF first part of the announcement", b"RIFF second part"
HOSTILE = '<script>alert("x")</script>'


def consent(outcome: Outcome = Outcome.GRANTED) -> ConsentEntry:
    parts = sha256((sha256(FIRST).hexdigest() + sha256(SECOND).hexdigest()).encode()).hexdigest()
    prompt = Prompt(
        name="announcement", language="en,fr", media=("sound:/p/a", "sound:/p/b"), sha256=parts, seconds=5.25
    )
    return ConsentEntry(
        number=1,
        who="caller",
        outcome=outcome,
        basis=Basis(
            jurisdictions=("US-CA",), rule="US-CA", table="2026.11", statutes=("Cal. Penal Code 632",)
        ),
        form=Form.EXPLICIT,
        heard=(Heard(prompt=prompt, started=100.0, ended=105.25, completely=True),),
        answer=Answer(kind="key", value="1", at=107.0),
        attempts=1,
        decided=107.0,
        queue="sales",
    )


async def a_case(tmp_path: Path, outcome: Outcome = Outcome.GRANTED, basis: str | None = None) -> Case:
    moment = datetime(2026, 11, 3, 9, 30, 7, tzinfo=UTC)
    async with Ledger(Settings(url=f"sqlite:///{tmp_path}/ledger.db", key=KEY)) as ledger:
        for step, body in enumerate(
            (
                Arrived(channel="1", caller="+14155550100", called="+12065550100", queue=HOSTILE),
                Ruled(parties=(), form="explicit", table="2026.11", basis=basis),
                body_for(consent(outcome)),
                Capture(kind=Kind.CAPTURE_STARTED, number=2, recording="r", offset=0),
                Ended(outcome=outcome, captured_ms=2000),
            )
        ):
            ledger.note(Entry(body=body, call=CALL, utc=moment, monotonic=107.0 + step / 10))
            ledger.note(Entry(body=body, call="another", utc=moment, monotonic=107.0))
    async with Ledger(Settings(url=f"sqlite:///{tmp_path}/ledger.db", key=KEY)) as ledger:
        entries = await ledger.entries(call=CALL)
    engine = create_engine(f"sqlite:///{tmp_path}/ledger.db")
    with engine.connect() as connection:
        proofs = prove_entries(connection, [entry.position for entry in entries])
    engine.dispose()
    return Case(
        call=CALL,
        site="Acme",
        made=datetime(2026, 11, 4, tzinfo=UTC),
        entries=tuple(entries),
        proofs=tuple(proofs),
        keys=(KEY.public,),
        spoken={
            "sound:/p/a": Spoken(name="a.wav", audio=FIRST, words="This call is recorded."),
            "sound:/p/b": Spoken(name="b.wav", audio=SECOND, words="Cet appel est enregistré."),
        },
        recorded=(Recorded(name="call.wav", audio=b"RIFF call", seconds=2.0),),
    )


def unpacked(packed: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


async def test_a_bundle_can_be_checked_without_us(tmp_path: Path) -> None:
    case = await a_case(tmp_path)
    files = unpacked(bundle(case))
    assert set(files) == {
        "page.html",
        "entries.jsonl",
        "keys.pub",
        "manifest.json",
        "audio/call.wav",
        "prompts/a.wav",
        "prompts/b.wav",
        *(f"proofs/{entry.position:09}.json" for entry in case.entries),
    }
    manifest = json.loads(files["manifest.json"])["files"]
    assert manifest == {n: sha256(c).hexdigest() for n, c in files.items() if n != "manifest.json"}
    keys = [PublicKey.parse(line) for line in files["keys.pub"].decode().splitlines()]
    lines = files["entries.jsonl"].decode().splitlines()
    proven = [verify_proof(c.decode(), keys) for n, c in sorted(files.items()) if n.startswith("proofs/")]
    assert [p.entry.text for p in proven if p.entry] == lines
    assert {p.entry.call for p in proven if p.entry} == {CALL}, "nothing of another call leaves the house"


async def test_the_same_case_makes_the_same_bytes(tmp_path: Path) -> None:
    case = await a_case(tmp_path)
    assert bundle(case) == bundle(case)


async def test_the_page_says_what_matters_and_trusts_no_text(tmp_path: Path) -> None:
    text = page(await a_case(tmp_path))
    said = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", text))
    assert "The caller agreed to be recorded by pressing 1." in said
    assert "Cal. Penal Code 632" in said
    assert "This call is recorded. Cet appel est enregistré." in said
    assert "heard to its end" in said
    assert "by its hash exactly what was played" in said
    assert "<script>" not in text


async def test_audio_that_was_not_what_was_played_is_said_to_be_so(tmp_path: Path) -> None:
    case = await a_case(tmp_path)
    other = dict(case.spoken, **{"sound:/p/b": Spoken(name="b.wav", audio=b"another")})
    assert "NOT what was played" in page(replace(case, spoken=other))
    assert "NOT what was played" in page(replace(case, spoken={"sound:/p/a": case.spoken["sound:/p/a"]}))
    assert "not part of this bundle" in page(replace(case, spoken={}))


async def test_a_bundle_says_why_there_is_no_audio(tmp_path: Path) -> None:
    case = replace(
        await a_case(tmp_path), recorded=(), remarks=("The recording was destroyed on 1 November.",)
    )
    assert "The recording was destroyed on 1 November." in page(case)
    assert not [name for name in unpacked(bundle(case)) if name.startswith("audio/")]


async def test_a_vcon_holds_the_conversation_and_the_decision(tmp_path: Path) -> None:
    """Names and types as in draft-ietf-vcon-vcon-core-04."""
    case = await a_case(tmp_path)
    made = vcon(case)
    assert json.loads(json.dumps(made)) == made
    assert made["vcon"] == "0.4.0"
    assert uuid.UUID(made["uuid"]).version == 8
    assert made["created_at"] == "2026-11-04T00:00:00.000Z"
    assert made["parties"][0] == {"type": "organization", "name": "Acme", "tel": "+12065550100"}
    assert made["parties"][1] == {"type": "person", "tel": "+14155550100"}
    announcement, recording = made["dialog"]
    decided = next(e for e in case.entries if e.kind == Kind.CONSENT)
    began = decided.utc - timedelta(seconds=decided.monotonic - 100.0)
    assert announcement["start"] == began.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert announcement["originator"] == 0
    padded = recording["body"] + "=" * (-len(recording["body"]) % 4)
    assert base64.urlsafe_b64decode(padded) == b"RIFF call"
    assert (recording["encoding"], recording["mediatype"]) == ("base64url", "audio/x-wav")
    by_purpose = {part["purpose"]: part for part in made["attachments"]}
    assert set(by_purpose) == {"lawful_basis", "consent", "callguard_ledger"}
    for part in made["attachments"]:
        assert part["encoding"] == "json"
        assert part["dialog"] == 1
        assert part["party"] in {0, 1}
    basis = by_purpose["lawful_basis"]["body"]
    assert basis["lawful_basis"] == "consent"
    assert basis["purpose_grants"][0]["granted"] is True
    assert verify_proof(json.dumps(basis["proof_mechanisms"][0]["proof_data"]["proof"]), [KEY.public])
    assert by_purpose["consent"]["body"]["consents"][0]["status"] == "granted"
    assert by_purpose["consent"]["body"]["expiration"] is None


@pytest.mark.parametrize(
    ("outcome", "basis", "expected", "granted"),
    [
        (Outcome.REFUSED, "legitimate_interests", "consent", False),
        (Outcome.WITHDRAWN, None, "consent", False),
        (Outcome.NOTIFIED, "legitimate_interests", "legitimate_interests", True),
        (Outcome.DUTY, None, "legal_obligation", True),
    ],
)
async def test_a_vcon_claims_the_basis_that_the_ledger_has(
    tmp_path: Path, outcome: Outcome, basis: str | None, expected: str, granted: bool
) -> None:
    made = vcon(await a_case(tmp_path, outcome, basis))
    (body,) = [part["body"] for part in made["attachments"] if part["purpose"] == "lawful_basis"]
    assert body["lawful_basis"] == expected
    assert body["purpose_grants"][0]["granted"] is granted


async def test_a_vcon_claims_no_basis_that_the_ledger_does_not_have(tmp_path: Path) -> None:
    made = vcon(await a_case(tmp_path, Outcome.NOTIFIED))
    assert "lawful_basis" not in {part["purpose"] for part in made["attachments"]}


async def test_a_vcon_of_a_call_without_anything_is_still_one(tmp_path: Path) -> None:
    case = await a_case(tmp_path)
    made = vcon(replace(case, entries=case.entries[:1], proofs=case.proofs[:1], recorded=()))
    assert [part["type"] for part in made["dialog"]] == ["text"]
    assert [part["dialog"] for part in made["attachments"]] == [0]


def test_every_kind_of_entry_has_a_sentence() -> None:
    """A sentence, not just the name of the kind; kinds that are added need one as well."""
    from callguard.ledger.story import _SENTENCES

    assert set(Kind) == set(_SENTENCES)
    assert sentence("some.new_kind", {}) == "some: new kind"
