"""`callguard simulate`: the whole dialogue against the real core, the real law and the real texts."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from callguard.cli.prompts import prompts
from callguard.cli.simulate import simulate
from callguard.cli.sitting import steps_of
from callguard.errors import ConfigError

CONFIG = """
site: {{name: Acme Trading, country: US, jurisdiction: US-CA, agent_consents: [US-CA]}}
asterisk: {{ari: {{password: x}}, ami: {{password: y}}}}
queues:
  sales: {{purposes: [quality], minimum_form: explicit}}
  shop: {{minimum_form: explicit, on_refusal: alternatives, alternatives: shop}}
  same: {{minimum_form: opt-out, on_refusal: same-queue}}
dialogue: {{answer_seconds: 1.0}}
prompts:
  directory: {directory}
  alternatives: {{shop: {{en: Visit our shop., fr: Rendez-vous en boutique.}}}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(directory=tmp_path / "prompts"))
    return path


def simulated(config: Path, keys: str, *more: str) -> dict[str, Any]:
    done = CliRunner().invoke(
        simulate, ["-c", str(config), "--keys", keys, "--json", *more], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def happened(answer: dict[str, Any]) -> list[str]:
    return [line.get("prompt") or line.get("key") or line["what"] for line in answer["dialogue"]]


ASKED = ["announcement", "question", "waits"]


@pytest.mark.parametrize(
    ("keys", "outcome", "queue", "recorded", "heard"),
    [
        ("1", "granted", "sales", True, [*ASKED, "1", "thanks"]),
        ("2", "refused", "sales-unrecorded", False, [*ASKED, "2", "unrecorded"]),
        ("w,w", "no-input", "sales-unrecorded", False, [*ASKED, "question", "waits", "unrecorded"]),
        ("", "no-input", "sales-unrecorded", False, [*ASKED, "question", "waits", "unrecorded"]),
        ("9,1", "granted", "sales", True, [*ASKED, "9", "invalid", "question", "waits", "1", "thanks"]),
        (
            "9 9 1",
            "invalid-input",
            "sales-unrecorded",
            False,
            [*ASKED, "9", "invalid", "question", "waits", "9", "unrecorded"],
        ),
        ("h", "hung-up", None, False, [*ASKED, "hangs up"]),
        ("ih", "hung-up", None, False, ["announcement", "hangs up"]),
        ("i2", "refused", "sales-unrecorded", False, ["announcement", "2", "unrecorded"]),
        (
            "i1",
            "no-input",
            "sales-unrecorded",
            False,
            ["announcement", "1", "question", "waits", "question", "waits", "unrecorded"],
        ),
    ],
)
def test_each_answer_leads_where_it_must(
    config: Path, keys: str, outcome: str, queue: str | None, recorded: bool, heard: list[str]
) -> None:
    answer = simulated(config, keys)
    assert (answer["outcome"], answer["goes_to"], answer["recorded"]) == (outcome, queue, recorded)
    assert happened(answer) == heard
    (consent, *later) = answer["ledger"]
    assert (consent["kind"], consent["outcome"]) == ("consent", outcome)
    assert [entry["kind"] for entry in later] == (["capture.ordered"] if recorded else [])


def test_the_entry_holds_what_was_heard_and_answered(config: Path) -> None:
    answer = simulated(config, "9,1")
    entry = answer["ledger"][0]
    said = [line for line in answer["dialogue"] if line["what"] == "says"][:-1]
    assert [(h["prompt"], h["sha256"]) for h in entry["heard"]] == [(s["prompt"], s["sha256"]) for s in said]
    assert (entry["answer"]["form"], entry["answer"]["value"]) == ("key", "1")
    assert entry["attempts"] == 2
    assert entry["jurisdictions"] == ["US-CA"]


def test_a_refuser_hears_the_other_ways_and_the_call_ends(config: Path) -> None:
    answer = simulated(config, "2", "--queue", "shop")
    assert (answer["goes_to"], answer["ends"]) == (None, "after the alternatives")
    assert "Visit our shop." in answer["dialogue"][-1]["text"]
    assert "other ways to reach us" in answer["dialogue"][1]["text"]


def test_silence_is_consent_only_where_every_law_of_the_call_takes_it(config: Path) -> None:
    californian = simulated(config, "w", "--queue", "same")
    assert (californian["plan"]["form"], californian["outcome"]) == ("opt-out", "implied")
    assert (californian["goes_to"], californian["recorded"]) == ("same", True)
    german = simulated(config, "w,w", "--queue", "same", "--caller", "+4930123456")
    assert (german["plan"]["form"], german["outcome"]) == ("explicit", "no-input")
    assert (german["goes_to"], german["recorded"]) == ("same", False)


def test_built_prompts_give_their_own_length_hash_and_words(config: Path) -> None:
    runner = CliRunner()
    before = simulated(config, "1")
    built = runner.invoke(prompts, ["build", "-c", str(config), "--json"], catch_exceptions=False)
    assert json.loads(built.stdout)["rendered"] > 0
    listed = json.loads(runner.invoke(prompts, ["list", "-c", str(config), "--json"]).stdout)["prompts"]
    after = simulated(config, "1")
    hashes = {entry["audio"]["sha256"]: entry for entry in listed}
    for line in after["dialogue"]:
        if line["what"] == "says":
            assert hashes[line["sha256"]]["text"] == line["text"]
            assert hashes[line["sha256"]]["audio"]["seconds"] == line["seconds"]
    assert [line.get("text") for line in before["dialogue"]] == [
        line.get("text") for line in after["dialogue"]
    ]


def test_check_finds_what_the_configuration_says_anew(config: Path) -> None:
    runner = CliRunner()
    runner.invoke(prompts, ["build", "-c", str(config)], catch_exceptions=False)
    checked = runner.invoke(prompts, ["check", "-c", str(config), "--json"])
    assert checked.exit_code == 0
    assert json.loads(checked.stdout)["ok"] is True
    config.write_text(config.read_text() + "  texts: {en: {unrecorded: Nothing is recorded.}}\n")
    checked = runner.invoke(prompts, ["check", "-c", str(config), "--json"])
    assert checked.exit_code == 1
    (finding,) = json.loads(checked.stdout)["findings"]
    assert finding["where"] == "unrecorded in en"
    assert "should say 'Nothing is recorded.'" in finding["what"]
    config.write_text(config.read_text().replace("Acme Trading", "Other Trading"))
    checked = runner.invoke(prompts, ["check", "-c", str(config)])
    assert checked.exit_code == 1
    assert "announcement in en: was not built (This call is recorded by Other Trading" in checked.stderr


def test_the_human_output_names_outcome_queue_law_and_entry(config: Path) -> None:
    done = CliRunner().invoke(simulate, ["-c", str(config), "--keys", "2"], catch_exceptions=False)
    assert "outcome  refused: the call goes to queue sales-unrecorded, not recorded." in done.output
    assert "US-CA" in done.output
    assert '"kind": "consent"' in done.output


@pytest.mark.parametrize("keys", ["x", "1,i", "iw", "ii1", "+"])
def test_a_script_that_means_nothing_is_refused(config: Path, keys: str) -> None:
    with pytest.raises(ValueError, match=r"is no step|at the end"):
        list(steps_of(keys))
    done = CliRunner().invoke(simulate, ["-c", str(config), "--keys", keys])
    assert done.exit_code == 2
    assert "--keys" in done.output


def test_an_unknown_queue_is_named(config: Path) -> None:
    with pytest.raises(ConfigError, match=r"no queue 'nowhere'.*sales, shop, same"):
        CliRunner().invoke(
            simulate, ["-c", str(config), "-q", "nowhere", "--keys", "1"], catch_exceptions=False
        )


def test_without_terminal_and_script_it_says_what_to_give(config: Path) -> None:
    done = CliRunner().invoke(simulate, ["-c", str(config)])
    assert done.exit_code == 2
    assert "--keys 1" in done.output


@pytest.mark.parametrize(("typed", "outcome"), [(b"2", "refused"), (b"h", "hung-up"), (b"\x04", "hung-up")])
def test_keys_are_read_from_a_real_terminal_and_it_is_restored(
    config: Path, typed: bytes, outcome: str
) -> None:
    """The announcement still plays when the key is pressed; an objection counts from the first second."""
    ours, theirs = pty.openpty()
    modes = termios.tcgetattr(theirs)
    program = f"from callguard.cli.simulate import simulate; simulate(['-c', {str(config)!r}])"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"TERM": "dumb"},
    )
    shown = b""
    try:
        while process.poll() is None or select.select([ours], [], [], 0)[0]:
            if select.select([ours], [], [], 0.05)[0]:
                shown += os.read(ours, 4096)
            if typed and b"This call is recorded" in shown:
                os.write(ours, typed)
                typed = b""
        assert process.returncode == 0
        assert f"outcome  {outcome}".encode() in shown
        assert termios.tcgetattr(theirs) == modes
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)
