"""Requests that mean harm: nothing of them reaches the desk, and the server goes on."""

import asyncio
import gzip
import json

import pytest
import pytest_asyncio

from callguard.controller.wishes import Verb
from fakes.desk import a_call
from fakes.web_front import TOKENS, open_house

AUTHORIZED = f"Authorization: Bearer {TOKENS['boss']}\r\n".encode()


@pytest_asyncio.fixture
async def house():
    async with open_house() as house:
        house.desk.add(a_call())
        yield house
        # Whatever was sent before: it still serves.
        house.clock.now += 3600
        assert (await house.get("/v1/calls", token="crm")).status == 200


async def sent(house, body, verb="pause", content_type="application/json", **more):
    headers = {"Content-Type": content_type, **more.pop("headers", {})}
    return await house.ask("POST", f"/v1/{verb}", data=body, headers=headers, **more)


BROKEN = {
    "empty": b"",
    "no json": b"pause please",
    "a list": b'[{"call": "c-1"}]',
    "a string": b'"c-1"',
    "null": b"null",
    "cut off": b'{"call": "c-1"',
    "twice": b'{"call": "c-2", "call": "c-1"}',
    "not a number": b'{"call": "c-1", "seconds": NaN}',
    "infinity": b'{"call": "c-1", "seconds": -Infinity}',
    "latin-1": '{"call": "é"}'.encode("latin-1"),
    "utf-16": '{"call": "c-1"}'.encode("utf-16"),
    "mark": b'\xef\xbb\xbf{"call": "c-1"}',
    "deep": b"[" * 8000,
    "deep object": b'{"a":' * 1300 + b"1",
    "endless number": b'{"call": "c-1", "seconds": ' + b"9" * 5000 + b"}",
    "after it": b'{"call": "c-1"} {"call": "c-1"}',
}


@pytest.mark.parametrize("what", BROKEN)
async def test_what_is_no_json_object_is_not_guessed_at(house, what):
    reply = await sent(house, BROKEN[what])
    assert (reply.status, reply.kind) == (400, "unreadable"), reply.text
    assert house.desk.done == []


UNFIT = {
    "nobody": {},
    "two names": {"call": "c-1", "channel": "pbx-c-1"},
    "null": {"call": None},
    "number": {"call": 1},
    "list": {"call": ["c-1"]},
    "object": {"call": {"$ne": ""}},
    "truth": {"call": True},
    "empty": {"call": ""},
    "blank": {"call": "   "},
    "long": {"call": "c" * 129},
    "line break": {"call": "c-1\r\nAction: Originate"},
    "zero byte": {"call": "c-1\0"},
    "escape": {"call": "\x1b[2J"},
    "turns text round": {"call": "\u202ec-1"},
    "unknown": {"call": "c-1", "shred": True},
    "numeral": {"call": "c-1", "seconds": "90"},
    "truth for seconds": {"call": "c-1", "seconds": True},
    "too short": {"call": "c-1", "seconds": 0.5},
    "too long": {"call": "c-1", "seconds": 1e308},
    "before": {"call": "c-1", "drop_last": -1},
    "all of it": {"call": "c-1", "drop_last": 51},
}


@pytest.mark.parametrize("what", UNFIT)
async def test_what_does_not_fit_is_refused_with_the_place(house, what):
    reply = await house.post("/v1/pause", UNFIT[what])
    assert (reply.status, reply.kind) == (422, "unfit"), reply.text
    assert reply.json["errors"]
    assert house.desk.done == []


async def test_half_a_character_is_refused(house):
    reply = await sent(house, b'{"call": "\\ud800"}')
    assert reply.status == 422


async def test_a_number_beyond_all_bounds_is_refused(house):
    assert (await sent(house, b'{"call": "c-1", "seconds": 1e999}')).status == 422


