"""Proofs without the database, and checkpoints outside it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from sqlalchemy import create_engine

from callguard.errors import LedgerError
from callguard.ledger import Entry, Ledger, Settings, SigningKey
from callguard.ledger.bodies import Fault
from callguard.ledger.keys import Checkpoint, PublicKey, read_public_keys
from callguard.ledger.proof import prove_entries, prove_growth, verify_proof
from callguard.ledger.publishing import FileTarget, HttpTarget, S3Target, read_notes
from callguard.ledger.writer import Pace
from fakes.tampering import Copy, make_ledger, write_calls


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PublicKey]:
    path = tmp_path_factory.mktemp("made") / "ledger.db"
    return path, asyncio.run(make_ledger(path, 21)).public


def proofs(path: Path, *positions: int) -> list[dict[str, object]]:
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        found = prove_entries(connection, positions)
    engine.dispose()
    return found


def test_every_entry_can_be_proven_without_the_database(made: tuple[Path, PublicKey]) -> None:
    path, key = made
    for position, proof in enumerate(proofs(path, *range(105))):
        proven = verify_proof(json.dumps(proof), [key])
        assert proven.entry is not None
        assert proven.entry.position == position
        assert proven.entry.text == proof["entry"]
        assert proven.size == 105
        assert proven.signed_by == f"callguard+{key.id.hex()}"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"entry": '{"body":{}}'}, "does not hold"),
        ({"position": 41}, "does not hold"),
        ({"path": []}, "does not hold"),
        ({"path": ["00" * 32]}, "does not hold"),
        ({"checkpoint": "nothing"}, "no checkpoint"),
        ({"format": "other"}, "no proof file"),
        ({"path": "zz"}, "no proof file"),
    ],
)
def test_a_forged_proof_is_refused(
    made: tuple[Path, PublicKey], change: dict[str, object], says: str
) -> None:
    path, key = made
    (proof,) = proofs(path, 40)
    with pytest.raises(LedgerError, match=says):
        verify_proof(json.dumps({**proof, **change}), [key])


def test_a_proof_needs_the_right_key(made: tuple[Path, PublicKey]) -> None:
    (proof,) = proofs(made[0], 40)
    with pytest.raises(LedgerError, match="not by a given key"):
        verify_proof(json.dumps(proof), [SigningKey.generate().public])
    with pytest.raises(LedgerError, match="no proof file"):
        verify_proof("not json", [made[1]])


def test_an_entry_that_is_not_there_cannot_be_proven(made: tuple[Path, PublicKey]) -> None:
    with pytest.raises(LedgerError, match="no entry 105; the ledger has 105"):
        proofs(made[0], 105)


async def test_growth_can_be_proven(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    key = await make_ledger(path, 3)
    earlier = Copy.of(path).head.note
    async with Ledger(Settings(url=f"sqlite:///{path}", key=key)) as ledger:
        await write_calls(ledger, 3, seed=4)
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        proof = prove_growth(connection, earlier)
    engine.dispose()
    proven = verify_proof(json.dumps(proof), [key.public])
    assert (proven.first, proven.size) == (15, 30)

    other = await make_ledger(tmp_path / "other.db", 3)
    theirs = Copy.of(tmp_path / "other.db").head.note
    with pytest.raises(LedgerError, match="of two ledgers"):
        verify_proof(json.dumps({**proof, "earlier": theirs}), [key.public, other.public])
    signed = Checkpoint.parse(earlier)
    forged = Checkpoint.sign(signed.origin, 15, bytes(32), signed.last, signed.utc, key)
    with pytest.raises(LedgerError, match="it was rewritten"):
        verify_proof(json.dumps({**proof, "earlier": forged}), [key.public])


# -- keys -------------------------------------------------------------------------------------------


def test_a_key_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "ledger.key"
    key = SigningKey.load_or_create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert SigningKey.load_or_create(path).public == key.public
    assert read_public_keys(path.with_suffix(".pub")) == (key.public,)
    path.chmod(0o644)
    with pytest.raises(LedgerError, match="chmod 600"):
        SigningKey.load(path)


def test_keys_are_those_of_signed_notes() -> None:
    """The key of Go's checksum database is one: other people's tools can read ours, and ours theirs."""
    text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    assert str(PublicKey.parse(text)) == text
    with pytest.raises(LedgerError, match="no verifier key"):
        PublicKey.parse(text.replace("033de0ae", "033de0af"))


@pytest.mark.parametrize("text", ["", "callguard+00000000+AAAA", "callguard", "a+b+c"])
def test_what_is_no_key_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# ours\n{text}\n")
    with pytest.raises(LedgerError, match=r"no (verifier|public) key"):
        read_public_keys(file)


# -- checkpoints outside ------------------------------------------------------------------------------


class Receiver:
    """An address that takes checkpoints, after refusing a few."""

    def __init__(self, refuse: int) -> None:
        self.refuse = refuse
        self.notes: list[str] = []
        self.authorizations: set[str] = set()

    async def take(self, request: web.Request) -> web.Response:
        self.authorizations.add(request.headers.get("Authorization", ""))
        if self.refuse:
            self.refuse -= 1
            raise web.HTTPServiceUnavailable
        self.notes.append(await request.text())
        return web.Response(status=204)


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, str]]:
    receiver = Receiver(refuse=1)
    app = web.Application()
    app.router.add_post("/checkpoints", receiver.take)
    async with TestServer(app) as server:
        yield receiver, str(server.make_url("/checkpoints"))


async def test_checkpoints_reach_an_address_that_was_down(
    receiver: tuple[Receiver, str], tmp_path: Path
) -> None:
    there, url = receiver
    key = SigningKey.generate()
    settings = Settings(
        url=f"sqlite:///{tmp_path}/ledger.db",
        key=key,
        pace=Pace(entries=5),
        targets=(HttpTarget(url, "Bearer secret"),),
    )
    async with Ledger(settings) as ledger:
        for _ in range(3):
            await write_calls(ledger, 1)
        async with asyncio.timeout(5):
            while len(there.notes) < 3:
                await asyncio.sleep(0.01)
    found = [Checkpoint.parse(note) for note in there.notes]
    assert [checkpoint.size for checkpoint in found] == [5, 10, 15]
    assert all(checkpoint.signer([key.public]) for checkpoint in found)
    assert there.authorizations == {"Bearer secret"}


async def test_a_checkpoint_comes_at_the_configured_pace_and_none_without_news(tmp_path: Path) -> None:
    outside = tmp_path / "checkpoints"
    settings = Settings(
        url=f"sqlite:///{tmp_path}/ledger.db", pace=Pace(seconds=0.1), targets=(FileTarget(outside),)
    )
    async with Ledger(settings) as ledger:
        await ledger.append(Entry.now(Fault(where="x")))
        async with asyncio.timeout(5):
            while not outside.exists() or not read_notes(outside):
                await asyncio.sleep(0.01)
    assert [Checkpoint.parse(note).size for note in read_notes(outside)] == [1], (
        "no news, no further checkpoint"
    )


async def test_what_was_not_published_is_published_after_the_next_start(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a directory is needed")
    settings = Settings(
        url=f"sqlite:///{tmp_path}/ledger.db", deadline=0.2, targets=(FileTarget(blocked / "checkpoints"),)
    )
    async with Ledger(settings) as ledger:
        await write_calls(ledger, 1)
    blocked.unlink()
    async with Ledger(settings):
        pass
    assert [Checkpoint.parse(note).size for note in read_notes(blocked / "checkpoints")] == [5]


def test_a_damaged_file_of_checkpoints_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "checkpoints"
    file.write_text("something else\n")
    with pytest.raises(LedgerError, match="no checkpoint"):
        read_notes(file)


class Bucket:
    """As much of S3 as is needed: conditional PUT, GET, and the listing of a folder."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    async def put(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if request.headers.get("If-None-Match") == "*" and name in self.objects:
            return web.Response(status=412, text="<Error><Code>PreconditionFailed</Code></Error>")
        self.objects[name] = await request.read()
        return web.Response(headers={"ETag": '"1"'})

    async def get(self, request: web.Request) -> web.Response:
        return web.Response(body=self.objects[request.match_info["name"]], headers={"ETag": '"1"'})

    async def list(self, request: web.Request) -> web.Response:
        prefix = request.query.get("prefix", "")
        moment = "2026-11-01T00:00:00.000Z"
        contents = "".join(
            f"<Contents><Key>{name}</Key><LastModified>{moment}</LastModified><Size>{len(body)}</Size>"
            '<ETag>"1"</ETag></Contents>'
            for name, body in sorted(self.objects.items())
            if name.startswith(prefix)
        )
        return web.Response(
            text=f"<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>",
            content_type="application/xml",
        )


async def test_checkpoints_reach_a_bucket_and_are_never_overwritten(tmp_path: Path) -> None:
    bucket = Bucket()
    app = web.Application()
    app.router.add_put("/b/{name:.*}", bucket.put)
    app.router.add_get("/b", bucket.list)
    app.router.add_get("/b/{name:.+}", bucket.get)
    async with TestServer(app) as server:
        target = S3Target(
            "s3://b/ledger",
            config={
                "endpoint": str(server.make_url("")),
                "region": "us-east-1",
                "access_key_id": "k",
                "secret_access_key": "s",
            },
            client_options={"allow_http": True},
        )
        assert await target.newest() is None
        settings = Settings(url=f"sqlite:///{tmp_path}/ledger.db", targets=(target,))
        async with Ledger(settings) as ledger:
            await write_calls(ledger, 2)
        name = f"ledger/{10:020d}.checkpoint"
        assert list(bucket.objects) == [name]
        note = bucket.objects[name].decode()
        await target.publish(note)
        assert await target.newest() == note
        async with Ledger(settings) as ledger:
            await write_calls(ledger, 1)
        assert len(bucket.objects) == 2
