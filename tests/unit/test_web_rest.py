"""REST over real HTTP: who may ask what, what is answered, and only when the recorder did it."""

import asyncio
import json

import pytest
import pytest_asyncio
import structlog

from callguard.controller.desk import Lamp, NotConfirmed
from callguard.errors import AsteriskError
from fakes.desk import SAYINGS, a_call
from fakes.waiting import until
from fakes.web_front import PHONE_SECRET, TOKENS, open_house


@pytest_asyncio.fixture
async def house():
    async with open_house() as house:
        house.desk.add(a_call("c-1", case="4711"), a_call("c-2", agents=("212",)))
        yield house


BODIES = {
    "pause": {"drop_last": 5, "seconds": 90.5},
    "resume": {},
    "extend": {"reason": "the card did not work"},
    "withdraw": {},
    "case": {"assign": "4712"},
    "payment": {"reference": "order 2026-17"},
}


# ---------------------------------------------------------------------- what is asked


@pytest.mark.parametrize(
    "name", [{"call": "c-1"}, {"channel": "pbx-c-1"}, {"extension": "211"}, {"case": "4711"}], ids=str
)
async def test_a_call_is_named_in_any_of_four_ways(house, name):
    reply = await house.post("/v1/pause", name)
    assert reply.status == 200
    assert (reply.json["call"], reply.json["state"], reply.json["seconds_left"]) == ("c-1", "paused", 180.0)


@pytest.mark.parametrize("verb", BODIES)
async def test_each_verb_reaches_the_desk_with_all_that_was_said(house, verb):
    if verb in {"resume", "extend"}:
        await house.post("/v1/pause", {"call": "c-1"})
        house.desk.done.clear()
    reply = await house.post(f"/v1/{verb}", {"call": "c-1", **BODIES[verb]}, token="crm")
    assert reply.status == 200, reply.text
    [done] = house.desk.done
    assert (
        done
        == {
            "pause": ("pause", "c-1", "program crm", "90.5", "5.0"),
            "resume": ("resume", "c-1", "program crm"),
            "extend": ("extend", "c-1", "program crm", "the card did not work"),
            "withdraw": ("withdraw", "c-1", "program crm", "False"),
            "case": ("assign", "c-1", "program crm", "4712"),
            "payment": ("paid", "c-1", "program crm", "order 2026-17"),
        }[verb]
    )


async def test_the_answer_is_what_the_recorder_says_and_nothing_else(house):
    reply = await house.post("/v1/pause", {"call": "c-1", "drop_last": 4})
    assert reply.json == {
        "call": "c-1",
        "channel": "pbx-c-1",
        "caller": "+15125550100",
        "queue": "sales",
        "agents": ["211"],
        "case": "4711",
        "state": "paused",
        "seconds_left": 180.0,
        "extended": False,
        "erased_seconds": 4.0,
    }
    assert (await house.get("/v1/calls/c-1")).json == reply.json


async def test_nothing_is_answered_before_the_recorder_did_it(house):
    house.desk.free.clear()
    asked = asyncio.create_task(house.post("/v1/pause", {"call": "c-1"}))
    await until(lambda: house.desk.under_way == 1)
    # Another request on the same server is answered meanwhile: it is not the server that waits.
    assert (await house.get("/v1/calls/c-1")).json["state"] == "recording"
    assert not asked.done()
    house.desk.free.set()
    assert (await asked).json["state"] == "paused"


async def test_a_recorder_that_does_not_obey_is_told_as_such(house):
    house.desk.obeys = False
    reply = await house.post("/v1/pause", {"call": "c-1"})
    assert (reply.status, reply.kind) == (502, "not-confirmed")
    assert "recording was ended" in reply.json["detail"]
    assert (await house.get("/v1/calls/c-1")).json["state"] == "fault"


async def test_the_list_has_every_live_call(house):
    reply = await house.get("/v1/calls")
    assert [call["call"] for call in reply.json["calls"]] == ["c-1", "c-2"]


# ---------------------------------------------------------------------- what is in the way

STATUS = {
    "NoSuchCall": (404, "no-such-call"),
    "NotUnique": (409, "not-unique"),
    "NotRecorded": (409, "not-recorded"),
    "NotAllowedNow": (409, "not-allowed-now"),
    "NotConfirmed": (502, "not-confirmed"),
    "NotPlaced": (409, "not-placed"),
    "DeskError": (409, "not-possible"),
}