@pytest.mark.parametrize("reference", ["4111111111111111", "4111 1111 1111 1111", "5500-0000-0000-0004"])
async def test_a_card_number_is_refused_and_never_repeated(house, reference):
    bodies = (
        ("payment", {"call": "c-1", "reference": reference}),
        ("extend", {"call": "c-1", "reason": f"card {reference}"}),
        ("payment", {"call": "c-1", "reference": "x", reference: "y"}),
        ("payment", {"call": "c-1", "reference": [reference]}),
    )
    for verb, body in bodies:
        reply = await house.post(f"/v1/{verb}", body)
        assert reply.status == 422
        assert reference not in reply.text
        assert reference.replace(" ", "").replace("-", "") not in reply.text
    assert house.desk.done == []


async def test_nothing_but_plain_json_is_taken(house):
    body = b'{"call": "c-1"}'
    for content_type in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "text/json",
    ):
        reply = await sent(house, body, content_type=content_type)
        assert (reply.status, reply.kind) == (415, "not-json")
    # A megabyte of nothing, packed: it is not unpacked.
    packed = gzip.compress(b" " * 1_000_000 + body)
    reply = await sent(house, packed, headers={"Content-Encoding": "gzip"})
    assert (reply.status, reply.kind) == (415, "not-json")
    assert house.desk.done == []


async def test_large_bodies_are_refused_whether_they_tell_their_size_or_not(house):
    body = json.dumps({"call": "c-1", "case": "x" * 10_000}).encode()
    assert (await sent(house, body)).kind == "too-large"

    async def pieces():
        for _ in range(100):
            yield b" " * 1000

    assert (await sent(house, pieces())).status == 413
    assert house.desk.done == []


async def test_a_body_that_never_comes_is_not_waited_for(house, monkeypatch):
    monkeypatch.setattr("callguard.web.reception.BODY_SECONDS", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", house.front.port)
    writer.write(
        b"POST /v1/pause HTTP/1.1\r\nHost: x\r\n"
        + AUTHORIZED
        + b'Content-Type: application/json\r\nContent-Length: 15\r\n\r\n{"call"'
    )
    async with asyncio.timeout(10):
        assert b" 408 " in await reader.readline()
    writer.close()
    assert house.desk.done == []


async def test_a_head_that_never_ends_is_cut_off(monkeypatch):
    monkeypatch.setattr("callguard.web.serving.QUIET_SECONDS", 0.3)
    async with open_house() as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.front.port)
        writer.write(b"GET /v1/calls HTTP/1.1\r\nHost: x\r\n")

        async def drip():
            while True:
                writer.write(b"X: y\r\n")
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        try:
            async with asyncio.timeout(10):
                assert await reader.read() == b""
        finally:
            dripping.cancel()
            writer.close()


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/",
        "/v1/calls/",
        "/v1/calls/..",
        "/v1/calls/../../etc/passwd",
        "/v1/calls/%2e%2e%2fopenapi.json",
        "/v1/calls/c-1%00",
        "/v1/calls/c-1/../c-1",
        "/v1/calls/%ff%fe",
        "/v1/calls/" + "c" * 65,
        "/v1//calls",
        "//v1/calls",
        "/V1/calls",
        "/v1/calls;x=1",
        "/v1/problems/../../x",
        "/v1/problems/%0d%0aSet-Cookie:x",
        "/phone/",
        "/phone/shred",
        "/phone/pause/..",
        "/metrics/",
        "/v1/stop-all",
        "/control.sock",
    ],
)
async def test_no_path_leads_anywhere_else(house, path):
    answer = await house.raw(
        b"GET " + path.encode() + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + AUTHORIZED + b"\r\n"
    )
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == b"404", answer
    assert b"Set-Cookie" not in head
    assert json.loads(body)["type"].startswith("/v1/problems/no-such-")


RAW = {
    "two lengths": b"Content-Length: 15\r\nContent-Length: 16\r\n",
    "length and chunks": b"Content-Length: 15\r\nTransfer-Encoding: chunked\r\n",
    "odd chunks": b"Transfer-Encoding: chunked, identity\r\n",
    "negative": b"Content-Length: -1\r\n",
    "line break in a name": b"Content\n-Length: 15\r\n",
    "zero byte": b"X-Y: a\0b\r\nContent-Length: 15\r\n",
    "folded": b"X-Y: a\r\n b\r\nContent-Length: 15\r\n",
    "blank before the colon": b"Content-Length : 15\r\n",
    "long": b"X-Y: " + b"a" * 10_000 + b"\r\nContent-Length: 15\r\n",
    "many": b"".join(b"X-%d: y\r\n" % n for n in range(500)) + b"Content-Length: 15\r\n",
}


