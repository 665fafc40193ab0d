"""Numbers that the ledger does not show, and still finds; and the CRM learns them as they were."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from callguard.errors import LedgerError
from callguard.ledger import Entry, Kind, Ledger, Settings, SigningKey
from callguard.ledger.bodies import Arrived, PartyChanged, Violation
from callguard.ledger.privacy import Numbers, Privacy, load_or_create_key
from callguard.ledger.source import DatabaseSource
from callguard.ledger.verify import verify
from callguard.ledger.webhook import Endpoint
from fakes.crm import Crm

KEY = SigningKey.generate()
SECRET = "whsec_" + base64.b64encode(b"thirty-two bytes of good secret!").decode()
NUMBER = "+14155550100"


def privacy(numbers: Numbers, key: bytes = bytes(range(32))) -> Privacy:
    return Privacy(numbers, key)


@pytest.mark.parametrize("numbers", [Numbers.HASHED, Numbers.ENCRYPTED])
async def test_hidden_numbers_are_found_and_stand_nowhere(url: str, tmp_path: Path, numbers: Numbers) -> None:
    async with Ledger(Settings(url=url, key=KEY, privacy=privacy(numbers))) as ledger:
        await ledger.append(Entry.now(Arrived(channel="1", caller=NUMBER, called="+442071838750"), "a"))
        await ledger.append(Entry.now(Arrived(channel="2", caller="anonymous", called="+442071838750"), "b"))
        joined = PartyChanged(
            kind=Kind.PARTY_JOINED, party="joined-1", channel="3", phone="+1 (415) 555-0100"
        )
        await ledger.append(Entry.now(joined, "b"))
        assert [e.call for e in await ledger.search(caller=NUMBER)] == ["a"]
        assert [e.call for e in await ledger.search(phone=NUMBER)] == ["b"], "one number, two spellings"
        assert [e.call for e in await ledger.search(called="+44 20 7183 8750")] == ["a", "b"]
        assert await ledger.search(caller="+14155550101") == []
        texts = " ".join(entry.text for entry in await ledger.entries())
    assert "5550100" not in texts
    assert "83875" not in texts
    if url.startswith("sqlite"):
        raw = b"".join(file.read_bytes() for file in tmp_path.iterdir())
        assert b"5550100" not in raw
    with DatabaseSource(url) as source:
        assert verify(source, [KEY.public]).ok


def test_encrypted_numbers_can_be_read_with_the_key_only() -> None:
    hidden = privacy(Numbers.ENCRYPTED).hide(NUMBER)
    assert hidden == privacy(Numbers.ENCRYPTED).hide(NUMBER)
    assert privacy(Numbers.ENCRYPTED).show(hidden) == NUMBER
    assert privacy(Numbers.ENCRYPTED, bytes(32)).show(hidden) == hidden
    assert privacy(Numbers.ENCRYPTED).show("siv:nonsense") == "siv:nonsense"
    assert privacy(Numbers.ENCRYPTED).hide(hidden) == hidden


def test_hashed_numbers_cannot_be_read_even_with_the_key() -> None:
    hidden = privacy(Numbers.HASHED).hide(NUMBER)
    assert privacy(Numbers.HASHED).show(hidden) == hidden
    assert hidden != privacy(Numbers.HASHED, bytes(32)).hide(NUMBER)


@pytest.mark.parametrize("number", ["", "\x00", "anonymous", "x" * 500, "\ud800"])
@pytest.mark.parametrize("numbers", Numbers)
def test_whatever_a_pbx_gives_as_a_number_can_be_hidden(number: str, numbers: Numbers) -> None:
    assert isinstance(privacy(numbers).show(privacy(numbers).hide(number)), str)


async def test_the_crm_learns_encrypted_numbers_as_they_were(url: str) -> None:
    crm = Crm(SECRET)
    server = await crm.start()
    where = Endpoint(name="crm", url=f"http://127.0.0.1:{server.port}/callguard", secrets=(SECRET,))
    settings = Settings(url=url, key=KEY, endpoints=(where,), privacy=privacy(Numbers.ENCRYPTED))
    async with Ledger(settings) as ledger:
        ledger.note(Entry.now(Arrived(channel="1", caller=NUMBER, called="+442071838750", case="C-77"), "a"))
        ledger.note(Entry.now(Violation(recorder="MixMonitor", channel="x"), "a"))
        await crm.until(1)
    await server.close()
    told = crm.calls["a"][0]["data"]
    assert (told["caller"], told["called"], told["case"]) == (NUMBER, "+442071838750", "C-77")
    assert told["body"]["recorder"] == "MixMonitor"


def test_the_key_of_numbers_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "secret" / "numbers.key"
    key = load_or_create_key(path)
    assert len(key) == 32
    assert load_or_create_key(path) == key
    path.chmod(0o640)
    with pytest.raises(LedgerError, match="chmod 600"):
        load_or_create_key(path)
    with pytest.raises(LedgerError, match="32 bytes"):
        Privacy(Numbers.HASHED, b"short")
