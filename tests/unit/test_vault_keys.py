"""Keys: who can open a recording, how the site's key is changed, and how a recording is destroyed."""

from __future__ import annotations

import shutil
import stat
import sys
from pathlib import Path

import pytest

from callguard.vault import (
    Age,
    Destroyed,
    KeyCommand,
    KeyFile,
    Keyring,
    RecordingKey,
    Retention,
    Vault,
    VaultError,
)
from callguard.vault.keys import Wrapping
from fakes.sealing import NAME, a_vault, speech

SERVICE = """
import sys
secret = 0x5A
verb, recording = sys.argv[1:]
given = sys.stdin.buffer.read()
if verb == "wrap":
    sys.stdout.buffer.write(recording.encode() + b":" + bytes(b ^ secret for b in given))
else:
    name, _, wrapped = given.partition(b":")
    if name.decode() != recording:
        sys.exit("not the key of " + recording)
    sys.stdout.buffer.write(bytes(b ^ secret for b in wrapped))
"""


@pytest.fixture
def service(tmp_path: Path) -> KeyCommand:
    script = tmp_path / "service.py"
    script.write_text(SERVICE)
    return KeyCommand(command=(sys.executable, str(script)))


def vault_with(directory: Path, *current: Wrapping, former: tuple[Wrapping, ...] = ()) -> Vault:
    vault = Vault(
        recordings=directory / "recordings",
        keys=directory / "keys",
        ring=Keyring(current=current, former=former),
    )
    vault.prepare()
    return vault


def record(vault: Vault, **metadata: str) -> bytes:
    pcm = speech(8000).tobytes()
    writing = vault.begin(NAME, metadata, b"", [], RecordingKey.generate().raw)
    writing.seal(pcm)
    writing.finish()
    return pcm


def opened(vault: Vault) -> bytes:
    return b"".join(vault.open(NAME).pcm())


def test_a_key_file_is_made_for_its_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "etc" / "vault.key"
    KeyFile.create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and len(path.read_bytes()) == 32
    with pytest.raises(VaultError, match="there is a site key already"):
        KeyFile.create(path)


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    KeyFile.create(tmp_path / "key")
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(VaultError, match="chmod 600"):
        KeyFile.load(tmp_path / "key")


def test_the_key_of_another_site_opens_nothing(tmp_path: Path) -> None:
    vault = vault_with(tmp_path, KeyFile.create(tmp_path / "one"))
    record(vault)
    other = vault_with(tmp_path, KeyFile.create(tmp_path / "two"))
    with pytest.raises(VaultError, match="none of that is configured here"):
        other.open(NAME)


def test_a_copy_of_the_vault_without_the_site_key_yields_nothing(tmp_path: Path) -> None:
    vault = vault_with(tmp_path / "pbx", KeyFile.create(tmp_path / "key"))
    record(vault)
    shutil.copytree(tmp_path / "pbx", tmp_path / "copy")
    with pytest.raises(VaultError):
        vault_with(tmp_path / "copy", KeyFile.create(tmp_path / "guess")).open(NAME)


def test_the_site_key_is_changed_without_touching_the_recording(tmp_path: Path) -> None:
    old, new = KeyFile.create(tmp_path / "old"), KeyFile.create(tmp_path / "new")
    vault = vault_with(tmp_path, old)
    pcm = record(vault)
    before = {path: path.read_bytes() for path in vault.recordings.rglob("*") if path.is_file()}
    changing = vault_with(tmp_path, new, former=(old,))
    assert not changing.is_current(NAME)
    assert opened(changing) == pcm
    assert changing.rekey(NAME) and not changing.rekey(NAME)
    assert {path: path.read_bytes() for path in vault.recordings.rglob("*") if path.is_file()} == before
    assert opened(vault_with(tmp_path, new)) == pcm
    with pytest.raises(VaultError):
        vault.open(NAME)


def test_a_key_service_wraps_and_unwraps(tmp_path: Path, service: KeyCommand) -> None:
    vault = vault_with(tmp_path, service)
    pcm = record(vault)
    assert opened(vault) == pcm


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("import sys; sys.exit('no such key')", "no such key"),
        ("", "said nothing"),
        ("import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())", "unwrapped"),
        ("import time; time.sleep(60)", "timed out"),
    ],
)
def test_a_key_service_that_fails_is_told_and_nothing_is_begun(
    tmp_path: Path, script: str, told: str
) -> None:
    deadline = 0.2 if "sleep" in script else 20
    command = KeyCommand(command=(sys.executable, "-c", script), deadline=deadline)
    vault = Vault(
        recordings=tmp_path / "recordings", keys=tmp_path / "keys", ring=Keyring(current=(command,))
    )
    with pytest.raises(VaultError, match=told):
        vault.prepare()
    with pytest.raises(VaultError, match=told):
        record(vault)
    assert not list(tmp_path.rglob("*.block"))


