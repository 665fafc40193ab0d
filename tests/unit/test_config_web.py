"""Who may ask over HTTP: secrets stand elsewhere, are long, differ, and nobody listens in by mistake."""

import hashlib

import pytest

from callguard.config import loads
from callguard.errors import ConfigError

GOOD = "a-good-token-that-nobody-could-guess-0123"
HASH = hashlib.sha256(GOOD.encode()).hexdigest()
LEAST = """\
site: {name: Acme, country: US}
asterisk: {ari: {password: x}, ami: {password: y}}
queues: {sales: {}}
"""
TWO = "tokens: {{crm: {{role: program, secret: 'env:GOOD'}}, boss: {{role: supervisor, secret: 'env:{}'}}}}"


@pytest.fixture(autouse=True)
def secrets(monkeypatch, tmp_path):
    monkeypatch.setenv("GOOD", GOOD)
    monkeypatch.setenv("OTHER", GOOD + "4")
    monkeypatch.setenv("SHORT", "hunter2-hunter2-hunter2-hunter2")
    monkeypatch.setenv("BLANK", "a token with blanks in it " * 3)
    monkeypatch.setenv("HASH", "sha256:" + "ab" * 32)
    (tmp_path / "token").write_text(GOOD + "\n")


def web(text):
    return loads(LEAST + f"web: {{{text}}}\n").web


def refusal(text):
    with pytest.raises(ConfigError) as caught:
        web(text)
    assert GOOD not in str(caught.value)
    return str(caught.value)


def token(secret, more=""):
    return f"tokens: {{crm: {{role: program, secret: '{secret}'{more}}}}}"


def test_it_is_off_by_itself():
    assert not loads(LEAST).web.enabled
    assert web("host: 127.0.0.1").enabled is False
    assert web(token("env:GOOD")).enabled
    assert web("phones: {secret: 'env:GOOD'}").enabled


@pytest.mark.parametrize("kept", ["env:GOOD", "file:{}/token", f"sha256:{HASH}"])
def test_a_token_is_kept_elsewhere_or_as_its_hash_and_forgotten(kept, tmp_path):
    found = web(token(kept.format(tmp_path))).tokens["crm"].secret
    assert found.get_secret_value() == HASH
    assert GOOD not in repr(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (token(GOOD), "web.tokens.crm.secret: a secret must not stand in this file"),
        (token("env:SHORT"), "web.tokens.crm.secret: is shorter than 32 characters"),
        (token("env:BLANK"), "may hold only letters, digits and signs"),
        (token("env:NOWHERE"), "the environment variable NOWHERE is not set"),
        (token("sha256:abc"), "is no SHA-256"),
        (token("sha256:" + "AB" * 32), "is no SHA-256"),
        ("phones: {secret: " + GOOD + "}", "web.phones.secret: a secret must not stand in this file"),
        ("phones: {secret: 'sha256:" + "ab" * 32 + "'}", "must not stand in this file"),
        ("phones: {secret: 'env:HASH'}", "must be the secret itself"),
        ("phones: {address: 'https://pbx/x'}", "web.phones.address: is no address"),
        (token("env:GOOD", ", extensions: ['2 1']"), "web.tokens.crm.extensions.0: is no telephone"),
        (token("env:GOOD").replace("program", "agent"), "web.tokens.crm.role: an agent may ask only about"),
        (token("env:GOOD").replace("program", "admin"), "must be 'agent', 'supervisor' or 'program'"),
        (token("env:GOOD").replace("crm", "c r m"), "is no name"),
        ("host: 0.0.0.0, " + token("env:GOOD"), "web.host: whoever listens in"),
        ("host: pbx.example.com, " + token("env:GOOD"), "web.host: whoever listens in"),
        ("port: 0, " + token("env:GOOD"), "web.port: must be 1 or more"),
        ("tls: {certificate: /x}", "web.tls.key: is missing"),
        (TWO.format("GOOD"), "web.tokens.boss.secret: has the same token as crm"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_without_the_secret(text, said):
    assert said in refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "host: 127.0.0.1",
        "host: 127.1.2.3",
        "host: localhost",
        "host: '::1'",
        "host: 0.0.0.0, allow_cleartext: yes",
        "host: 0.0.0.0, tls: {certificate: /x, key: /y}",
    ],
)
def test_it_may_listen_where_nobody_else_hears_it_or_with_a_certificate(text):
    assert web(f"{text}, {token('env:GOOD')}").enabled


def test_two_tokens_that_differ_are_two():
    assert list(web(TWO.format("OTHER")).tokens) == ["crm", "boss"]
