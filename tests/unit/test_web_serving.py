"""Where the web interface listens, its certificate, reloads, figures, and its own description."""

import asyncio
import re
import shutil
import ssl
from dataclasses import replace
from pathlib import Path

import aiohttp
import jsonschema
import pytest
import pytest_asyncio
from openapi_spec_validator import validate
from prometheus_client.parser import text_string_to_metric_families

from callguard.controller.desk import Lamp
from callguard.errors import ConfigError
from callguard.web import serve
from callguard.web.openapi import document
from callguard.web.problems import PROBLEMS
from callguard.web.serving import Front
from fakes.certificates import certificate
from fakes.desk import WELL, FakeDesk, a_call
from fakes.waiting import until
from fakes.web_front import TOKENS, configuration, free_port, hashed, open_house

README = (Path(__file__).parents[2] / "README.md").read_text()


@pytest_asyncio.fixture
async def house():
    async with open_house() as house:
        house.desk.add(a_call("c-1"), a_call("c-2", agents=("212",)))
        yield house


# ---------------------------------------------------------------------- where it listens


async def test_it_is_off_until_somebody_may_use_it():
    desk = FakeDesk()
    async with serve(configuration(tokens={}), desk, desk) as front:
        assert front.port is None


async def test_a_port_that_is_taken_is_told(house):
    desk, port = FakeDesk(), house.front.port
    with pytest.raises(ConfigError, match=rf"web: 127\.0\.0\.1:{port} cannot be listened on"):
        async with serve(configuration(port=str(port)), desk, desk):
            pytest.fail("it listens twice")


async def test_what_is_under_way_is_answered_when_callguard_stops(house):
    house.desk.free.clear()
    asked = asyncio.create_task(house.post("/v1/pause", {"call": "c-1"}))
    await until(lambda: house.desk.under_way == 1)
    closing = asyncio.create_task(house.front.close())
    await asyncio.sleep(0)
    house.desk.free.set()
    assert (await asked).json["state"] == "paused"
    await closing
    with pytest.raises(aiohttp.ClientConnectionError):
        await house.get("/healthz")


# ---------------------------------------------------------------------- the certificate


def secure(directory, name="web", **more):
    paths = certificate(directory, name)
    return configuration(
        port=str(free_port()), tls={"certificate": str(paths[0]), "key": str(paths[1])}, **more
    )