@pytest.mark.parametrize("what", RAW)
async def test_a_head_that_can_be_read_in_two_ways_is_refused(house, what):
    answer = await house.raw(
        b"POST /v1/pause HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        + AUTHORIZED
        + RAW[what]
        + b'\r\n{"call": "c-1"}'
    )
    assert answer.split(b" ")[1:2] == [b"400"], answer
    assert house.desk.done == []


@pytest.mark.parametrize("line", [b"GET /v1/calls HTTP/9.9", b"\x16\x03\x01", b"G\0T / HTTP/1.1"])
async def test_what_is_no_http_is_refused(house, line):
    answer = await house.raw(line + b"\r\nHost: x\r\n" + AUTHORIZED + b"\r\n")
    assert answer.split(b" ")[1:2] == [b"400"], answer


@pytest.mark.parametrize("header", ["Authorization", "Idempotency-Key"])
async def test_a_header_that_stands_there_twice_is_refused(house, header):
    value = {"Authorization": f"Bearer {TOKENS['boss']}", "Idempotency-Key": "k"}[header]
    more = b"" if header == "Authorization" else AUTHORIZED
    answer = await house.raw(
        b"POST /v1/pause HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 15\r\n"
        b"Connection: close\r\n" + more + f"{header}: {value}\r\n".encode() * 2 + b'\r\n{"call": "c-1"}'
    )
    assert answer.split(b" ")[1] in {b"400", b"401"}, answer
    assert house.desk.done == []


@pytest.mark.parametrize("key", ["", " ", "k" * 201, '"', '"open', "é", "a\tb"])
async def test_a_key_has_to_be_a_short_text(house, key):
    reply = await house.post("/v1/pause", {"call": "c-1"}, headers={"Idempotency-Key": key})
    assert (reply.status, reply.kind) == (400, "unreadable")
    assert house.desk.done == []


async def test_a_query_beside_the_body_is_refused(house):
    assert (await house.post("/v1/pause?call=c-2", {"call": "c-1"})).status == 400
    assert (await house.get("/v1/calls?token=x")).status == 400
    assert house.desk.done == []


async def test_no_other_method_does_anything(house):
    for method in ("GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"):
        for verb in Verb:
            reply = await house.ask(method, f"/v1/{verb.value}")
            assert reply.status == 405
            assert reply.headers["Allow"] == "POST"
    assert house.desk.done == []


async def test_what_proxies_are_told_is_not_believed(house):
    for n in range(21):
        await house.get("/v1/calls", token="guess" * 10, headers={"X-Forwarded-For": f"192.0.2.{n}"})
    assert (await house.get("/v1/calls", headers={"X-Forwarded-For": "192.0.2.99"})).status == 429


async def test_a_browser_gets_no_leave_to_ask_from_elsewhere(house):
    reply = await house.ask(
        "OPTIONS",
        "/v1/pause",
        token=None,
        headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
    )
    assert reply.status == 405
    assert not [name for name in reply.headers if name.startswith("Access-Control")]


async def test_many_at_once_are_all_answered(house):
    async def one(n):
        body = [b"{", b"[]", b'{"call": "c-1"}', b"x" * 9000][n % 4]
        return (await sent(house, body)).status

    answers = await asyncio.gather(*(one(n) for n in range(200)))
    # Some of them make the token wait; a pause that can be read is never made to.
    assert set(answers) <= {200, 400, 413, 429}
    assert answers[2::4] == [200] * 50


async def test_what_cannot_be_read_is_not_logged_either(house, caplog):
    for line in (b"GET /v1/calls?key=" + b"k" * 32 + b" HTTP/9.9", b"GET / HTTP/1.1\r\nA\0: b"):
        await house.raw(line + b"\r\n" + AUTHORIZED.replace(b": ", b" : ") + b"\r\n")
    assert "Error handling request from 127.0.0.1" in caplog.text
    assert TOKENS["boss"] not in caplog.text
    assert "k" * 32 not in caplog.text
