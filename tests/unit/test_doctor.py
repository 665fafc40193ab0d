"""The parts of `callguard doctor` that need no PBX."""

from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from callguard.cli import callguard
from callguard.cli.checks import room as room_checks
from callguard.cli.checks import vault as vault_checks
from callguard.cli.checks.finding import Finding, Level, advice, fault, healthy, ok, warning
from callguard.cli.checks.house import check_law, check_ledger, check_secrets, check_spool
from callguard.cli.checks.keys import check_hotkeys, check_key_log
from callguard.cli.checks.pbx import judge_version
from callguard.cli.checks.recorders import check_recorders
from callguard.cli.checks.room import check_room
from callguard.cli.checks.vault import check_vault
from callguard.cli.checks.voices import judge
from callguard.cli.places import make_directories, make_key, of_vault
from callguard.config import Config, loads
from callguard.controller.confreading import read_settings
from callguard.recording import Spool

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
        "none in queues.conf; not there: features.conf, pjsip.conf, extensions.conf, confbridge.conf",
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
        ({"extensions": "[in]\nexten => 1,1,AudioSocket(id,host:1)\n"}, "to another program (AudioSocket)"),
        (
            {"confbridge": "[room]\nrecord_conference = yes\n"},
            "conferences of the profile [room] are recorded",
        ),
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


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("messages.log => notice,warning,error", Level.OK),
        ("full = [json]notice,dtmf", Level.WARNING),
        ("console => DTMF", Level.WARNING),
        ("full => *", Level.WARNING),
        ("dtmf.log => verbose ; dtmf", Level.OK),
    ],
)
def test_a_log_that_keeps_the_keys_is_told(tmp_path: Path, line: str, level: Level) -> None:
    (tmp_path / "logger.conf").write_text(f"[general]\nappend_hostname = dtmf\n[logfiles]\n{line}\n")
    found, what = only(check_key_log(tmp_path))
    assert found is level
    assert level is Level.OK or "card numbers" in what
    assert only(check_key_log(tmp_path / "none"))[0] is Level.ADVICE


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[featuremap]\natxfer => *2", ""),
        ("[featuremap]\natxfer => *4", "atxfer (*4) is run where agents press *4, the hot key to pause"),
        ("[featuremap]\ndisconnect => *", "disconnect (*) is run where agents press *4"),
        ("[featuremap]\nautomon => *41", "the hot key to pause (*4) is run where somebody presses *41"),
        ("[applicationmap]\nlights => *8,self,System,lights", "lights (*8) is run where agents press *81"),
        ("[applicationmap]\ncallguard-pause => *4,peer/both,Gosub", ""),
        ("[featuremap]\natxfer =>", ""),
        ("[general]\npickupexten = *8", ""),
    ],
)
def test_features_with_the_keys_of_ours_are_told(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "features.conf").write_text(f"{line}\n")
    found = check_hotkeys(config(), tmp_path)
    assert {each.level for each in found} == {Level.WARNING if said else Level.OK}
    assert said in found[0].what


def test_every_hot_key_has_a_name_in_what_is_told(tmp_path: Path) -> None:
    (tmp_path / "features.conf").write_text("[featuremap]\ndisconnect => *\n")
    assert len(check_hotkeys(config(), tmp_path)) == len(type(config().pause.hotkeys).model_fields)