def test_with_age_recipients_alone_the_pbx_cannot_read_back_what_it_wrote(tmp_path: Path) -> None:
    pyrage = pytest.importorskip("pyrage")
    identity = pyrage.x25519.Identity.generate()
    (tmp_path / "identity").write_text(f"# kept elsewhere\n{identity}\n")
    recipients = (str(identity.to_public()),)
    pbx = vault_with(tmp_path, Age(recipients=recipients))
    pcm = record(pbx)
    with pytest.raises(VaultError, match="no identity is configured here"):
        pbx.open(NAME)
    elsewhere = vault_with(tmp_path, Age(recipients=recipients, identity=tmp_path / "identity"))
    assert opened(elsewhere) == pcm


def test_of_several_wrappings_each_opens(tmp_path: Path, service: KeyCommand) -> None:
    site = KeyFile.create(tmp_path / "key")
    pcm = record(vault_with(tmp_path, site, service))
    assert opened(vault_with(tmp_path, site)) == pcm
    assert opened(vault_with(tmp_path, service)) == pcm


def test_a_destroyed_recording_stays_destroyed_even_where_its_blocks_were_copied(tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    record(vault)
    wrapped = vault.keys / NAME[:2] / f"{NAME}.key"
    shutil.copytree(vault.recordings, tmp_path / "backup")
    certificate = vault.shred(NAME, by="dpo", reason="erasure request")
    assert not wrapped.exists()
    with pytest.raises(Destroyed, match=r"by dpo \(erasure request\)"):
        vault.open(NAME)
    restored = Vault(recordings=tmp_path / "backup", keys=vault.keys, ring=vault.ring)
    with pytest.raises(VaultError, match="cannot be read"):
        restored.open(NAME)
    assert vault.certificate(NAME) == certificate and certificate.blocks == 1
    assert not list(vault.recordings.rglob("*.block"))


def test_the_certificate_names_the_copies_and_its_hash_is_of_the_file(tmp_path: Path) -> None:
    from hashlib import sha256

    vault = a_vault(tmp_path)
    record(vault)
    directory = vault.open(NAME).directory
    last = (directory / "00000001.block").read_bytes()[-16:].hex()
    key = sha256((vault.keys / NAME[:2] / f"{NAME}.key").read_bytes()).hexdigest()
    certificate = vault.shred(NAME, by="dpo", reason="")
    assert (certificate.last, certificate.key) == (last, key)
    assert sha256((directory / "certificate.json").read_bytes()).hexdigest() == certificate.sha256


def test_destroying_twice_gives_the_same_certificate_and_ends_what_a_crash_interrupted(
    tmp_path: Path,
) -> None:
    vault = a_vault(tmp_path)
    record(vault)
    wrapped = vault.keys / NAME[:2] / f"{NAME}.key"
    kept = wrapped.read_bytes()
    first = vault.shred(NAME, by="dpo", reason="one")
    wrapped.write_bytes(kept)  # as if the power had gone between certificate and key
    assert vault.shred(NAME, by="somebody else", reason="two") == first
    assert not wrapped.exists()


def test_a_recording_on_hold_is_not_destroyed(tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    record(vault, purpose="quality", until="2027-05-31", hold="")
    kept = vault.header(NAME).retention
    held = Retention(purpose=kept.purpose, until=kept.until, hold="lawsuit 7")
    assert vault.keep(NAME, held).edition == 2
    with pytest.raises(VaultError, match=r"legal hold \(lawsuit 7\)"):
        vault.shred(NAME, by="dpo", reason="")
    assert vault.open(NAME).verify().sound
    vault.keep(NAME, kept)
    vault.shred(NAME, by="dpo", reason="")


def test_a_name_that_could_lead_elsewhere_is_refused(tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    for name in ("../../etc/passwd-1", "a/b-1", "", "ABC-1", "abc", "abc-0"):
        with pytest.raises(VaultError):
            vault.open(name)


def test_a_key_never_shows_itself() -> None:
    key = RecordingKey(bytes(range(32)))
    assert repr(key) == "RecordingKey()" and len(key.fingerprint) == 64
