"""The CRM learns of every event once per key and in order per call, whatever happens to it or to us."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp.test_utils import unused_port

from callguard.consent.words import Outcome
from callguard.errors import LedgerError
from callguard.ledger import Entry, Kind, Ledger, Settings, SigningKey, body_for, open_ledger
from callguard.ledger.bodies import Arrived, Capture, Ended, Fault, Retention, Switch
from callguard.ledger.events import event_of
from callguard.ledger.webhook import Endpoint, check_secret, genuine, headers
from fakes.crm import Crm, Moods

KEY = SigningKey.generate()
SECRET = "whsec_" + base64.b64encode(b"thirty-two bytes of good secret!").decode()
OTHER = "whsec_" + base64.b64encode(b"thirty-two bytes of old secret!!").decode()


def endpoint(port: int, **changes: object) -> Endpoint:
    given: dict[str, object] = {
        "name": "crm",
        "url": f"http://127.0.0.1:{port}/callguard",
        "secrets": (SECRET,),
        "events": ("consent.*", "recording.*", "pause.*", "call.*", "retention.*"),
        "timeout": 0.4,
    }
    return Endpoint(**{**given, **changes})  # type: ignore[arg-type]


def a_call(ledger: Ledger, call: str) -> int:
    """Seven entries, six of which are told."""
    recording = f"{call}-r"
    for body in (
        Arrived(channel="1", caller="+14155550100", called="+12065550100"),
        consent_granted(),
        Capture(kind=Kind.CAPTURE_STARTED, number=2, recording=recording, offset=0),
        Capture(kind=Kind.CAPTURE_PAUSED, number=3, recording=recording, reason="payment"),
        Capture(kind=Kind.CAPTURE_RESUMED, number=4, recording=recording),
        Capture(kind=Kind.CAPTURE_STOPPED, number=5, recording=recording),
        Ended(outcome=Outcome.GRANTED, captured_ms=1000),
    ):
        ledger.note(Entry.now(body, call))
    return 6


def consent_granted() -> object:
    from test_ledger_writing import granted

    return body_for(granted())


async def test_each_event_once_and_in_order(url: str) -> None:
    crm = Crm(SECRET)
    server = await crm.start()
    async with Ledger(Settings(url=url, key=KEY, endpoints=(endpoint(server.port or 0),))) as ledger:
        told = sum(a_call(ledger, f"call-{number}") for number in range(25))
        await crm.until(told)
        async with asyncio.timeout(5):
            while (await ledger.outbox()).get(("crm", "waiting")):
                await asyncio.sleep(0.01)
    await server.close()
    assert crm.out_of_order() == []
    assert (crm.events, crm.repeated, crm.forged) == (150, 0, 0)
    assert [message["type"] for message in crm.calls["call-3"]] == [
        "consent.granted",
        "recording.started",
        "pause.started",
        "pause.ended",
        "recording.stopped",
        "call.ended",
    ]
    first = crm.calls["call-3"][0]["data"]
    assert first["body"]["outcome"] == "granted"
    assert first["kind"] == "consent"


@pytest.mark.parametrize(
    "moods",
    [
        Moods(failing=0.3),
        Moods(slow=0.15),
        Moods(dropping=0.3),
        Moods(failing=0.15, slow=0.05, dropping=0.15),
    ],
    ids=["answers 500", "slow", "drops the answer", "all at once"],
)
async def test_a_bad_receiver_still_gets_each_event_once_and_in_order(
    url: str, moods: Moods, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callguard.ledger.courier.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("callguard.ledger.courier.LONGEST_REST", 0.02)
    crm = Crm(SECRET, moods)
    server = await crm.start()
    async with Ledger(Settings(url=url, key=KEY, endpoints=(endpoint(server.port or 0),))) as ledger:
        told = sum(a_call(ledger, f"call-{number}") for number in range(6))
        await crm.until(told)
        crm.moods = Moods()
        async with asyncio.timeout(10):
            while (await ledger.outbox()).get(("crm", "waiting")):
                await asyncio.sleep(0.01)
        assert await ledger.outbox() == {("crm", "delivered"): told}
    await server.close()
    assert crm.out_of_order() == []
    assert crm.events == told
    assert crm.attempts > told, "it did not misbehave, so this showed nothing"


async def test_a_receiver_that_is_away_delays_no_call_and_misses_nothing(url: str) -> None:
    port = unused_port()
    crm = Crm(SECRET)
    settings = Settings(url=url, key=KEY, endpoints=(endpoint(port),))
    loop = asyncio.get_running_loop()
    async with Ledger(settings) as ledger:
        told = sum(a_call(ledger, f"early-{number}") for number in range(10))
        begun = loop.time()
        await ledger.append(Entry.now(Fault(where="a call that waits for its entry")))
        assert loop.time() - begun < 0.5
    # The controller was restarted, and the CRM is back.
    server = await crm.start(port)
    async with Ledger(settings) as ledger:
        told += sum(a_call(ledger, f"early-{number}") for number in range(10))
        await crm.until(told)
    await server.close()
    assert crm.out_of_order() == []
    assert crm.events == 120


async def test_a_letter_that_alone_is_refused_holds_up_only_its_own_call(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    crm = Crm(SECRET)

    def refuse_one(identity: str, message: dict[str, dict[str, object]], take: object = crm._take) -> None:
        if message["data"]["call"] == "bad":
            raise KeyError("a fault of the CRM with this very call")
        take(identity, message)  # type: ignore[operator]

    monkeypatch.setattr(crm, "_take", refuse_one)
    server = await crm.start()
    async with Ledger(Settings(url=url, key=KEY, endpoints=(endpoint(server.port or 0),))) as ledger:
        a_call(ledger, "bad")
        told = sum(a_call(ledger, f"good-{number}") for number in range(5))
        await crm.until(told)
        assert (await ledger.outbox())["crm", "waiting"] >= 6
    await server.close()
    assert set(crm.calls) == {f"good-{number}" for number in range(5)}
    assert crm.out_of_order() == []


async def test_dead_letters_can_be_told_again(url: str) -> None:
    crm = Crm(SECRET, Moods(answer=422))
    server = await crm.start()
    tired = endpoint(server.port or 0, give_up_after=0.0)
    async with Ledger(Settings(url=url, key=KEY, endpoints=(tired,))) as ledger:
        told = a_call(ledger, "call-1")
        async with asyncio.timeout(10):
            while (await ledger.outbox()).get(("crm", "dead"), 0) < told:
                await asyncio.sleep(0.01)
        assert crm.events == 0
        crm.moods = Moods()
        assert await ledger.replay("crm") == told
        await crm.until(told)
        async with asyncio.timeout(5):
            while await ledger.outbox() != {("crm", "delivered"): told}:
                await asyncio.sleep(0.01)
    await server.close()
    assert crm.out_of_order() == []


async def test_only_what_was_asked_for_is_told_and_also_checkpoints(url: str) -> None:
    crm, other = Crm(SECRET), Crm(SECRET)
    servers = [await crm.start(), await other.start()]
    settings = Settings(
        url=url,
        key=KEY,
        endpoints=(
            endpoint(servers[0].port or 0, events=("consent.*",)),
            endpoint(servers[1].port or 0, name="auditor", events=("ledger.checkpoint", "*.switched_off")),
        ),
    )
    async with Ledger(settings) as ledger:
        a_call(ledger, "call-1")
        await ledger.append(Entry.now(Switch(kind=Kind.RECORDING_OFF, by="boss", reason="raid")))
        await crm.until(1)
        await other.until(1)
    async with Ledger(settings):
        await other.until(2)
    for server in servers:
        await server.close()
    assert [m["type"] for m in crm.calls["call-1"]] == ["consent.granted"]
    assert [m["type"] for m in other.calls[""]] == ["recording.switched_off", "ledger.checkpoint"]
    assert other.calls[""][1]["data"]["checkpoint"].startswith("callguard/")
    assert other.calls[""][1]["data"]["size"] == 8


async def test_two_controllers_deliver_each_event_once(url: str) -> None:
    crm = Crm(SECRET)
    server = await crm.start()
    where = (endpoint(server.port or 0),)
    first, second = (Ledger(Settings(url=url, key=KEY, name=n, endpoints=where)) for n in ("one", "two"))
    async with first, second:
        told = 0
        for number in range(20):
            told += a_call((first, second)[number % 2], f"call-{number}")
        await crm.until(told)
    await server.close()
    assert crm.out_of_order() == []
    assert crm.events == told
    if url.startswith("postgresql"):
        assert crm.repeated == 0


async def test_the_sequence_of_a_call_goes_on_after_a_restart(url: str) -> None:
    crm = Crm(SECRET)
    server = await crm.start()
    settings = Settings(url=url, key=KEY, endpoints=(endpoint(server.port or 0),))
    for part in range(2):
        async with Ledger(settings) as ledger:
            a_call(ledger, "call-1")
            await crm.until(6 * (part + 1))
    await server.close()
    assert [m["data"]["sequence"] for m in crm.calls["call-1"]] == list(range(1, 13))


async def test_rows_are_written_with_the_entry_or_not_at_all(url: str) -> None:
    """Without a courier that could deliver, each told entry has its row: they share a transaction."""
    from sqlalchemy import create_engine, select

    from callguard.ledger.database import parse_url
    from callguard.ledger.schema import entries, outbox

    async with Ledger(Settings(url=url, key=KEY, endpoints=(endpoint(unused_port()),))) as ledger:
        for number in range(30):
            a_call(ledger, f"call-{number}")
    engine = create_engine(parse_url(url))
    with engine.connect() as connection:
        rows = connection.execute(select(outbox.c.position, outbox.c.event).order_by(outbox.c.position)).all()
        kinds = dict(connection.execute(select(entries.c.position, entries.c.kind)).all())
    engine.dispose()
    assert len(rows) == 180
    assert {kinds[position] for position, event in rows if event == "consent.granted"} == {"consent"}
    assert len({position for position, _ in rows}) == 180


# -- the layout ---------------------------------------------------------------------------------------


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The example of the specification's own libraries."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    made = headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, [secret])
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_receiver_refuses_what_is_forged_or_old() -> None:
    body, now = b'{"type": "consent.granted"}', time.time()
    made = headers("cg_1", int(now), body, [OTHER, SECRET])
    assert genuine(made, body, SECRET, now)
    assert genuine(made, body, OTHER, now), "while a secret is being changed, both are good"
    assert not genuine(made, body + b" ", SECRET, now)
    assert not genuine(made, body, SECRET, now + 301)
    assert not genuine({**made, "webhook-id": "cg_2"}, body, SECRET, now)
    assert not genuine({**made, "webhook-timestamp": "soon"}, body, SECRET, now)
    assert not genuine({}, body, SECRET, now)


@pytest.mark.parametrize("secret", ["", "secret", "whsec_", "whsec_c2hvcnQ=", "whsec_%%%"])
def test_a_weak_secret_is_refused(secret: str) -> None:
    with pytest.raises(LedgerError, match="24 to 64 random bytes"):
        check_secret(secret)
    assert check_secret(SECRET) == SECRET


def test_a_secret_is_never_shown() -> None:
    assert SECRET not in repr(endpoint(1))


def test_events_have_the_names_that_were_promised() -> None:
    assert event_of(Retention(action="shred", recording="r", by="sweep")) == "retention.shred"
    stopped = Capture(kind=Kind.CAPTURE_STOPPED, recording="r", shred=True)
    assert event_of(stopped) == "recording.shredded"
    assert event_of(Fault(where="x")) == ""


def test_a_message_is_the_same_at_every_attempt_but_for_its_time() -> None:
    now = datetime.now(UTC)
    later = now + timedelta(hours=5)
    first = headers("cg_1", int(now.timestamp()), b"{}", [SECRET])
    second = headers("cg_1", int(later.timestamp()), b"{}", [SECRET])
    assert first["webhook-id"] == second["webhook-id"]
    assert first["webhook-signature"] != second["webhook-signature"]
    assert json.loads(b"{}") == {}


async def test_a_ledger_without_endpoints_has_an_empty_outbox(url: str) -> None:
    async with await open_ledger(url, KEY) as ledger:
        a_call(ledger, "call-1")
        await ledger.append(Entry.now(Fault(where="x")))
        assert await ledger.outbox() == {}