async def name_shown(port):
    """The name in the certificate that is shown."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return shown


async def test_it_is_served_with_a_certificate_and_not_without_one(tmp_path):
    config = secure(tmp_path)
    trusted = ssl.create_default_context(cafile=str(tmp_path / "web.crt"))
    async with open_house(config) as house:
        house.base = house.base.replace("http://", "https://")
        reply = await house.get("/healthz", ssl=trusted)
        assert reply.status == 200
        assert "max-age" in reply.headers["Strict-Transport-Security"]
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await house.get("/healthz")
        old = ssl.create_default_context(cafile=str(tmp_path / "web.crt"))
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning):
            old.minimum_version = ssl.TLSVersion.TLSv1
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(aiohttp.ClientConnectorError):
            await house.get("/healthz", ssl=old)


async def test_a_renewed_certificate_is_shown_after_a_reload(tmp_path):
    config = secure(tmp_path)
    async with open_house(config) as house:
        before = await name_shown(house.front.port)
        other = tmp_path / "other"
        other.mkdir()
        for path in certificate(other):
            shutil.copy(path, tmp_path)
        house.front.take_over(config)
        after = await name_shown(house.front.port)
        assert after != before
        # A broken one is not taken.
        (tmp_path / "web.crt").write_text("no certificate")
        house.front.take_over(config)
        assert await name_shown(house.front.port) == after


@pytest.mark.parametrize("what", ["absent", "no certificate", "another key", "locked"])
async def test_a_certificate_that_cannot_be_used_is_told(tmp_path, what):
    config = secure(tmp_path)
    key = tmp_path / "web.key"
    if what == "absent":
        key.unlink()
    elif what == "no certificate":
        (tmp_path / "web.crt").write_text("nothing")
    elif what == "another key":
        shutil.copy(certificate(tmp_path, "other")[1], key)
    else:
        certificate(tmp_path, password=b"secret")
    desk = FakeDesk()
    with pytest.raises(ConfigError, match=r"web\.tls: .* cannot be used"):
        async with serve(config, desk, desk):
            pytest.fail("it is served")


# ---------------------------------------------------------------------- a reload


async def test_a_reload_changes_who_may_ask_at_once(house):
    port = str(house.front.port)
    assert (await house.get("/v1/calls", token="crm")).status == 200
    tokens = {"crm": {"role": "program", "secret": hashed("another-token-of-the-crm-" + "e" * 20)}}
    house.front.take_over(configuration(port=port, tokens=tokens))
    assert (await house.get("/v1/calls", token="crm")).status == 401
    assert (await house.get("/v1/calls", token="another-token-of-the-crm-" + "e" * 20)).status == 200
    assert (await house.get("/v1/calls", token="boss")).status == 401


# ---------------------------------------------------------------------- figures


async def figures(house, token="boss", **more):
    reply = await house.get("/metrics", token=token, **more)
    assert reply.status == 200
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


async def test_figures_tell_what_the_controller_and_its_calls_do(house):
    await house.post("/v1/pause", {"call": "c-1"}, token="crm")
    house.desk.add(a_call("c-3", lamp=Lamp.FAULT))
    found = await figures(house)
    assert found["callguard_calls", ("state", "recording")] == 1
    assert found["callguard_calls", ("state", "paused")] == 1
    assert found["callguard_calls", ("state", "fault")] == 1
    assert found["callguard_calls", ("state", "off")] == 0
    assert found["callguard_alerts_total",] == 2
    assert found["callguard_pauses_unresumed_total",] == 1
    assert found["callguard_sealing_behind_seconds",] == 0.25
    assert found["callguard_sealing_spool_bytes",] == 4096
    assert found["callguard_sealing_recordings",] == 3
    assert found["callguard_up", ("part", "ami")] == 1
    assert found["callguard_recording_off",] == 0
    assert found["callguard_desk_answers_total", ("by", "program"), ("status", "200"), ("verb", "pause")] == 1
    assert found["callguard_desk_seconds_count", ("by", "program"), ("verb", "pause")] == 1


async def test_figures_follow_the_state_and_lack_what_there_is_not(house):
    house.desk.now = replace(WELL, ami=False, recording_off=True, sealing=None)
    found = await figures(house)
    assert found["callguard_up", ("part", "ami")] == 0
    assert found["callguard_recording_off",] == 1
    assert not [name for name, *_ in found if name.startswith("callguard_sealing")]


async def test_figures_are_for_supervisors_and_programs(house):
    await figures(house, token="crm")
    assert (await house.get("/metrics", token="desk-211")).kind == "not-yours"
    assert (await house.get("/metrics", token=None)).kind == "no-token"


async def test_figures_come_in_the_newer_form_as_well(house):
    reply = await house.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert reply.headers["Content-Type"].startswith("application/openmetrics-text")
    assert reply.text.endswith("# EOF\n")


async def test_no_figure_tells_of_a_person(house):
    await house.post("/v1/pause", {"case": "4711"}, token="crm")
    text = (await house.get("/metrics")).text
    for word in ("+15125550100", "4711", "c-1", *TOKENS, *TOKENS.values()):
        assert word not in text


async def test_every_figure_stands_in_the_readme(house):
    await house.post("/v1/pause", {"call": "c-1"})
    names = {name for name, *_ in await figures(house)}
    names = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in names}
    assert {name for name in names if f"`{name}" not in README} == set()


async def test_health_says_whether_calls_can_be_recorded_and_no_more(house):
    reply = await house.get("/healthz", token=None)
    assert (reply.status, reply.json) == (200, {"status": "ok"})
    house.desk.now = replace(WELL, recording_off=True)
    assert (await house.get("/healthz", token=None)).status == 200
    for part in ("ari", "ami", "ledger"):
        house.desk.now = replace(WELL, **{part: False})
        reply = await house.get("/healthz", token=None)
        assert (reply.status, reply.json) == (503, {"status": "unwell"})


# ---------------------------------------------------------------------- its own description


def test_the_description_is_valid():
    validate(document())


async def test_the_description_and_the_pages_are_the_same(house):
    described = {
        (method.upper(), path) for path, methods in document()["paths"].items() for method in methods
    }
    served = {
        (route.method, re.sub(r"\{(\w+):[^}]*\}", r"{\1}", route.resource.canonical))
        for route in house.front.app.router.routes()
    }
    assert described == served
    assert (await house.get("/v1/openapi.json", token=None)).json == document()


def test_every_page_has_a_name_of_its_own_and_says_how_it_fails():
    operations = [one for methods in document()["paths"].values() for one in methods.values()]
    names = [one["operationId"] for one in operations]
    assert len(names) == len(set(names))
    assert all(len(one["responses"]) > 1 for one in operations)


async def test_answers_are_as_described(house):
    """What is really sent and answered, held against the description."""
    described = document()
    bodies = {
        "pause": [{"call": "c-1"}, {"call": "c-1", "seconds": 90, "drop_last": 2.5}, {"call": 7}, {}],
        "resume": [{"extension": "211"}, {"extension": "211", "x": 1}],
        "extend": [{"channel": "pbx-c-1", "reason": "because"}, {"channel": "pbx-c-1"}],
        "case": [{"call": "c-1", "assign": "4711"}, {"call": "c-1", "case": "4711", "assign": "x"}],
        "payment": [{"case": "4711", "reference": "order"}, {"case": "4711", "reference": ""}],
        "withdraw": [{"call": "c-1", "shred": True}, {"call": "c-1", "shred": "yes"}, {"call": "nobody"}],
    }
    taken = set()
    for verb, each in bodies.items():
        for body in each:
            reply = await house.post(f"/v1/{verb}", body, key=f"{verb}-{each.index(body)}")
            schema = {"$ref": f"#/components/schemas/{verb.capitalize()}", **components(described)}
            fits = jsonschema.Draft202012Validator(schema).is_valid(body)
            assert fits is (reply.status != 422), (verb, body, reply.text)
            taken.add(reply.status)
            if not fits:
                house.clock.now += 60  # what fails too often has to wait
    call = {"extension": "211", "number": "+12025550123", "queue": "sales"}
    for body in (call, call | {"number": "1-2"}, call | {"extension": ""}, {"extension": "211"}):
        reply = await house.post("/v1/call", body)
        schema = {"$ref": "#/components/schemas/PlaceCall", **components(described)}
        fits = jsonschema.Draft202012Validator(schema).is_valid(body)
        assert fits is (reply.status != 422), (body, reply.text)
    await house.get("/v1/calls")
    await house.get("/v1/calls/c-1")
    await house.get("/v1/calls/nobody")
    await house.get("/v1/calls", token=None)
    await house.get("/healthz", token=None)
    await house.get("/metrics", token="desk-211")
    assert {200, 404, 409, 422} <= taken
    for method, path, reply in house.replies:
        operation = described["paths"][re.sub(r"/v1/calls/.+", "/v1/calls/{call}", path)][method.lower()]
        content = operation["responses"][str(reply.status)]["content"]
        media = reply.headers["Content-Type"].partition(";")[0]
        schema = content[media]["schema"] | components(described)
        jsonschema.Draft202012Validator(schema).validate(reply.json)


def components(described):
    return {"components": described["components"]}


def test_every_problem_says_what_to_do():
    for problem in PROBLEMS.values():
        assert problem.title
        assert problem.advice.endswith(".")
        assert problem.status.value >= 400


def test_no_page_is_kept_out_of_the_readme():
    front = Front(configuration(), FakeDesk(), FakeDesk())
    for route in front.app.router.routes():
        path = re.sub(r"\{(\w+)(:[^}]*)?\}", r"{\1}", route.resource.canonical)
        assert f"`{route.method} {path}`" in README or f" {path}`" in README, path
