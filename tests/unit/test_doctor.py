"""The parts of `callguard doctor` that need no PBX."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from callguard.cli import callguard
from callguard.cli.checks.finding import Finding, Level, advice, fault, healthy, ok, warning
from callguard.cli.checks.house import check_law, check_ledger, check_secrets, check_spool
from callguard.cli.checks.pbx import FEATURES, deadlocks_on_mute
from callguard.cli.checks.recorders import check_recorders
from callguard.cli.checks.voices import judge
from callguard.config import Config, loads
from callguard.controller.confreading import read_settings

CONFIG = """
site: {name: Acme, country: US}
asterisk: {ari: {password: one, url: 'http://127.0.0.1:9/ari'}, ami: {password: two, port: 9}}
queues:
  sales: {unrecorded: open-sales}
"""


def config(**sections: object) -> Config:
    return loads(CONFIG + "".join(f"{name}: {json.dumps(value)}\n" for name, value in sections.items()))


def recorders(etc: Path, **files: str) -> list[Finding]:
    for name, text in files.items():
        (etc / f"{name}.conf").write_text(text)
    return check_recorders(config(), etc)


def only(findings: list[Finding]) -> tuple[Level, str]:
    assert len(findings) == 1, findings
    return findings[0].level, findings[0].what


# ---------------------------------------------------------------------- recorders of others


def test_no_recorder_is_no_finding_but_what_was_read(tmp_path: Path) -> None:
    level, what = only(recorders(tmp_path, queues="[sales]\nstrategy = ringall\n"))
    assert (level, what) == (
        Level.OK,
        "none in queues.conf; not there: features.conf, pjsip.conf, extensions.conf",
    )


@pytest.mark.parametrize(
    ("queue", "level"),
    [("sales", Level.FAULT), ("open-sales", Level.FAULT), ("other", Level.ADVICE)],
)
def test_a_queue_that_records_by_itself_is_told(tmp_path: Path, queue: str, level: Level) -> None:
    found = recorders(tmp_path, queues=f"[general]\n[{queue}]\nmonitor-format => wav49 ; stereo\n")
    assert only(found)[0] is level
    assert found[0].where == f"{tmp_path}/queues.conf:3"
    assert ("callers who refused" in found[0].what) == (queue == "open-sales")


@pytest.mark.parametrize(
    "text",
    [
        "[usual](!)\nmonitor-format = wav\n[open-sales](usual)\n",
        "[base](!)\nmonitor-format = wav\n[usual](!,base)\n[open-sales](usual)\n",
        "[open-sales]\n[open-sales](+)\nmonitor-format=wav\n",
        '#include "more.conf"\n',
        "#include more*.conf\n",
        "#tryinclude <more.conf>\n",
    ],
    ids=["template", "template of a template", "added", "included", "wildcard", "tried"],
)
def test_a_recorder_is_found_wherever_it_is_written(tmp_path: Path, text: str) -> None:
    (tmp_path / "more.conf").write_text("[open-sales]\nmonitor-format = wav\n")
    assert only(recorders(tmp_path, queues=text))[0] is Level.FAULT


@pytest.mark.parametrize(
    "text",
    [
        "[sales]\n;monitor-format = wav\n",
        "[sales]\n;--\nmonitor-format = wav\n--;\nmember => PJSIP/1\n",
        "[sales]\nmonitor-format =\n",
        "[usual](!)\nmonitor-format = wav\n[sales]\n",
    ],
    ids=["comment", "long comment", "empty", "unused template"],
)
def test_what_does_not_count_is_not_told(tmp_path: Path, text: str) -> None:
    assert only(recorders(tmp_path, queues=text))[0] is Level.OK


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"features": "[featuremap]\nautomixmon => *3\n"}, "agents can start a recording with *3"),
        ({"features": "[featuremap]\nautomon = *1\n"}, "agents can start a recording with *1"),
        ({"pjsip": "[101]\ntype=endpoint\none_touch_recording=yes\n"}, "[101] can start a recording"),
        (
            {"extensions": "[in]\nexten => 1,1,MixMonitor(/tmp/x.wav)\n"},
            "[in] records by itself (MixMonitor)",
        ),
        ({"extensions": "[in]\nexten => 1,1,Queue(sales,tx)\n"}, "Queue with option tx"),
        ({"extensions": "[in]\nexten => 1,1,Dial(PJSIP/1,30,W)\n"}, "Dial with option W"),
    ],
)
def test_recorders_by_key_and_by_dialplan_are_told(tmp_path: Path, files: dict[str, str], said: str) -> None:
    level, what = only(recorders(tmp_path, **files))
    assert level is Level.WARNING
    assert said in what


@pytest.mark.parametrize(
    "line",
    [
        "exten => 1,1,StopMixMonitor()",
        "exten => 1,1,Queue(boxes)",
        "exten => 1,1,Queue(sales,tk)",
        "exten => 1,1,Dial(PJSIP/box@trunk,30,tk)",
        "exten => 1,1,Set(X=Wx)",
    ],
)
def test_lines_that_do_not_record_are_not_told(tmp_path: Path, line: str) -> None:
    assert only(recorders(tmp_path, extensions=f"[in]\n{line}\n"))[0] is Level.OK


def test_our_own_dialplan_is_not_told(tmp_path: Path) -> None:
    own = Path(__file__).parents[2] / "dialplan" / "callguard.conf"
    (tmp_path / "callguard.conf").write_text(own.read_text())
    assert only(recorders(tmp_path, extensions="[in]\n#include callguard.conf\n"))[0] is Level.OK


def test_files_that_cannot_be_read_are_advice(tmp_path: Path) -> None:
    level, what = only(check_recorders(config(), tmp_path / "none"))
    assert level is Level.ADVICE
    assert "were not looked for" in what


def test_files_that_include_each_other_end(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("[a]\nx = 1\n#include a.conf\n")
    (tmp_path / "t.conf").write_text("[a](a)\ny = 2\n")
    assert {one.key for one in read_settings(tmp_path / "a.conf")} == {"x"}
    assert {one.key for one in read_settings(tmp_path / "t.conf")} == {"y"}


# ---------------------------------------------------------------------- versions and voices


@pytest.mark.parametrize(
    ("version", "lacking"),
    [
        ((22, 10), []),
        ((23, 1), []),
        ((24, 0), []),
        ((22, 6), ["StasisBroadcast"]),
        ((22, 3), ["StasisBroadcast", "requests over the websocket"]),
        ((21, 9), ["StasisBroadcast"]),
        ((20, 17), []),
        ((20, 2), ["StasisBroadcast", "requests over the websocket", "muting one recording by its id"]),
        ((18, 26), ["StasisBroadcast", "requests over the websocket"]),
        ((16, 28), ["StasisBroadcast", "requests over the websocket", "muting one recording by its id"]),
    ],
)
def test_what_a_version_lacks(version: tuple[int, int], lacking: list[str]) -> None:
    assert [feature.name for feature in FEATURES if not feature.in_version(*version)] == lacking


def test_versions_that_lock_up_on_a_pause() -> None:
    assert [v for v in ((18, 17), (18, 18), (20, 4), (20, 5), (22, 3)) if deadlocks_on_mute(*v)] == [
        (18, 18),
        (20, 4),
    ]


@pytest.mark.parametrize(
    ("seconds", "level"),
    [
        (2.0, Level.OK),
        (1.96, Level.OK),
        (1.0, Level.WARNING),
        (0.98, Level.WARNING),
        (0.0, Level.ADVICE),
        (1.5, Level.ADVICE),
        (3.0, Level.ADVICE),
        (None, Level.ADVICE),
    ],
)
def test_how_much_came_back_tells_whether_voices_are_lost(seconds: float | None, level: Level) -> None:
    assert judge(seconds).level is level


# ---------------------------------------------------------------------- this machine


def test_a_password_that_everybody_can_read_is_told(tmp_path: Path) -> None:
    secret, path = tmp_path / "ari", tmp_path / "config.yaml"
    secret.write_text("one")
    path.write_text(CONFIG.replace("password: one", f"password: 'file:{secret}'"))
    path.chmod(0o640)
    secret.chmod(0o644)
    found = check_secrets(path)
    assert [(one.level, one.where) for one in found] == [(Level.WARNING, str(secret))]
    secret.chmod(0o640)
    assert [one.level for one in check_secrets(path)] == [Level.OK]


def test_a_spool_that_was_not_there_is_not_made(tmp_path: Path) -> None:
    spool = {"directory": str(tmp_path / "spool"), "allow_persistent_disk": "yes", "minimum_free_mb": "1"}
    levels = {one.level for one in check_spool(config(spool=spool))}
    assert levels == {Level.OK, Level.WARNING}
    assert not (tmp_path / "spool").exists()


def test_a_spool_that_everybody_can_look_into_is_told(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir(mode=0o755)
    spool = {"directory": str(tmp_path / "spool"), "allow_persistent_disk": "yes", "minimum_free_mb": "1"}
    assert "everybody on this machine can look into the spool" in {
        one.what for one in check_spool(config(spool=spool))
    }


@pytest.mark.parametrize(
    ("site", "said"),
    [
        ({"country": "US", "jurisdiction": "US-CA"}, "knows the places"),
        ({"country": "US", "jurisdiction": "US-QQ"}, "no entry for US-QQ"),
        ({"country": "US", "agents": "IN-XX"}, "no entry for IN-XX"),
        ({"country": "DE", "jurisdiction": "US-CA"}, "US-CA is no part of DE"),
    ],
)
def test_places_that_the_law_does_not_know_are_told(site: dict[str, str], said: str) -> None:
    text = CONFIG.replace("site: {name: Acme, country: US}", f"site: {json.dumps({'name': 'Acme'} | site)}")
    level, what = only(check_law(loads(text)))
    assert said in what
    assert level is (Level.OK if "knows" in said else Level.WARNING)


def test_an_override_that_will_not_do_is_told(tmp_path: Path) -> None:
    level, what = only(check_law(config(law={"overrides": {"US-TX": {"form": "shouting"}}})))
    assert level is Level.FAULT
    assert "law.overrides.US-TX" in what


async def test_a_ledger_is_opened_and_never_made(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "ledger.db"
    found = await check_ledger(config(ledger={"url": f"sqlite:///{file}"}))
    assert found[0].level is Level.OK
    assert list(tmp_path.iterdir()) == []
    file.parent.mkdir()
    file.write_bytes(b"this is no database, whatever its name says" * 100)
    found = await check_ledger(config(ledger={"url": f"sqlite:///{file}"}))
    assert only(found)[0] is Level.FAULT


async def test_a_ledgers_password_is_not_told(tmp_path: Path) -> None:
    found = await check_ledger(config(ledger={"url": "oracle://me:hunter2@host/db"}))
    assert only(found)[0] is Level.FAULT
    assert "hunter2" not in str(found)


# ---------------------------------------------------------------------- what is told


def test_only_a_fault_is_a_fault() -> None:
    fine = [ok("a", "b"), advice("a", "b", "c", "d"), warning("a", "b", "c", "d")]
    assert healthy(fine)
    assert not healthy([*fine, fault("a", "b", "c", "d")])


@pytest.fixture
def nobody(tmp_path: Path) -> Path:
    """The configuration of a site whose PBX is not there."""
    path = tmp_path / "config.yaml"
    more = {
        "ledger": {"url": f"sqlite:///{tmp_path}/ledger.db"},
        "prompts": {"directory": str(tmp_path / "prompts")},
    }
    path.write_text(CONFIG + "".join(f"{name}: {json.dumps(value)}\n" for name, value in more.items()))
    path.chmod(0o640)
    return path


def test_people_read_what_is_wrong_where_and_how_to_mend_it(nobody: Path) -> None:
    result = CliRunner().invoke(callguard, ["doctor", "-c", str(nobody)])
    assert result.exit_code == 1
    assert "fault    Asterisk: does not run, or cannot be reached from here" in result.output
    assert "         mend:  start it: systemctl start asterisk" in result.output
    assert "         where: http://127.0.0.1:9/ari" in result.output


def test_scripts_read_json_and_nothing_else(nobody: Path) -> None:
    result = CliRunner().invoke(callguard, ["doctor", "--json", "-c", str(nobody)])
    answer = json.loads(result.stdout)
    assert result.exit_code == 1
    assert answer["ok"] is False
    assert {"level", "check", "what", "where", "remedy"} == set(answer["findings"][0])
    assert [one for one in answer["findings"] if one["level"] != "ok" and not one["remedy"]] == []