def test_files_that_include_each_other_end(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("[a]\nx = 1\n#include a.conf\n")
    (tmp_path / "t.conf").write_text("[a](a)\ny = 2\n")
    assert {one.key for one in read_settings(tmp_path / "a.conf")} == {"x"}
    assert {one.key for one in read_settings(tmp_path / "t.conf")} == {"y"}


# ---------------------------------------------------------------------- versions and voices


@pytest.mark.parametrize(
    ("version", "levels", "said"),
    [
        ("22.10.1+dfsg", [Level.OK], "Asterisk 22.10.1"),
        ("24.0.0", [Level.OK], "Asterisk 24.0.0"),
        ("22.6.0", [Level.OK, Level.ADVICE, Level.ADVICE], "no StasisBroadcast: a frozen controller costs"),
        ("16.28.0~dfsg-0+deb11u10", [Level.OK, *[Level.ADVICE] * 5], "a mute reaches the oldest recording"),
        ("18.2.0", [Level.OK, Level.FAULT, *[Level.ADVICE] * 5], "recorders of others are not noticed"),
        ("18.18.0", [Level.OK, Level.WARNING, *[Level.ADVICE] * 4], "a pause ends the recording"),
        ("20.4.0", [Level.OK, Level.WARNING, *[Level.ADVICE] * 4], "gone from 18.20, 20.5, 21.0 on"),
        ("13.38.3", [Level.FAULT], "older than 16"),
        ("GIT-master-1a2b3c", [Level.ADVICE], "which says no release"),
    ],
)
def test_what_is_lost_or_dangerous_on_a_release_is_told(version: str, levels: list[Level], said: str) -> None:
    findings = judge_version(version)
    assert [one.level for one in findings] == levels
    assert said in " ".join(f"{one.what} {one.remedy}" for one in findings)
    assert all(one.remedy for one in findings if one.level is not Level.OK)


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


# ---------------------------------------------------------------------- the vault, and room for calls


def a_vault(tmp_path: Path, **more: object) -> Config:
    """A site with a key and the directories of its vault."""
    keys = tmp_path / "keys"
    section = {
        "directory": str(tmp_path / "vault"),
        "keys": str(keys / "recordings"),
        "key": {"file": str(keys / "vault.key")},
    }
    found = config(vault=section | more, spool={"expected_calls": "1"})
    make_directories(of_vault(found), None)
    make_key(keys / "vault.key", None)
    return found


def test_a_vault_that_is_ready_is_told(tmp_path: Path) -> None:
    found = check_vault(a_vault(tmp_path))
    assert {(one.check, one.level) for one in found} == {
        ("vault key", Level.OK),
        ("vault", Level.OK),
        ("vault disk", Level.OK),
    }


def test_a_site_that_seals_nothing_is_warned() -> None:
    level, what = only(check_vault(config(vault={"enabled": "no"})))
    assert level is Level.WARNING and "in the clear, and are lost with a restart" in what


def test_a_key_that_is_missing_or_open_to_others_is_a_fault(tmp_path: Path) -> None:
    site = a_vault(tmp_path)
    key = site.vault.key.file
    assert key is not None
    key.chmod(0o640)
    level, what = only(check_vault(site))
    assert level is Level.FAULT and "can be read by others" in what
    key.unlink()
    level, what = only(check_vault(site))
    assert level is Level.FAULT and "callguard vault new-key" in what


def test_keys_within_the_vault_are_a_fault_also_through_a_link(tmp_path: Path) -> None:
    site = a_vault(tmp_path)
    assert check_vault(site)[1].level is Level.OK
    moved = site.vault.directory / "hidden"
    shutil.move(site.vault.keys.parent, moved)
    site.vault.keys.parent.symlink_to(moved)
    faults = [one for one in check_vault(site) if one.level is Level.FAULT]
    assert [one.where.partition(":")[0] for one in faults] == ["vault.keys", "vault.key.file"]
    assert "a copy of the recordings brings along what opens them" in faults[0].what


def test_a_vault_that_others_may_look_into_or_change_is_told(tmp_path: Path) -> None:
    site = a_vault(tmp_path)
    site.vault.directory.chmod(0o755)
    site.vault.keys.chmod(0o705)
    site.vault.keys.parent.chmod(0o777)
    said = [(one.check, one.what) for one in check_vault(site) if one.level is Level.WARNING]
    assert said == [
        ("vault", "everybody on this machine can look into it"),
        ("vault", "everybody on this machine can look into it"),
        ("vault key", "others may put another key in its place"),
    ]


def test_a_key_service_is_tried(tmp_path: Path) -> None:
    service = tmp_path / "service"
    service.write_text('#!/bin/sh\n[ "$1" = wrap ] && base64 -w0 && exit\nhead -c 32 /dev/zero\n')
    service.chmod(0o755)
    site = a_vault(tmp_path, key={"command": [str(service)]})
    assert site.vault.key.file is None
    level, what = next((one.level, one.what) for one in check_vault(site) if one.check == "vault key")
    assert level is Level.FAULT and "gives back another key than it was given" in what
    service.write_text("#!/bin/sh\nexit 3\n")
    level, what = next((one.level, one.what) for one in check_vault(site) if one.check == "vault key")
    assert level is Level.FAULT and "ended wrap with status 3" in what


def test_a_disk_that_lasts_for_hours_only_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = a_vault(tmp_path)
    for free, level in ((1 << 50, Level.OK), (1 << 30, Level.WARNING), (40 << 20, Level.FAULT)):
        usage = type("Usage", (), {"free": free})
        monkeypatch.setattr(vault_checks.shutil, "disk_usage", lambda _, found=usage: found)
        assert [one.level for one in check_vault(site) if one.check == "vault disk"] == [level]


def test_memory_that_is_too_small_for_the_expected_calls_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def memory(free: int) -> Finding:
        monkeypatch.setattr(Spool, "free", lambda _: free)
        spool = {"expected_calls": "100", "directory": "/dev/shm/callguard-not-there"}
        [found] = [one for one in check_room(config(spool=spool)) if one.check == "memory"]
        return found

    assert memory(1 << 30).level is Level.OK
    short = memory(200 << 20)
    # 100 calls of 32 kB a second, and 64 MiB that are kept free.
    assert short.level is Level.WARNING and "136 MiB are free, so recording stops after 45 s" in short.what
    none = memory(100 << 20)
    assert none.level is Level.FAULT and "take 52 MiB, and 36 MiB are free" in none.what


def test_too_few_open_files_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def files(most: int) -> Level:
        monkeypatch.setattr(room_checks.resource, "getrlimit", lambda _: (1024, most))
        found = check_room(config(spool={"expected_calls": "500"}))
        return next(one.level for one in found if one.check == "open files")

    assert files(1024) is Level.FAULT
    assert files(1256) is Level.OK
    assert files(resource.RLIM_INFINITY) is Level.OK


def test_swap_in_the_clear_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    head = "Filename\tType\tSize\tUsed\tPriority\n"

    def swap(text: str) -> Level:
        monkeypatch.setattr(room_checks, "_swaps", lambda: (head + text).splitlines()[1:])
        return next(one.level for one in check_room(config()) if one.check == "swap")

    assert swap("") is Level.OK
    assert swap("/dev/zram0 partition 1 0 -2\n") is Level.OK
    assert swap("/swap.img file 1 0 -2\n") is Level.WARNING
