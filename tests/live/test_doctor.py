"""`callguard doctor` on a real PBX: what is well, what is not, and that it leaves everything as it was."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from callguard.cli.checks import voices
from callguard.cli.checks.finding import Finding, Level, healthy
from callguard.cli.doctor import examine
from callguard.config import load
from callguard.config.dialplan import render_dialplan, shipped_dialplan
from callguard.config.snippets import render_snippets
from callguard.lab import Lab
from callguard.lab.rootfs import cache_directory
from callguard.lab.site import Site
from callguard.recording import Spool


@dataclass(frozen=True)
class House:
    """What the fixture of that name gives: a laboratory with callguard in it."""

    lab: Lab
    site: Site


async def doctor(house: House, path: Path | None = None) -> list[Finding]:
    """What doctor finds; with another configuration if one is given."""
    path = path or house.site.config
    return await examine(load(path), path, house.lab.pbx.directory / "etc")


def changed(house: House, directory: Path, change: Mapping[str, Any]) -> Path:
    """The site's configuration with sections changed, at any depth."""

    def merge(old: Any, new: Any) -> Any:
        if not isinstance(old, dict) or not isinstance(new, dict):
            return new
        return old | {key: merge(old.get(key), value) for key, value in new.items()}

    path = directory / "config.yaml"
    path.touch(mode=0o600)
    path.write_text(json.dumps(merge(json.loads(house.site.config.read_text()), change)))
    return path


def told(findings: list[Finding], check: str) -> list[tuple[Level, str]]:
    return [(one.level, one.what) for one in findings if one.check == check]


def bad(findings: list[Finding]) -> set[tuple[str, Level]]:
    """What is not as on a healthy site: the package, its release, clock and swap are as they are."""
    usual = {
        ("lost voices", Level.WARNING),
        ("clock", Level.ADVICE),
        ("swap", Level.WARNING),
        ("version", Level.ADVICE),
    }
    return {(one.check, one.level) for one in findings if one.level is not Level.OK} - usual


@contextlib.asynccontextmanager
async def dialplan(house: House, text: str) -> AsyncIterator[None]:
    """Another dialplan for a while."""
    await house.lab.pbx.load_dialplan(dialplan=text)
    try:
        yield
    finally:
        await house.lab.pbx.load_dialplan(dialplan=house.site.dialplan())


@contextlib.asynccontextmanager
async def manager(house: House, *changes: tuple[str, str]) -> AsyncIterator[None]:
    """Another manager.conf for a while."""
    pbx = house.lab.pbx
    usual = (pbx.directory / "etc/manager.conf").read_text()
    text = usual
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    pbx.write_file("manager.conf", text)
    await pbx.cli("manager reload")
    try:
        yield
    finally:
        pbx.write_file("manager.conf", usual)
        await pbx.cli("manager reload")


async def left_behind(house: House) -> list[str]:
    """Where something of doctor's calls would still be."""
    pbx = house.lab.pbx
    channels = (await pbx.cli("core show channels concise")).splitlines()
    bridges = (await pbx.cli("bridge show all")).splitlines()[1:]
    recordings = [str(path) for path in (pbx.directory / "spool/recording").iterdir()]
    spool = [str(path) for path in house.site.spool.glob("*.sln")]
    return (
        [line for line in channels if "Local/" in line or "UnicastRTP" in line] + bridges + recordings + spool
    )


async def test_a_healthy_site_has_no_fault_and_a_live_call_goes_on(house: House) -> None:
    phone = await house.lab.world.call("102", caller_id="+15125550100")
    agent = await house.lab.world.agent("sales-agent").next_call(20)
    await house.lab.pbx.cli("core show channels concise")
    status, out = await house.site.command(
        "doctor", "--json", "--asterisk-etc", str(house.lab.pbx.directory / "etc"), check=False
    )
    answer = json.loads(out)
    assert status == 0, out
    assert answer["ok"] is True
    levels = {(one["check"], one["level"]) for one in answer["findings"]}
    for check in (
        *("passwords", "spool", "law", "ledger", "disk", "announcements", "ARI", "AMI", "version", "modules"),
        *("clock", "controller", "dialplan", "AMI events", "AMI rights", "other recorders"),
        *("vault", "vault key", "vault disk", "memory", "open files", "spool rights"),
    ):
        assert (check, "ok") in levels, (check, out)
    assert {level for _, level in levels} <= {"ok", "advice", "warning"}
    assert (phone.cause, agent.cause) == (None, None)
    await phone.hang_up()
    await agent.ended()


