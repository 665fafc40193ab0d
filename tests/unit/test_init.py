"""`callguard init` writes what validates, what Asterisk needs and no more, and never over what is there."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from callguard.cli import callguard, places
from callguard.config import Config, load
from callguard.config.dialplan import render_dialplan, shipped_dialplan, stamp, stamp_of
from callguard.config.snippets import render_snippets
from callguard.controller.keeping import vault_of
from callguard.errors import ConfigError

ACME = ("--company", "Acme", "--country", "US", "--state", "CA")


def data_of(output: Path) -> Path:
    """Where a site of these tests keeps what it has."""
    return output.parent / f"{output.name}-data"


def init(output: Path, *options: str, answers: str = "", quiet: bool = True) -> Result:
    """Run it; an error of ours comes out as itself."""
    data = ["--data", str(data_of(output))]
    arguments = ["init", "-o", str(output), *data, *options, *(["--non-interactive"] if quiet else [])]
    return CliRunner().invoke(callguard, arguments, input=answers, standalone_mode=False)


def written(output: Path, *options: str) -> Config:
    result = init(output, *options)
    assert result.exception is None, result.exception
    return load(output / "config.yaml")


def snippet(output: Path, name: str) -> str:
    return (output / "asterisk" / name).read_text(encoding="utf-8")


def test_options_and_defaults_make_a_configuration_that_validates(tmp_path: Path) -> None:
    config = written(tmp_path / "new", *ACME, "--queue", "sales", "--queue", "support", "--language", "en")
    assert (config.site.name, config.site.recorder) == ("Acme", "US-CA")
    assert list(config.queues) == ["sales", "support"]
    assert config.asterisk.ami.port == 5038


def test_questions_make_one_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_CH.UTF-8")
    answers = "Bäckerei Zopf\n\nkasse, büro\nkasse, buero\nde,fr\nquality,training\n\n"
    result = init(tmp_path, answers=answers, quiet=False)
    assert result.exception is None, result.output
    assert "'büro' is no name of a queue" in result.output
    config = load(tmp_path / "config.yaml")
    assert (config.site.name, config.site.country) == ("Bäckerei Zopf", "CH")
    assert list(config.queues) == ["kasse", "buero"]
    assert config.dialogue.languages == ("de", "fr")
    assert config.queues["buero"].purposes == ("quality", "training")


def test_what_to_do_next_is_told_in_numbered_steps(tmp_path: Path) -> None:
    told = init(tmp_path, *ACME).output
    assert [int(n) for n in re.findall(r"^  (\d)\. ", told, re.MULTILINE)] == list(range(1, 9))
    for command in ("prompts build", "doctor", "run"):
        assert f"callguard {command} -c {tmp_path}/config.yaml" in told


@pytest.mark.parametrize(
    "name",
    [
        'Müller "& Söhne": {x} ${Y} #1',
        "O'Brien \\ Co; rm -rf / `id`",
        "- yes: no",
        "株式会社 例",
        "x" * 120,
        "NO",
        "0123",
        "&a *b !!int 3 %TAG |",
        "{{ 7 * 7 }}{% raw %}",
    ],
)
def test_odd_names_stay_as_they_are(tmp_path: Path, name: str) -> None:
    assert written(tmp_path, "--company", name, "--country", "US").site.name == name


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--company", "x" * 121, "--country", "US"), "--company: it is spoken to callers: 1 to 120"),
        (("--company", "a\nb", "--country", "US"), "printable"),
        (("--company", " ", "--country", "US"), "--company"),
        (("--company", "A", "--country", "XX"), "'XX' is no country"),
        (("--company", "A"), "--country is needed"),
        (("--country", "US"), "--company is needed"),
        ((*ACME[:4], "--state", "ZZ"), "'ZZ' is not known: AK, AL"),
        (("--company", "A", "--country", "FR", "--state", "PA"), "no part of FR has a law of its own"),
        ((*ACME, "--queue", "a b"), "'a b' is no name of a queue"),
        ((*ACME, "--queue", "q" * 54), "53 at most"),
        ((*ACME, "--queue", "sales)"), "is no name of a queue"),
        ((*ACME, "--language", "tlh"), "'tlh' is not known: choose among"),
        ((*ACME, "--purpose", "fun"), "'fun' is not known: choose among quality"),
        ((*ACME, "--ari", "http://me:pw@pbx/ari"), "is no address"),
        ((*ACME, "--ami-port", "0"), "0 is not in the range"),
    ],
)
def test_what_will_not_do_is_refused_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], said: str
) -> None:
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    result = init(tmp_path, *options)
    assert isinstance(result.exception, click.UsageError)
    assert said in result.exception.format_message()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_unless_forced(tmp_path: Path) -> None:
    written(tmp_path, *ACME)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    result = init(tmp_path, *ACME)
    assert isinstance(result.exception, ConfigError)
    assert "already there, nothing was written; --force overwrites" in str(result.exception)
    assert {path: path.read_bytes() for path in before} == before
    assert written(tmp_path, "--company", "Other", "--country", "US", "--force").site.name == "Other"


def test_one_file_that_is_there_keeps_all_others_from_being_written(tmp_path: Path) -> None:
    (tmp_path / "asterisk").mkdir()
    (tmp_path / "asterisk/callguard.conf").write_text("mine")
    result = init(tmp_path, *ACME)
    assert isinstance(result.exception, ConfigError)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["callguard.conf"]
    assert snippet(tmp_path, "callguard.conf") == "mine"


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = init(tmp_path / "file" / "below", *ACME)
    assert isinstance(result.exception, ConfigError)
    assert "cannot be written (Not a directory); use --output" in str(result.exception)


def test_what_holds_passwords_is_not_for_everybody(tmp_path: Path) -> None:
    written(tmp_path, *ACME)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 10
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o640}


def test_the_vault_is_ready_for_the_first_call(tmp_path: Path) -> None:
    result = init(tmp_path, *ACME)
    config, key = load(tmp_path / "config.yaml"), data_of(tmp_path) / "keys/vault.key"
    assert config.vault.enabled and config.vault.key.file == key
    assert f"{key} is the new key of this site" in result.output
    assert "apart from the backups of the vault" in result.output
    vault_of(config).prepare()
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (key, key.parent, config.vault.keys)}
    assert modes == {key: 0o600, key.parent: 0o700, config.vault.keys: 0o700}
    # Asterisk reads announcements, and nobody else what callers said.
    assert config.prompts.directory.stat().st_mode & stat.S_IROTH
    for private in (config.vault.directory, data_of(tmp_path)):
        assert not private.stat().st_mode & stat.S_IRWXO


def test_a_key_that_is_there_is_never_replaced(tmp_path: Path) -> None:
    init(tmp_path, *ACME)
    key = data_of(tmp_path) / "keys/vault.key"
    before = key.read_bytes()
    result = init(tmp_path, *ACME, "--force")
    assert "was there before, and stays" in result.output
    assert key.read_bytes() == before


def test_for_a_container_only_files_are_written_and_the_key_is_a_step(tmp_path: Path) -> None:
    told = init(tmp_path, *ACME, "--files-only").output
    assert not data_of(tmp_path).exists()
    assert f"callguard vault new-key -c {tmp_path}/config.yaml" in told


def test_what_cannot_be_made_is_told_and_the_files_are_written(tmp_path: Path) -> None:
    data_of(tmp_path).mkdir()
    (data_of(tmp_path) / "vault").write_text("in the way")
    told = init(tmp_path, *ACME).output
    assert f"as root: install -d -o callguard -g callguard {data_of(tmp_path)}/vault\n" in told
    assert "callguard vault new-key" in told
    assert load(tmp_path / "config.yaml").vault.enabled


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_gives_everything_to_callguards_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places.Owner, "here", lambda: places.Owner(user=4711, group=4712))
    told = init(tmp_path, *ACME).output
    made = [data_of(tmp_path), *data_of(tmp_path).rglob("*")]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {(4711, 4712)}
    assert {path.stat().st_gid for path in tmp_path.rglob("*.*") if path.is_file()} == {4712}
    assert "useradd" not in told


def test_a_place_that_asterisk_cannot_name_is_refused(tmp_path: Path) -> None:
    arguments = ["init", "-o", str(tmp_path), "--data", "/srv/a,b", *ACME, "--non-interactive"]
    result = CliRunner().invoke(callguard, arguments, standalone_mode=False)
    assert isinstance(result.exception, click.UsageError)
    assert "Asterisk cannot use this path" in result.exception.format_message()


def test_each_site_has_passwords_of_its_own(tmp_path: Path) -> None:
    sites = [written(tmp_path / name, *ACME).asterisk for name in "ab"]
    found = {one.password.get_secret_value() for site in sites for one in (site.ari, site.ami)}
    assert len(found) == 4
    assert min(map(len, found)) >= 32


def test_the_passwords_stand_in_asterisks_files(tmp_path: Path) -> None:
    asterisk = written(tmp_path, *ACME).asterisk
    ari, manager = snippet(tmp_path, "callguard-ari.conf"), snippet(tmp_path, "callguard-manager.conf")
    assert f"\npassword = {asterisk.ari.password.get_secret_value()}\n" in ari
    assert f"\nsecret = {asterisk.ami.password.get_secret_value()}\n" in manager
    assert "websocket_write_timeout = 5000" in ari


def test_the_manager_gets_least_rights_from_this_machine_alone(tmp_path: Path) -> None:
    written(tmp_path, *ACME)
    settings = dict(re.findall(r"^(\w+) = (.*)$", snippet(tmp_path, "callguard-manager.conf"), re.MULTILINE))
    assert (settings["read"], settings["write"]) == ("call,user,dtmf", "call")
    assert settings["permit"] == "127.0.0.1/32"
    events = re.compile(settings["eventfilter"])
    assert events.match("Event: MixMonitorStart\r\n")
    assert events.match("Event: UserEvent\r\n")
    assert not events.match("Event: VarSet\r\n")


def test_a_pbx_elsewhere_lets_in_this_machine(tmp_path: Path) -> None:
    written(tmp_path, *ACME, "--ari", "http://192.0.2.7:8089/ari")
    http, manager = snippet(tmp_path, "callguard-http.conf"), snippet(tmp_path, "callguard-manager.conf")
    assert "bindaddr = 192.0.2.7\nbindport = 8089\n" in http
    assert "permit = 127." not in manager
    assert re.search(r"^permit = [\d.]+/32$", manager, re.MULTILINE)


def test_the_dialplan_has_the_sites_settings_and_bypass_numbers(tmp_path: Path) -> None:
    config = written(tmp_path, *ACME)
    text = (tmp_path / "config.yaml").read_text(encoding="utf-8")
    text += "spool: {directory: /dev/shm/elsewhere}\nbypass: {numbers: ['112', '+18005550199']}\n"
    text = text.replace("  ari:\n", "  ari:\n    app: callguard-2\n")
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    result = init(tmp_path, "--pbx-only", "--force")
    assert result.exception is None, result.exception
    dialplan = snippet(tmp_path, "callguard.conf")
    assert "Set(CALLGUARD_APP=callguard-2)" in dialplan
    assert "Set(CALLGUARD_SPOOL=/dev/shm/elsewhere)" in dialplan
    bypass = dialplan.partition("[callguard-bypass]")[2].partition("\n[")[0]
    assert re.findall(r"^exten => (\S+),1,NoOp\(\)$", bypass, re.MULTILINE) == ["112", "+18005550199"]
    assert load(tmp_path / "config.yaml").asterisk.ari.password == config.asterisk.ari.password


def test_pbx_only_needs_a_configuration(tmp_path: Path) -> None:
    result = init(tmp_path, "--pbx-only")
    assert isinstance(result.exception, ConfigError)
    assert "no such file" in str(result.exception)


def test_the_dialplans_stamp_tells_which_text_it_is(tmp_path: Path) -> None:
    config = written(tmp_path, *ACME)
    rendered = render_dialplan(config)
    assert f"Set(CALLGUARD_DIALPLAN={stamp_of(config)})" in rendered
    assert stamp(rendered) == stamp_of(config)
    assert stamp(rendered.replace("Wait(60)", "Wait(61)")) != stamp_of(config)
    other = config.model_copy(update={"bypass": config.bypass.model_copy(update={"numbers": ("112",)})})
    assert stamp_of(other) != stamp_of(config)


def test_a_site_without_bypass_numbers_bypasses_nobody(tmp_path: Path) -> None:
    config = written(tmp_path, *ACME)
    none = config.model_copy(update={"bypass": config.bypass.model_copy(update={"numbers": ()})})
    bypass = render_dialplan(none).partition("[callguard-bypass]")[2].partition("\n[")[0]
    assert "exten" not in bypass


def test_a_dialplan_that_is_not_ours_is_not_written_to(tmp_path: Path) -> None:
    config = written(tmp_path, *ACME)
    with pytest.raises(ConfigError, match="CALLGUARD_SPOOL is not set once"):
        render_dialplan(config, shipped_dialplan().replace("CALLGUARD_SPOOL=", "CALLGUARD_SPOOL_="))


def test_a_password_of_the_administrators_own_is_not_cut_at_a_semicolon(tmp_path: Path) -> None:
    written(tmp_path, *ACME)
    text = (tmp_path / "config.yaml").read_text(encoding="utf-8")
    text = re.sub(r'password: "[^"]*"', 'password: "a;b"', text)
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    snippets = render_snippets(load(tmp_path / "config.yaml"))
    assert "\nsecret = a\\;b\n" in snippets["callguard-manager.conf"]


def test_a_queue_for_refusers_of_another_name_is_given_to_the_dialplan(tmp_path: Path) -> None:
    written(tmp_path, *ACME, "--queue", "sales", "--queue", "help")
    text = (tmp_path / "config.yaml").read_text(encoding="utf-8")
    text = text.replace('  "help":\n', '  "help":\n    unrecorded: open-help\n')
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    example = render_snippets(load(tmp_path / "config.yaml"))["extensions.example.conf"]
    assert "Gosub(callguard,consent,1(sales))" in example
    assert "Gosub(callguard,consent,1(help,open-help))" in example
