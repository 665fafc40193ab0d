"""The command line as a whole, and that the README knows all of it."""

import asyncio
import json
import re
import sys
import tomllib
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from callguard.cli import COMMANDS, callguard, main
from callguard.cli.logs import without_secrets
from fakes.ami_server import FakeAmi

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself_and_stands_in_the_readme(name):
    result = CliRunner().invoke(callguard, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage: " in result.output
    assert re.search(rf"^\| .*`{name}\b.*\|", README, re.MULTILINE), f"README.md has no row for {name}"


def test_an_error_of_ours_is_a_message_and_no_traceback(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main("calls", "-c", str(tmp_path / "none.yaml"))
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("callguard: ")
    assert "no such file" in said
    assert "Traceback" not in said


async def test_what_is_printed_for_programs_has_no_log_in_it(tmp_path):
    async with FakeAmi() as asterisk:
        config = tmp_path / "config.yaml"
        config.write_text(
            "site: {name: Acme, country: US}\nqueues: {sales: {}}\n"
            "asterisk: {ari: {password: one}, "
            f"ami: {{port: '{asterisk.port}', username: callguard, password: {asterisk.secret}}}}}\n"
            f"control: {{socket: '{tmp_path}/none.sock', state: '{tmp_path}'}}\n"
        )
        command = (sys.executable, "-m", "callguard", "stop-all", "--json", "-c", str(config))
        process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
        out, err = await process.communicate()
    assert json.loads(out)["recording_off"] is True, err.decode()


def test_every_make_target_of_the_readme_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"^make ([a-z-]+)", README, re.MULTILINE))
    assert named
    assert named <= targets


def test_the_readme_begins_with_two_commands():
    assert re.search(r"```sh\nmake demo .*\nmake test .*\n```", README[:900])


@pytest.mark.parametrize(
    ("said", "logged"),
    [
        ("4111111111111111", "[digits]"),
        ("card 4111 1111 1111 1111 please", "card [digits] please"),
        ("5500-0000-0000-0004", "[digits]"),
        ("+4915112345678901", "+4915112345678901"),
        ("channel pbx-1795294999.0", "channel pbx-1795294999.0"),
    ],
)
def test_card_digits_never_reach_the_log(said, logged):
    assert without_secrets(None, "info", {"event": said})["event"] == logged


def test_a_call_is_found_in_the_log_by_its_id() -> None:
    call = "a54aa6d2-cdeb-4de1-ba41-111111111111"
    assert without_secrets(None, "info", {"call": call})["call"] == call
    assert without_secrets(None, "info", {"call": f"{call} 4111111111111111"})["call"].endswith(" [digits]")


def test_secrets_never_reach_the_log():
    assert without_secrets(None, "info", {"password": "hunter2"}) == {"password": "***"}


def test_what_docker_holds_fits_the_repository():
    compose = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
    for service in compose["services"].values():
        assert (ROOT / service["build"]["dockerfile"]).is_file()
        for volume in service["volumes"]:
            name = volume.split(":")[0]
            assert name.startswith("./etc") or name in compose["volumes"]
    assert compose["volumes"]["spool"]["driver_opts"]["type"] == "tmpfs"
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = re.search(r"/src\[(.*?)\]", (ROOT / "docker" / "Dockerfile").read_text())
    assert set(wanted[1].split(",")) <= set(extras)