async def test_a_package_that_loses_voices_is_told(house: House) -> None:
    [(level, what)] = told(await doctor(house), "lost voices")
    if house.lab.pbx.build.branch == 16:  # from before Debian changed it
        assert (level, what) == (Level.OK, "a party who takes over from another is recorded")
    else:
        assert level is Level.WARNING
        assert "loses the voice of a party who takes over" in what


async def test_what_this_release_lacks_is_told(house: House) -> None:
    [(level, what), *more] = told(await doctor(house), "version")
    assert level is Level.OK
    assert f"Asterisk {house.lab.pbx.build.version}" in what
    assert {level for level, _ in more} <= {Level.ADVICE}
    lacks = [what for _, what in more]
    if house.lab.pbx.build.branch == 16:
        for words in ("StasisBroadcast", "over the websocket", "mute one recording by its id"):
            assert sum(words in what for what in lacks) == 1, words
    else:
        assert lacks == []


async def test_parties_whose_numbers_rise_are_both_heard(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same test tells the opposite where nothing is lost: it measures, and does not just say so."""
    monkeypatch.setattr(voices, "PARTIES", tuple(reversed(voices.PARTIES)))
    assert told(await doctor(house), "lost voices") == [
        (Level.OK, "a party who takes over from another is recorded")
    ]


async def test_nothing_of_it_is_left_behind(house: House) -> None:
    # What callers of other tests said is kept there.
    before = await left_behind(house)
    await doctor(house)
    assert await left_behind(house) == before


async def test_people_are_told_what_is_wrong_where_and_how_to_mend_it(house: House, tmp_path: Path) -> None:
    path = changed(house, tmp_path, {"asterisk": {"ari": {"app": "callguard-2"}}})
    findings = await doctor(house, path)
    assert [one for one in findings if one.level is not Level.OK and not one.remedy] == []
    assert bad(findings) == {("controller", Level.ADVICE), ("dialplan", Level.FAULT)}
    [(_, what)] = told(findings, "dialplan")
    assert (
        what == "CALLGUARD_APP is 'callguard' in the loaded dialplan and 'callguard-2' in the configuration"
    )


async def test_a_wrong_password_of_ari_is_told(house: House, tmp_path: Path) -> None:
    findings = await doctor(house, changed(house, tmp_path, {"asterisk": {"ari": {"password": "no-such"}}}))
    assert bad(findings) == {("ARI", Level.FAULT), ("not tried", Level.ADVICE)}
    [(_, what)] = told(findings, "ARI")
    assert "401" in what
    assert "no-such" not in str(findings)


async def test_a_wrong_password_of_ami_is_told(house: House, tmp_path: Path) -> None:
    findings = await doctor(house, changed(house, tmp_path, {"asterisk": {"ami": {"password": "no-such"}}}))
    assert bad(findings) == {("AMI", Level.FAULT)}
    assert "Authentication failed" in str(told(findings, "AMI"))


async def test_a_user_of_ari_that_may_only_read_is_told(house: House) -> None:
    pbx = house.lab.pbx
    usual = (pbx.directory / "etc/ari.conf").read_text()
    pbx.write_file("ari.conf", usual.replace("read_only = no", "read_only = yes"))
    await pbx.cli("module reload res_ari.so")
    try:
        findings = await doctor(house)
    finally:
        pbx.write_file("ari.conf", usual)
        await pbx.cli("module reload res_ari.so")
    assert ("ARI", Level.FAULT) in bad(findings)
    assert "read_only" in str(told(findings, "ARI"))


@pytest.mark.parametrize(
    ("rights", "check", "level", "said"),
    [
        (("write = call", "write = call,system"), "AMI rights", Level.WARNING, "system amounts to a shell"),
        (("write = call", "write = all"), "AMI rights", Level.WARNING, "command, config, originate, system"),
        (("write = call", "write = call,reporting"), "AMI rights", Level.WARNING, "reporting"),
        (
            ("write = call", "write = reporting"),
            "AMI rights",
            Level.FAULT,
            "MixMonitorMute, PlayDTMF, Redirect",
        ),
        (("read = call,user,dtmf", "read = call,dtmf"), "AMI events", Level.FAULT, "class user"),
        (("read = call,user,dtmf", "read = user,dtmf"), "AMI events", Level.FAULT, "class call"),
        (("read = call,user,dtmf", "read = call,user"), "AMI events", Level.FAULT, "not noticed"),
        (("read = call,user", "read = dialplan,call,user"), "AMI events", Level.WARNING, "(dialplan)"),
        (
            ("write = call", "write = call\neventfilter = ^Event: (UserEvent|Hangup|MixMonitorStart|DTMF)"),
            "AMI events",
            Level.FAULT,
            "do not arrive, though their class does: MixMonitorMute, MixMonitorStop, BridgeEnter",
        ),
    ],
    ids=["system", "all", "reporting", "no-call", "no-user", "no-calls", "dtmf", "dialplan", "filter"],
)
async def test_rights_of_ami_that_are_not_exactly_enough_are_told(
    house: House, rights: tuple[str, str], check: str, level: Level, said: str
) -> None:
    async with manager(house, rights):
        findings = await doctor(house)
    assert (check, level) in bad(findings)
    assert said in str(told(findings, check))


async def test_what_init_writes_is_exactly_enough(house: House, tmp_path: Path) -> None:
    """On a real Asterisk: included at the end of files that have a [general] of their own."""
    names = {"username": "guard", "password": "pass;word-of-guard"}
    path = changed(house, tmp_path, {"asterisk": {"ari": names, "ami": names}})
    snippets = render_snippets(load(path))
    pbx = house.lab.pbx
    usual = {
        name: (pbx.directory / "etc" / name).read_text() for name in ("ari.conf", "manager.conf", "http.conf")
    }
    for name, text in usual.items():
        pbx.write_file(f"callguard-{name}", snippets[f"callguard-{name}"])
        pbx.write_file(name, f"{text}\n#include callguard-{name}\n")
    reload = ("module reload http", "module reload res_ari.so", "manager reload")
    try:
        for command in reload:
            await pbx.cli(command)
        findings = await doctor(house, path)
        # What Asterisk says of a section that is added to and is not there.
        assert "Category addition requested" not in pbx.log_tail(100_000)
    finally:
        for name, text in usual.items():
            pbx.write_file(name, text)
        for command in reload:
            await pbx.cli(command)
    assert bad(findings) == set()


async def test_a_dialplan_that_is_not_loaded_is_told(house: House) -> None:
    async with dialplan(house, "; nothing\n"):
        findings = await doctor(house)
    assert bad(findings) == {("dialplan", Level.FAULT), ("not tried", Level.ADVICE)}
    assert "is not loaded" in str(told(findings, "dialplan"))


async def test_a_spool_that_differs_in_the_dialplan_is_told_and_left_clean(
    house: House, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    text = house.site.dialplan().replace(str(house.site.spool), str(elsewhere))
    async with dialplan(house, text):
        findings = await doctor(house)
    assert bad(findings) == {("dialplan", Level.FAULT), ("spool", Level.FAULT)}
    assert f"CALLGUARD_SPOOL is '{elsewhere}'" in str(told(findings, "dialplan"))
    assert list(elsewhere.iterdir()) == []


async def test_numbers_that_do_not_bypass_are_told(house: House) -> None:
    async with dialplan(house, house.site.dialplan().replace("exten => 911,1,NoOp()\n", "")):
        findings = await doctor(house)
    assert told(findings, "dialplan") == [
        (Level.FAULT, "these numbers do not bypass in the loaded dialplan: 911")
    ]


async def test_an_edited_dialplan_is_told(house: House) -> None:
    text = shipped_dialplan().replace("CALLGUARD_LEASE=5", "CALLGUARD_LEASE=6")
    async with dialplan(house, render_dialplan(load(house.site.config), text)):
        findings = await doctor(house)
    assert bad(findings) == {("dialplan", Level.ADVICE)}


async def test_a_spool_that_asterisk_cannot_write_to_is_told(house: House, tmp_path: Path) -> None:
    """As on another machine: this account sees the directory, and what Asterisk writes is not in it."""
    path = changed(house, tmp_path, {"spool": {"directory": "/dev/shm/callguard-doctor-test"}})
    text = render_dialplan(load(path)).replace("/dev/shm/callguard-doctor-test", "/proc/nowhere")
    async with dialplan(house, text):
        findings = await doctor(house, path)
    assert (Level.FAULT, "Asterisk recorded, and no file appeared in it") in told(findings, "spool")
    assert not Path("/dev/shm/callguard-doctor-test").exists()


async def test_a_spool_on_a_disk_is_told(house: House, tmp_path: Path) -> None:
    place = cache_directory() / "doctor-test-spool"
    if Spool(directory=place).file_system() in {"tmpfs", "ramfs"}:
        pytest.skip("this machine's cache lies in memory")
    path = changed(house, tmp_path, {"spool": {"directory": str(place)}})
    try:
        async with dialplan(house, render_dialplan(load(path))):
            findings = await doctor(house, path)
            allowed = changed(
                house, tmp_path, {"spool": {"directory": str(place), "allow_persistent_disk": "yes"}}
            )
            accepted = await doctor(house, allowed)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    assert ("spool", Level.FAULT) in bad(findings)
    assert "so speech would reach a disk in the clear" in str(told(findings, "spool"))
    assert bad(accepted) == {("spool", Level.WARNING)}


async def test_a_site_without_its_key_is_told(house: House, tmp_path: Path) -> None:
    key = {"file": str(tmp_path / "vault.key")}
    findings = await doctor(house, changed(house, tmp_path, {"vault": {"key": key}}))
    assert bad(findings) == {("vault key", Level.FAULT)}
    assert "`callguard vault new-key` makes one" in str(told(findings, "vault key"))


async def test_a_full_spool_is_told(house: House, tmp_path: Path) -> None:
    path = changed(house, tmp_path, {"spool": {"minimum_free_mb": str(1 << 40)}})
    findings = await doctor(house, path)
    assert bad(findings) == {("spool", Level.FAULT)}


@pytest.mark.parametrize("damage", ["bytes", "gone", "none"])
async def test_announcements_that_are_not_as_built_are_told(
    house: House, tmp_path: Path, damage: str
) -> None:
    directory = tmp_path / "prompts"
    if damage != "none":
        shutil.copytree(load(house.site.config).prompts.directory, directory)
        victim = min(directory.glob("*.wav"))
        if damage == "gone":
            victim.unlink()
        else:
            victim.write_bytes(victim.read_bytes()[:-2] + b"\x55\x55")
    findings = await doctor(house, changed(house, tmp_path, {"prompts": {"directory": str(directory)}}))
    assert bad(findings) == {("announcements", Level.FAULT)}
    said = {
        "bytes": ["its hash differs"],
        "gone": ["is missing", "Asterisk cannot play 1 of"],
        "none": ["no prompts here yet"],
    }
    for words in said[damage]:
        assert words in str(told(findings, "announcements"))


async def test_a_module_that_is_missing_is_told(house: House) -> None:
    pbx = house.lab.pbx
    await pbx.cli("module unload app_userevent.so")
    try:
        findings = await doctor(house)
    finally:
        await pbx.cli("module load app_userevent.so")
    assert ("modules", Level.FAULT) in bad(findings)
    assert "app_userevent is not running" in str(told(findings, "modules"))


async def test_recorders_of_others_are_told(house: House) -> None:
    pbx = house.lab.pbx
    usual = (pbx.directory / "etc/queues.conf").read_text()
    pbx.write_file("queues.conf", usual.replace("[lab](!)", "[lab](!)\nmonitor-format = wav"))
    try:
        findings = await doctor(house)
    finally:
        pbx.write_file("queues.conf", usual)
    assert bad(findings) == {("other recorders", Level.FAULT)}
    assert "callers who refused" in str(told(findings, "other recorders"))


async def test_an_asterisk_that_does_not_answer_is_told_in_time(house: House) -> None:
    house.lab.pbx.freeze()
    try:
        async with asyncio.timeout(30):
            findings = await doctor(house)
    finally:
        house.lab.pbx.thaw()
    assert {("ARI", Level.FAULT), ("AMI", Level.FAULT), ("not tried", Level.ADVICE)} <= bad(findings)


async def test_an_asterisk_that_is_down_is_told(house: House) -> None:
    await house.lab.pbx.stop()
    try:
        findings = await doctor(house)
    finally:
        await house.lab.pbx.start()
    assert not healthy(findings)
    assert "does not run, or cannot be reached" in str(told(findings, "Asterisk"))
    assert (Level.OK, "opens") in told(findings, "ledger")
