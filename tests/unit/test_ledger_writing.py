"""Appending and reading, on both databases."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from callguard.consent.actions import CaptureEntry, Change, HoldEntry, ViolationEntry
from callguard.consent.replay import replay
from callguard.consent.words import Answer, Basis, ConsentEntry, Form, Heard, Outcome, Prompt
from callguard.errors import LedgerError
from callguard.ledger import Entry, Kind, Ledger, Settings, SigningKey, body_for, core_entries, open_ledger
from callguard.ledger.bodies import Answered, AnyBody, Arrived, Capture, Ended, Fault, Routed
from callguard.ledger.source import DatabaseSource
from callguard.ledger.tree import leaf_hash, root_of
from callguard.ledger.verify import verify
from fakes.tampering import write_calls

CALL = "2f1c7c1e-5a4b-4c53-9f0e-0f2d3c4b5a69"
KEY = SigningKey.generate()


def granted(number: int = 1) -> ConsentEntry:
    prompt = Prompt(
        name="announcement", language="en", media=("sound:a", "sound:b"), sha256="ab" * 32, seconds=5.25
    )
    return ConsentEntry(
        number=number,
        who="caller",
        outcome=Outcome.GRANTED,
        basis=Basis(
            jurisdictions=("US-WA", "US-CA"),
            rule="US-CA",
            table="2026.11 3f2a",
            statutes=("Cal. Penal Code 632",),
            flags=frozenset({"disputed", "beep"}),
        ),
        form=Form.EXPLICIT,
        heard=(Heard(prompt=prompt, started=100.5, ended=105.75, completely=True),),
        answer=Answer(kind="key", value="1", confidence=1.0, at=107.125),
        attempts=1,
        decided=107.25,
        queue="sales",
        notes=("agent was told",),
    )


async def said(ledger: Ledger, body: AnyBody, call: str = CALL) -> None:
    await ledger.append(Entry.now(body, call))


async def test_what_goes_in_comes_out_as_the_same_value(url: str) -> None:
    bodies: list[AnyBody] = [
        Arrived(channel="1700.1", caller="+14155550100", called="+12065550100", queue="sales", case="C-77"),
        body_for(granted()),
        Routed(queue="sales", outcome=Outcome.GRANTED),
        Capture(
            kind=Kind.CAPTURE_ERASED, recording=CALL, offset=8000, until=16000, rate=8000, reason="late pause"
        ),
        Ended(outcome=Outcome.GRANTED, captured_ms=61_000),
    ]
    async with await open_ledger(url, KEY) as ledger:
        moment = datetime(2026, 11, 3, 9, 30, 0, 123456, tzinfo=UTC)
        for step, body in enumerate(bodies):
            await ledger.append(
                Entry(body=body, call=CALL, utc=moment + timedelta(microseconds=step), monotonic=5.000001)
            )
        stored = await ledger.entries(call=CALL)
    assert [entry.body for entry in stored] == bodies
    assert [entry.position for entry in stored] == [0, 1, 2, 3, 4]
    assert stored[0].utc == moment
    assert stored[0].monotonic == pytest.approx(5.000001, abs=1e-9)


async def test_the_core_can_replay_its_own_entries(url: str) -> None:
    committed = [
        granted(1),
        CaptureEntry(number=2, change=Change.ORDERED, why="consent"),
        CaptureEntry(number=3, change=Change.STARTED, why="consent", offset=0),
        HoldEntry(number=4, hold="untold:joined-1", on=True, by="pbx"),
        CaptureEntry(number=5, change=Change.PAUSED, why="payment", by="agent", hold="payment"),
        CaptureEntry(number=6, change=Change.PAUSE_CONFIRMED, why="payment", offset=80_000),
        ViolationEntry(number=7, recorder="MixMonitor", allowed=True),
    ]
    async with await open_ledger(url, KEY) as ledger:
        for entry in committed:
            await said(ledger, body_for(entry, recording=CALL))
        again = core_entries(await ledger.entries(call=CALL))
    assert again == committed
    assert replay(again) == replay(committed)


async def test_an_entry_is_its_own_canonical_text(url: str) -> None:
    """RFC 8785: sorted keys, no spaces, UTF-8; the leaf hash is over exactly that text."""
    async with await open_ledger(url, KEY) as ledger:
        await said(ledger, Fault(where="prompts", detail='Zoë\n"quoted" 😀 \x7f'))
        (entry,) = await ledger.entries()
    content = json.loads(entry.text)
    assert json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False) == entry.text
    assert list(content) == ["body", "by", "call", "kind", "mono", "n", "prev", "utc", "v"]
    assert entry.leaf == leaf_hash(entry.text.encode())
    assert content["prev"] == "00" * 32


HOSTILE = [
    "'; DROP TABLE entries; --",
    "${SHELL(id)}",
    "a\x00b",
    "\ud800 lone surrogate",
    'quote" back\\slash',
    "x" * 10_000,
    "комитет 委員会 \u202e",
    "line\nline\r\n",
]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
async def test_hostile_text_is_kept_and_verifies(url: str, name: str) -> None:
    async with await open_ledger(url, KEY) as ledger:
        await said(ledger, Arrived(channel=name, caller=name, called=name, queue=name))
        await said(ledger, Fault(where="x", detail=name))
        (entry,) = await ledger.search(caller=name)
    assert entry.content["caller"] == name.replace("\ud800", "�")
    with DatabaseSource(url) as source:
        assert verify(source, [KEY.public]).ok


async def test_order_is_the_order_of_append(url: str) -> None:
    async with await open_ledger(url, KEY) as ledger:
        receipts = await asyncio.gather(
            *(ledger.append(Entry.now(Fault(where=str(n)), CALL)) for n in range(1500))
        )
        stored = await ledger.entries(limit=2000)
    assert [receipt.position for receipt in receipts] == list(range(1500))
    assert [entry.content["where"] for entry in stored] == [str(n) for n in range(1500)]
    assert [receipt.leaf for receipt in receipts] == [entry.leaf for entry in stored]


async def test_a_note_keeps_its_place_and_is_durable_soon(url: str) -> None:
    async with await open_ledger(url, KEY) as ledger:
        ledger.note(Entry.now(Fault(where="first")))
        await said(ledger, Fault(where="second"))
        ledger.note(Entry.now(Fault(where="third")))
        async with asyncio.timeout(1):
            while await ledger.size() < 3:
                await asyncio.sleep(0.01)
        assert [e.content["where"] for e in await ledger.entries()] == ["first", "second", "third"]


async def test_questions(url: str) -> None:
    async with await open_ledger(url, KEY) as ledger:
        await write_calls(ledger, 12)
        everything = await ledger.entries(limit=100)
        call = everything[17].call
        assert [e.position for e in await ledger.entries(call=call)] == [15, 16, 17, 18, 19]
        assert {e.kind for e in await ledger.entries(kinds=[Kind.CONSENT])} == {"consent"}
        assert [e.position for e in await ledger.entries(after=57)] == [58, 59]
        begin = everything[20].utc
        inside = await ledger.entries(since=begin, until=begin + timedelta(seconds=1))
        assert [e.position for e in inside] == [20, 21, 22, 23, 24]
        refused = await ledger.search(outcome="refused", queue="sales")
        assert refused
        assert all(e.content["outcome"] == "refused" for e in refused)
        assert [e.call for e in await ledger.search(caller="+14155550003")] == [everything[15].call]
        assert await ledger.search(caller="+14155559999") == []


async def test_open_calls_are_those_that_have_not_ended(url: str) -> None:
    async with await open_ledger(url, KEY) as ledger:
        for call in ("a", "b", "c"):
            await said(ledger, Arrived(channel="1", caller="+1", called="+2"), call)
        await said(ledger, Ended(outcome=Outcome.REFUSED), "b")
        assert await ledger.open_calls() == ["a", "c"]


async def test_a_ledger_goes_on_where_it_ended(url: str) -> None:
    async with await open_ledger(url, KEY) as ledger:
        await write_calls(ledger, 3)
    async with await open_ledger(url, KEY) as ledger:
        assert (await ledger.append(Entry.now(Fault(where="after")))).position == 15
        leaves = [entry.leaf for entry in await ledger.entries()]
    with DatabaseSource(url) as source:
        report = verify(source, [KEY.public])
    assert report.ok
    assert report.root == root_of(leaves)
    assert report.checkpoints == 3  # one at each close, and the edge


async def test_two_controllers_write_one_order(url: str) -> None:
    first, second = (Ledger(Settings(url=url, key=KEY, name=name)) for name in ("one", "two"))

    async with first, second:
        for number in range(40):
            both = (
                said(ledger, Fault(where=f"{number}.{n}")) for n in range(5) for ledger in (first, second)
            )
            await asyncio.gather(*both)
        stored = await first.entries(limit=1000)
    assert [entry.position for entry in stored] == list(range(400))
    turns = sum(a.by != b.by for a, b in pairwise(stored))
    assert turns >= 40, "they did not write at once, so this showed nothing"
    for name in ("one", "two"):
        own = [entry.content["where"] for entry in stored if entry.by.startswith(name)]
        assert own == [f"{number}.{n}" for number in range(40) for n in range(5)]
    with DatabaseSource(url) as source:
        assert verify(source, [KEY.public]).ok


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (Fault(where=1.5), "not float"),  # type: ignore[arg-type]
        (Ended(outcome=Outcome.GRANTED, captured_ms=2**53), "2\\*\\*53"),
        (Capture(kind=Kind.FAULT), "cannot stand in the ledger"),
    ],
)
async def test_what_has_no_canonical_form_fails_alone(url: str, body: AnyBody, says: str) -> None:
    async with await open_ledger(url, KEY) as ledger:
        good = ledger.append(Entry.now(Fault(where="good")))
        bad = ledger.append(Entry.now(body))
        after = ledger.append(Entry.now(Fault(where="after")))
        with pytest.raises(LedgerError, match=says):
            await bad
        assert [(await good).position, (await after).position] == [0, 1]


async def test_a_time_without_zone_and_a_strange_call_id_are_refused(url: str) -> None:
    async with await open_ledger(url, KEY) as ledger:
        naive = Entry(body=Fault(where="x"), utc=datetime(2026, 11, 1), monotonic=0.0)  # noqa: DTZ001
        with pytest.raises(LedgerError, match="time zone"):
            await ledger.append(naive)
        with pytest.raises(LedgerError, match="id of a call"):
            await said(ledger, Fault(where="x"), call='a","kind":"consent')


@pytest.mark.parametrize(
    ("form", "value"), [("key", "41111"), ("button", "12"), ("speech", "my pin is 1234")]
)
def test_an_answer_never_holds_digits(form: str, value: str) -> None:
    with pytest.raises(LedgerError, match="one key or one word"):
        Answered(form=form, value=value)


async def test_card_numbers_in_sentences_are_masked(url: str) -> None:
    async with await open_ledger(url, KEY) as ledger:
        await said(ledger, Fault(where="x", detail="said 4111 1111 1111 1111 twice; order 1234567890123"))
        (entry,) = await ledger.entries()
    assert entry.content["detail"] == "said [digits] twice; order 1234567890123"
