"""`callguard run` for several Asterisks: what they share by mistake is refused before anything begins."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from callguard.cli import callguard
from callguard.errors import ConfigError

OWN = {
    "asterisk": "{{ari: {{url: 'http://127.0.0.1:{port}', password: x}}, ami: {{password: x}}}}",
    "control": "{{socket: {directory}/control.sock}}",
    "spool": "{{directory: {directory}/spool}}",
    "ledger": "{{url: 'sqlite:///{directory}/ledger.db'}}",
    "vault": "{{directory: {directory}/vault, keys: {directory}/keys}}",
}


def site(directory: Path, name: str, **other: str) -> Path:
    """A configuration with everything its own, but for what is given."""
    path = directory / f"{name}.yaml"
    sections = {
        section: other.get(section) or text.format(directory=directory / name, port=8000 + len(name))
        for section, text in OWN.items()
    }
    words = "\n".join(f"{section}: {text}" for section, text in sections.items())
    path.write_text(f"site: {{name: Us, country: US}}\nqueues: {{sales: {{}}}}\n{words}\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("section", "setting"),
    [
        ("asterisk", "asterisk.ari.url"),
        ("control", "control.socket"),
        ("spool", "spool.directory"),
        ("ledger", "ledger.url"),
        ("vault", "vault.directory, vault.keys"),
    ],
)
def test_two_asterisks_share_nothing_that_each_needs_for_itself(
    tmp_path: Path, section: str, setting: str
) -> None:
    shared = OWN[section].format(directory=tmp_path, port=8088)
    east = site(tmp_path, "east", **{section: shared})
    south = site(tmp_path, "south", **{section: shared})
    result = CliRunner().invoke(callguard, ["run", "-c", str(east), "-c", str(south)])
    assert isinstance(result.exception, ConfigError)
    assert f"{east} and {south} have the same {setting}; give each" in str(result.exception)


def test_a_second_configuration_is_checked_like_the_first(tmp_path: Path) -> None:
    east, south = site(tmp_path, "east"), site(tmp_path, "south", spool="{directory: [1]}")
    result = CliRunner().invoke(callguard, ["run", "-c", str(east), "-c", str(south)])
    assert isinstance(result.exception, ConfigError)
    assert "south.yaml:5: spool.directory" in str(result.exception)