@pytest.mark.parametrize("saying", SAYINGS)
async def test_each_thing_the_desk_says_has_a_status_of_its_own(house, saying):
    house.desk.fault = saying("so it is; do this")
    reply = await house.post("/v1/resume", {"call": "c-1"})
    assert (reply.status, reply.kind) == STATUS[saying.__name__]
    assert reply.json["status"] == reply.status
    assert reply.json["detail"] == "so it is; do this"
    # The type is an address that explains itself.
    told = await house.get(reply.json["type"], token=None)
    assert told.status == 200
    assert told.text.startswith(f"{reply.status}: {reply.json['title']}")


async def test_asterisk_out_of_reach_is_503_and_a_mistake_of_ours_500_without_its_words(house):
    house.desk.fault = AsteriskError("AMI is gone; start Asterisk")
    reply = await house.post("/v1/pause", {"call": "c-1"})
    assert (reply.status, reply.kind) == (503, "unavailable")
    house.desk.fault = RuntimeError("secret inner life")
    reply = await house.post("/v1/pause", {"call": "c-1"})
    assert (reply.status, reply.kind) == (500, "broken")
    assert "inner life" not in reply.text


async def test_several_calls_of_one_case_are_not_guessed_at(house):
    house.desk.add(a_call("c-3", case="4711"))
    reply = await house.post("/v1/pause", {"case": "4711"})
    assert (reply.status, reply.kind) == (409, "not-unique")
    assert house.desk.done == []


async def test_a_recorder_that_takes_too_long_is_told_and_goes_on(house, monkeypatch):
    monkeypatch.setattr("callguard.web.reception.ANSWER_SECONDS", 0.05)
    house.desk.free.clear()
    reply = await house.post("/v1/pause", {"call": "c-1"}, key="k")
    assert (reply.status, reply.kind) == (504, "no-answer")
    house.desk.free.set()
    await until(lambda: house.desk.done)
    # The same request, sent again, gets the answer; it is not done twice.
    assert (await house.post("/v1/pause", {"call": "c-1"}, key="k")).json["state"] == "paused"
    assert len(house.desk.done) == 1


# ---------------------------------------------------------------------- who may ask


async def test_nobody_asks_without_a_token(house):
    for headers in ({}, {"Authorization": "Basic Zm9vOmJhcg=="}, {"Authorization": "Bearer "}):
        reply = await house.ask("POST", "/v1/pause", token=None, headers=headers, json={"call": "c-1"})
        assert (reply.status, reply.kind) == (401, "no-token")
        assert reply.headers["WWW-Authenticate"].startswith('Bearer realm="callguard"')
    assert (await house.get("/v1/calls", token="wrong" * 10)).kind == "no-token"
    assert house.desk.done == []


async def test_the_hash_of_a_token_is_no_token(house):
    config = house.front._reception.config
    for token in config.web.tokens.values():
        reply = await house.get("/v1/calls", token=token.secret.get_secret_value())
        assert reply.status == 401


async def test_an_agent_sees_and_pauses_calls_at_their_own_telephone_only(house):
    assert [call["call"] for call in (await house.get("/v1/calls", token="desk-212")).json["calls"]] == [
        "c-2"
    ]
    assert (await house.post("/v1/pause", {"call": "c-2"}, token="desk-212")).json["state"] == "paused"
    others = [{"call": "c-1"}, {"channel": "pbx-c-1"}, {"extension": "211"}, {"case": "4711"}]
    # What is not theirs is answered word for word like what is not there.
    absent = (await house.post("/v1/pause", {"call": "nowhere"}, token="desk-212")).text
    for name in others:
        reply = await house.post("/v1/pause", name, token="desk-212")
        assert (reply.status, reply.text) == (404, absent)
    assert (await house.get("/v1/calls/c-1", token="desk-212")).status == 404
    assert [done[1] for done in house.desk.done] == ["c-2"]


async def test_a_case_that_others_work_on_as_well_means_the_agents_own_call(house):
    house.desk.add(a_call("c-3", case="4711", agents=("212",)))
    reply = await house.post("/v1/pause", {"case": "4711"}, token="desk-212")
    assert reply.json["call"] == "c-3"


