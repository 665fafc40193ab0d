"""`callguard law` as people and scripts use it."""

import json
import shutil
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner

from callguard.cli.law import law_group
from callguard.config import DEFAULT_PATH, load
from callguard.law import Flag, LawTableError

SHIPPED = Path(str(files("callguard.law") / "table"))
CONFIG = """
site: {name: Acme, country: CA, jurisdiction: CA-QC}
asterisk: {ari: {password: a}, ami: {password: b}}
dialogue: {languages: [en, fr]}
queues:
  sales: {purposes: [quality], lawful_basis: consent, retention_days: 30}
"""


@pytest.fixture(autouse=True)
def _nobodys_configuration(monkeypatch):
    """A configuration that stands on this machine is none of these tests' business."""
    monkeypatch.delenv("CALLGUARD_CONFIG", raising=False)
    monkeypatch.setattr(
        "callguard.cli.law._configuration", lambda _, path: None if path == DEFAULT_PATH else load(path)
    )


def run(*words, ok=True):
    result = CliRunner().invoke(law_group, [str(word) for word in words])
    assert (result.exit_code == 0) is ok, result.output
    return result.output


def explained(*words):
    return json.loads(run("explain", *words, "--json"))


def test_a_call_is_explained_in_the_agreed_structure():
    answer = explained("--caller", "+14155550123", "--called", "+493012345678")
    assert set(answer) >= {"parties", "plan"}
    for party in answer["parties"]:
        assert set(party) >= {
            "role", "number", "jurisdiction", "evidence", "rule", "form", "statute", "source"
        }  # fmt: skip
    assert [(party["role"], party["jurisdiction"], party["evidence"]) for party in answer["parties"]] == [
        ("caller", "US-CA", "number"),
        ("called", "DE", "number"),
    ]
    plan = answer["plan"]
    assert set(plan) >= {"rule", "form", "flags", "languages", "retention_days", "prompts"}
    assert (plan["rule"], plan["form"], plan["languages"]) == ("all-party", "explicit", ["en", "de"])
    assert {Flag(flag) for flag in plan["flags"]} >= {Flag.AGENT_CONSENT, Flag.REACHES_OUTSIDE}
    assert [prompt["name"] for prompt in plan["prompts"]][:2] == ["announcement", "question"]


def test_an_agent_is_a_party():
    answer = explained("--caller", "+12125551234", "--agent", "US-WA")
    assert answer["plan"]["rule"] == "all-party"
    assert answer["parties"][1]["evidence"] == "site"


def test_the_words_are_those_of_the_configured_site(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    answer = explained(
        "--caller", "+12125551234", "--called", "+15145550123", "--queue", "sales", "--config", path
    )
    assert [party["role"] for party in answer["parties"]] == ["caller", "called", "agent", "recorder"]
    prompts = answer["plan"]["prompts"]
    assert [prompt["language"] for prompt in prompts][:2] == ["fr", "en"]
    assert all("Acme" in prompt["text"] for prompt in prompts if prompt["name"] == "announcement")
    assert answer["plan"]["purposes"] == ["quality"]


def test_a_clash_of_retention_is_told_and_nothing_is_chosen():
    plan = explained("--caller", "+3612345678", "--called", "+33123456789")["plan"]
    assert plan["retention_days"] == {"min": None, "max": None}
    assert "counsel" in plan["conflict"]


def test_people_are_told_the_same():
    text = run("explain", "--caller", "anonymous", "--called", "+15145550123")
    assert "caller anonymous: ZZ (by none) -> all-party, explicit" in text
    assert text.index("announcement (fr)") < text.index("announcement (en)")
    assert "CQLR c. P-39.1" in text


def test_a_queue_that_is_not_configured_is_named(tmp_path):
    assert "name one with --config" in run("explain", "--caller", "x", "--queue", "sales", ok=False)
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    assert "the queues are sales" in run("explain", "--caller", "x", "--queue", "tales", "-c", path, ok=False)


def test_the_list_names_every_jurisdiction():
    assert len(run("list").splitlines()) == 128
    listed = json.loads(run("list", "--json"))
    assert {entry["code"] for entry in listed} >= {"NO", "ZZ", "US-WA"}
    assert set(listed[0]) >= {"rule", "form", "confidence", "review_by"}


def test_an_entry_is_shown_with_its_sources_and_what_is_done_about_its_flags():
    text = run("show", "us-wa")
    assert "RCW" in text or "Wash. Rev. Code" in text
    assert "https://" in text
    assert "puts the exact audio" in text
    entry = json.loads(run("show", "NO", "--json"))
    assert entry["flags"] == sorted(entry["flags"])
    assert entry["read"] == "2026-11-21"
    assert "not in the table" in run("show", "XX", ok=False)


def test_a_good_table_passes_the_check(tmp_path):
    assert "128 jurisdictions" in run("check")
    assert json.loads(run("check", "--json"))["ok"] is True
    path = tmp_path / "law.yaml"
    path.write_text(
        "overrides:\n  US-CA:\n    drop_flags: [announce_at_outset]\n    approved_by: M\n    reason: r\n"
    )
    assert "US-CA is milder: flags" in run("check", "--override", path)
    (weak,) = json.loads(run("check", "--override", path, "--json"))["weakenings"]
    assert weak["approved_by"] == "M"


def test_a_broken_table_fails_the_check_with_every_mistake(tmp_path):
    shutil.copytree(SHIPPED, tmp_path / "table")
    file = tmp_path / "table" / "switzerland.yaml"
    file.write_text(
        file.read_text(encoding="utf-8").replace("rule: all-party", "rule: all"), encoding="utf-8"
    )
    result = CliRunner().invoke(law_group, ["check", "--table", str(tmp_path / "table")])
    assert isinstance(result.exception, LawTableError)
    assert "switzerland.yaml" in str(result.exception)
    answer = json.loads(run("check", "--table", tmp_path / "table", "--json", ok=False))
    assert answer["ok"] is False
    assert answer["problems"][0]["key"] == "rule"


def test_a_difference_says_what_became_of_callers(tmp_path):
    path = tmp_path / "law.yaml"
    path.write_text("overrides:\n  US-TX:\n    form: explicit\n", encoding="utf-8")
    assert "US-TX form: notice -> explicit (stricter)" in run("diff", "--override", path)
    (change,) = json.loads(run("diff", SHIPPED, "--override", path, "--json"))
    assert change == {
        "code": "US-TX", "key": "form", "before": "notice", "after": "explicit", "direction": "stricter"
    }  # fmt: skip
    assert "nothing changed" in run("diff")


def test_the_schema_is_json():
    assert json.loads(run("schema"))["$defs"]["Entry"]["properties"]["form"]


def test_a_reason_not_to_record_is_told(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    words = ("--caller", "+493012345678", "--queue", "sales", "--agent", "DE", "--config", path)
    plan = explained(*words)["plan"]
    assert plan["prompts"] == []
    assert "agents there have to agree" in plan["concern"]
    assert "not recorded: agents there have to agree" in run("explain", *words)