CALL = {"extension": "211", "number": "+12025550123", "queue": "sales"}


async def test_a_call_is_placed_once_however_often_it_is_asked_for(house):
    replies = [
        await house.post("/v1/call", CALL, token="crm", headers={"Idempotency-Key": "k"}) for _ in "ab"
    ]
    assert [reply.status for reply in replies] == [200, 200]
    assert replies[0].json == replies[1].json == CALL | {"channel": "callguard-call-1", "state": "ringing"}
    assert house.desk.done == [("call", "211", "+12025550123", "sales", "program crm")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": "+1 202 555"},
        {"number": "2,g(x)"},
        {"number": "${EXTEN}"},
        {"number": "١٢٣"},
        {"extension": "211&PJSIP/x"},
        {"extension": ""},
        {"queue": "a\nb"},
        {"dial": "PJSIP/1@x"},
    ],
    ids=str,
)
async def test_nothing_but_a_telephone_and_a_number_is_dialled(house, wrong):
    reply = await house.post("/v1/call", CALL | wrong, token="crm")
    assert reply.status == 422
    assert house.desk.done == []


async def test_an_agent_calls_from_their_own_telephone_only(house):
    assert (await house.post("/v1/call", CALL, token="desk-211")).status == 200
    assert (await house.post("/v1/call", CALL | {"extension": "212"}, token="desk-211")).status == 403


async def test_a_program_ends_a_recording_and_does_not_destroy_it(house):
    reply = await house.post("/v1/withdraw", {"call": "c-1", "shred": True}, token="crm")
    assert (reply.status, reply.kind) == (403, "not-yours")
    assert house.desk.done == []
    reply = await house.post("/v1/withdraw", {"call": "c-1", "shred": True}, token="boss")
    assert reply.json["state"] == "off"
    assert house.desk.done == [("withdraw", "c-1", "supervisor boss", "True")]


# ---------------------------------------------------------------------- the same request again


async def test_the_same_key_is_done_once_and_answered_the_same(house):
    first = await house.post("/v1/pause", {"call": "c-1"}, key="once")
    await house.post("/v1/resume", {"call": "c-1"})
    again = await house.post("/v1/pause", {"call": "c-1"}, key='"once"')  # the quotes are those of the field
    assert (again.status, again.text) == (first.status, first.text)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert [done[0] for done in house.desk.done] == ["pause", "resume"]
    assert (await house.get("/v1/calls/c-1")).json["state"] == "recording"


async def test_the_same_key_for_something_else_is_refused(house):
    await house.post("/v1/pause", {"call": "c-1"}, key="k")
    for verb, body in (
        ("pause", {"call": "c-2"}),
        ("pause", {"call": "c-1", "drop_last": 5}),
        ("resume", {"call": "c-1"}),
    ):
        reply = await house.post(f"/v1/{verb}", body, key="k")
        assert (reply.status, reply.kind) == (422, "key-used-otherwise")
    # The same in other words is the same.
    body = '{ "drop_last": 0,\n "call": "c-1" }'
    reply = await house.ask(
        "POST", "/v1/pause", data=body, headers={"Idempotency-Key": "k", "Content-Type": "application/json"}
    )
    assert reply.headers["Idempotency-Replayed"] == "true"


async def test_two_at_once_are_one_action_with_one_answer(house):
    house.desk.free.clear()
    asked = [asyncio.create_task(house.post("/v1/pause", {"call": "c-1"}, key="k")) for _ in range(5)]
    await until(lambda: house.desk.under_way == 1)
    house.desk.free.set()
    replies = await asyncio.gather(*asked)
    assert {reply.text for reply in replies} == {replies[0].text}
    assert len(house.desk.done) == 1


async def test_a_key_belongs_to_the_token_that_used_it(house):
    await house.post("/v1/pause", {"call": "c-1"}, key="k")
    reply = await house.post("/v1/resume", {"call": "c-1"}, key="k", token="crm")
    assert reply.json["state"] == "recording"


async def test_a_refusal_is_kept_as_well_and_forgotten_after_an_hour(house):
    house.desk.fault = NotConfirmed("not this time")
    first = await house.post("/v1/pause", {"call": "c-1"}, key="k")
    house.desk.fault = None
    assert (await house.post("/v1/pause", {"call": "c-1"}, key="k")).text == first.text
    house.clock.now += 3599
    assert (await house.post("/v1/pause", {"call": "c-1"}, key="k")).status == 502
    house.clock.now += 2
    assert (await house.post("/v1/pause", {"call": "c-1"}, key="k")).json["state"] == "paused"


async def test_a_mistake_of_ours_is_not_kept(house):
    house.desk.fault = RuntimeError("oh")
    assert (await house.post("/v1/pause", {"call": "c-1"}, key="k")).status == 500
    house.desk.fault = None
    assert (await house.post("/v1/pause", {"call": "c-1"}, key="k")).status == 200


async def test_whoever_hangs_up_is_served_all_the_same(house):
    house.desk.free.clear()
    asked = asyncio.create_task(house.post("/v1/pause", {"call": "c-1"}))
    await until(lambda: house.desk.under_way == 1)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    house.desk.free.set()
    await until(lambda: house.desk.done)
    assert house.desk.standing["c-1"].lamp is Lamp.PAUSED


# ---------------------------------------------------------------------- haste


async def wrong(house, times):
    for _ in range(times):
        await house.get("/v1/calls", token="guess" * 10)


async def test_whoever_guesses_has_to_wait(house):
    await wrong(house, 20)
    reply = await house.get("/v1/calls", token="guess" * 10)
    assert (reply.status, reply.kind) == (429, "too-often")
    assert 0 < int(reply.headers["Retry-After"]) <= 60
    # A right guess is not told from a wrong one meanwhile.
    assert (await house.get("/v1/calls", token="boss")).status == 429
    house.clock.now += 61
    assert (await house.get("/v1/calls", token="boss")).status == 200


async def test_a_token_that_was_right_here_before_is_let_in_although_others_guess(house):
    await house.get("/v1/calls", token="desk-211")
    await wrong(house, 30)
    reply = await house.post("/v1/pause", {"extension": "211"}, token="desk-211")
    assert reply.json["state"] == "paused"


async def test_a_token_that_fails_too_often_may_still_pause_and_end_a_recording(house):
    for _ in range(20):
        await house.get("/v1/calls/nowhere", token="crm")
    assert (await house.get("/v1/calls", token="crm")).status == 429
    assert (await house.post("/v1/resume", {"call": "c-1"}, token="crm")).status == 429
    assert (await house.post("/v1/pause", {"call": "c-1"}, token="crm")).status == 200
    assert (await house.post("/v1/withdraw", {"call": "c-1"}, token="crm")).status == 200
    assert (await house.get("/v1/calls", token="boss")).status == 200


async def test_what_the_state_of_a_call_forbids_is_nobodys_failure(house):
    for _ in range(25):
        assert (await house.post("/v1/resume", {"call": "c-1"}, token="crm")).status == 409


# ---------------------------------------------------------------------- what is not told


async def test_no_token_and_no_key_is_ever_logged(house):
    with structlog.testing.capture_logs() as logged:
        await house.post("/v1/pause", {"call": "c-1"}, token="crm", key="my-own-key")
        await house.get("/v1/calls", token="guess" * 10)
        await house.get(f"/phone/pause?ext=211&key={'k' * 32}", token=None)
        house.desk.fault = RuntimeError("oh")
        await house.post("/v1/pause", {"call": "c-1"}, token="crm")
    text = json.dumps(logged, default=repr)
    assert "program crm" in text
    for secret in (*TOKENS.values(), PHONE_SECRET, "guessguess", "my-own-key", "k" * 32):
        assert secret not in text


async def test_every_answer_forbids_to_keep_frame_or_run_it(house):
    await house.get("/v1/calls")
    await house.get("/v1/calls", token=None)
    await house.get("/nowhere", token=None)
    await house.get("/healthz", token=None)
    await house.get("/metrics")
    await house.get("/phone/pause", token=None)
    await house.get("/v1/openapi.json", token=None)
    await house.ask("PUT", "/v1/pause")
    for _, path, reply in house.replies:
        assert reply.headers["Cache-Control"] == "no-store", path
        assert reply.headers["X-Content-Type-Options"] == "nosniff", path
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"], path
        assert reply.headers["Server"] == "callguard", path
        assert "Access-Control-Allow-Origin" not in reply.headers, path
