"""The stored register: what is imported counts, what is withdrawn stays so, and the ledger knows both."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from callguard.cli import callguard
from callguard.consent.words import Outcome
from callguard.controller.register import Register
from callguard.controller.registerbook import Book, Contents, Preference
from callguard.errors import ConfigError, LedgerError
from callguard.law import Channel, PriorConsent, Withdrawal
from callguard.ledger import Kind, open_ledger
from callguard.ledger.bodies import RegisterChanged
from rules import proves

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TODAY = NOW.date()
NUMBER = "+14155550123"
CONSENT = PriorConsent(
    number=NUMBER,
    purposes=frozenset({"quality", "training"}),
    given=date(2026, 3, 1),
    expires=date(2027, 3, 1),
    channel=Channel.WRITTEN,
    reference="contract 4711",
)


def register(url: str) -> Register:
    return Register.open(url, "US")


def spoil(directory: Path, statement: str) -> None:
    with closing(sqlite3.connect(directory / "register.db")) as connection, connection:
        connection.execute(statement)


def put(url: str, *consents: PriorConsent) -> None:
    with Book(url).change() as pages:
        pages.add(consents)


# ---------------------------------------------------------------------- what is stored


def test_what_is_put_in_is_read_back(url: str) -> None:
    withdrawn = PriorConsent(
        number="+14155550199",
        purposes=frozenset({"quality"}),
        given=date(2026, 1, 1),
        expires=date(2027, 1, 1),
        channel=Channel.SPOKEN,
        reference="call 1",
        withdrawn=date(2026, 2, 1),
    )
    with Book(url).change() as pages:
        pages.add([CONSENT, withdrawn])
        pages.prefer(NUMBER, Preference(never=False, language="es"))
        pages.refused("+14155550188", date(2027, 1, 1))
    assert Book(url).read() == Contents(
        revision=1,
        consents=(CONSENT, withdrawn),
        withdrawals=(Withdrawal(number="+14155550199", purpose="quality", day=date(2026, 2, 1)),),
        preferences={NUMBER: Preference(language="es")},
        refusals={"+14155550188": date(2027, 1, 1)},
    )


def test_a_change_that_fails_leaves_nothing_behind(url: str) -> None:
    book = Book(url)
    with pytest.raises(RuntimeError), book.change() as pages:
        pages.add([CONSENT])
        raise RuntimeError
    assert book.read() == Contents(preferences={}, refusals={})


def test_the_same_consent_again_takes_the_place_of_the_first(url: str) -> None:
    put(url, CONSENT)
    longer = PriorConsent(**{**_fields(CONSENT), "expires": date(2028, 3, 1)})
    put(url, longer)
    assert Book(url).read().consents == (longer,)


def test_a_withdrawal_is_never_moved_back(url: str) -> None:
    with Book(url).change() as pages:
        pages.withdraw(NUMBER, (), date(2026, 5, 1))
        pages.withdraw(NUMBER, (), date(2026, 4, 1))
    assert [one.day for one in Book(url).read().withdrawals] == [date(2026, 5, 1)]


def test_what_is_over_is_dropped_and_nothing_else(url: str) -> None:
    over = PriorConsent(**{**_fields(CONSENT), "expires": TODAY, "given": date(2026, 1, 1)})
    put(url, CONSENT, over)
    with Book(url).change() as pages:
        pages.refused("+14155550188", TODAY)
        pages.refused("+14155550177", TODAY + timedelta(days=1))
        assert pages.expire(TODAY) == (over,)
    assert Book(url).read().consents == (CONSENT,)
    assert set(Book(url).read().refusals) == {"+14155550177"}


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    Book(f"sqlite:///{tmp_path}/new/register.db")
    assert (tmp_path / "new" / "register.db").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("url", ["mysql://here/it", "nonsense", "sqlite://"])
def test_a_url_that_is_none_is_told_by_its_key(url: str) -> None:
    with pytest.raises(ConfigError, match=r"law\.register_url"):
        Book(url)


def test_a_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"law\.register_url: .* cannot be opened"):
        Book(f"sqlite:///{tmp_path}/file/register.db")


def test_a_register_of_a_newer_callguard_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/register.db"
    Book(url)
    spoil(tmp_path, "UPDATE register_state SET version = 99")
    with pytest.raises(LedgerError, match="upgrade this one"):
        Book(url)


def _fields(consent: PriorConsent) -> dict[str, object]:
    return {name: getattr(consent, name) for name in consent.__slots__}


# ---------------------------------------------------------------------- what the call path asks


def test_a_caller_is_found_however_the_pbx_writes_the_number(url: str) -> None:
    put(url, CONSENT)
    known = register(url)
    for text in (NUMBER, "4155550123", "(415) 555-0123", "sip:+14155550123@pbx", "tel:+1-415-555-0123"):
        assert known.prior(text, ("quality",), NOW) == CONSENT, text
    for text in (None, "", "anonymous", "+14155550124", "5550123"):
        assert known.prior(text, ("quality",), NOW) is None, text


def test_every_purpose_has_to_be_agreed_to(url: str) -> None:
    put(url, CONSENT)
    assert register(url).prior(NUMBER, ("quality", "training"), NOW) == CONSENT
    assert register(url).prior(NUMBER, ("quality", "fraud"), NOW) is None


@proves("s2-optout")
def test_a_withdrawal_ends_only_what_it_names_and_only_what_is_older(url: str) -> None:
    put(url, CONSENT)
    with Book(url).change() as pages:
        pages.withdraw(NUMBER, ("training",), TODAY)
    known = register(url)
    assert known.prior(NUMBER, ("training",), NOW) is None
    assert known.prior(NUMBER, ("quality",), NOW) is not None
    with Book(url).change() as pages:
        pages.withdraw(NUMBER, (), TODAY)
    assert register(url).prior(NUMBER, ("quality",), NOW) is None
    newer = PriorConsent(**{**_fields(CONSENT), "given": TODAY + timedelta(days=1)})
    put(url, newer)
    assert register(url).prior(NUMBER, ("quality",), NOW + timedelta(days=1)) == newer


async def test_a_running_controller_learns_of_a_withdrawal(url: str) -> None:
    put(url, CONSENT)
    known = register(url)
    assert not await known.refresh()
    with Book(url).change() as pages:
        pages.withdraw(NUMBER, (), TODAY)
    assert known.prior(NUMBER, ("quality",), NOW) is not None
    assert await known.refresh()
    assert known.prior(NUMBER, ("quality",), NOW) is None


async def test_it_follows_by_itself(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/register.db"
    known, seen = register(url), asyncio.Event()
    task = asyncio.create_task(known.follow(seen.set))
    put(url, CONSENT)
    async with asyncio.timeout(10):
        await seen.wait()
    task.cancel()
    assert known.prior(NUMBER, ("quality",), NOW) == CONSENT


async def test_a_register_that_cannot_be_read_agrees_to_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/register.db"
    put(url, CONSENT)
    with Book(url).change() as pages:
        pages.prefer("+14155550188", Preference(never=True))
    known = register(url)
    spoil(tmp_path, "ALTER TABLE register_state RENAME TO away")
    assert not await known.refresh()
    assert known.prior(NUMBER, ("quality",), NOW) is None
    assert known.preference("+14155550188", NOW).never
    spoil(tmp_path, "ALTER TABLE away RENAME TO register_state")
    assert await known.refresh()
    assert known.prior(NUMBER, ("quality",), NOW) == CONSENT


async def test_a_yes_is_remembered_until_its_day_for_its_purposes(url: str) -> None:
    known = register(url)
    until = TODAY + timedelta(days=30)
    body = await known.remember("4155550123", ("quality",), Outcome.GRANTED, until, now=NOW, call="c1")
    assert body == RegisterChanged(
        action="remember", by="caller", phone=NUMBER, purposes=("quality",), count=1,
        until=until.isoformat(), detail="granted",
    )  # fmt: skip
    found = known.prior(NUMBER, ("quality",), NOW)
    assert found is not None
    assert (found.channel, found.reference) == (Channel.KEYED, "call c1")
    assert known.prior(NUMBER, ("training",), NOW) is None
    assert known.prior(NUMBER, ("quality",), NOW + timedelta(days=29)) is not None
    assert known.prior(NUMBER, ("quality",), NOW + timedelta(days=30)) is None


async def test_a_no_is_remembered_and_outweighs_a_written_consent(url: str) -> None:
    put(url, CONSENT)
    known = register(url)
    until = TODAY + timedelta(days=30)
    await known.remember(NUMBER, ("quality",), Outcome.REFUSED, until, now=NOW, call="c1")
    assert known.preference(NUMBER, NOW).never
    assert known.prior(NUMBER, ("quality",), NOW) is None
    later = NOW + timedelta(days=30)
    assert not known.preference(NUMBER, later).never
    assert known.prior(NUMBER, ("quality",), later) == CONSENT
    await known.remember(NUMBER, ("quality",), Outcome.GRANTED, until, now=NOW, call="c2")
    assert not known.preference(NUMBER, NOW).never


async def test_what_is_taken_back_on_a_call_is_taken_back_for_good(url: str) -> None:
    put(url, CONSENT)
    known = register(url)
    await known.remember(NUMBER, ("quality",), Outcome.WITHDRAWN, TODAY, now=NOW, call="c1")
    assert known.prior(NUMBER, ("quality",), NOW) is None
    assert Book(url).read().withdrawals == (Withdrawal(number=NUMBER, purpose="", day=TODAY),)


@pytest.mark.parametrize(
    ("number", "outcome"), [("anonymous", Outcome.GRANTED), (None, Outcome.REFUSED), (NUMBER, Outcome.CUT)]
)
async def test_nothing_is_remembered_of_nobody_or_of_no_answer(
    url: str, number: str | None, outcome: Outcome
) -> None:
    known = register(url)
    assert await known.remember(number, ("quality",), outcome, TODAY, now=NOW, call="c") is None
    assert Book(url).revision() == 0


def test_a_look_up_costs_microseconds() -> None:
    consents = tuple(
        PriorConsent(**{**_fields(CONSENT), "number": f"+1415{number:07}"}) for number in range(100_000)
    )
    known = Register(Contents(consents=consents, preferences={}, refusals={}), region="US")
    began = time.perf_counter()
    for number in range(0, 100_000, 10):
        assert known.prior(f"+1415{number:07}", ("quality",), NOW) is not None
    # About 3 us on one core of 2026; a hundred is still nothing beside a call.
    assert (time.perf_counter() - began) / 10_000 < 100e-6


# ---------------------------------------------------------------------- the command


HEADING = "number,purposes,given,expires,channel,reference"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(
        f"""
site: {{name: Acme, country: US}}
asterisk: {{ari: {{password: a}}, ami: {{password: b}}}}
queues: {{sales: {{purposes: [bookings]}}}}
prompts: {{purposes: {{bookings: {{en: to confirm bookings}}}}}}
ledger: {{url: 'sqlite:///{tmp_path}/ledger.db'}}
law: {{register_url: 'sqlite:///{tmp_path}/register.db'}}
""",
        encoding="utf-8",
    )
    return tmp_path


def run(site: Path, *words: str) -> Result:
    return CliRunner().invoke(callguard, ["register", *words, "-c", str(site / "config.yaml")])


def csv(site: Path, *rows: str) -> str:
    path = site / "consents.csv"
    path.write_text("".join(f"{row}\n" for row in (HEADING, *rows)), encoding="utf-8")
    return str(path)


def row(number: str = NUMBER, purposes: str = "quality", given: date | None = None) -> str:
    today = datetime.now(UTC).date()
    first = given or today - timedelta(days=10)
    return f"{number},{purposes},{first},{today + timedelta(days=100)},written,contract 4711"


def written_down(site: Path) -> list[RegisterChanged]:
    async def read() -> list[RegisterChanged]:
        ledger = await open_ledger(f"sqlite:///{site}/ledger.db")
        found = await ledger.entries(kinds=[Kind.REGISTER_CHANGED])
        await ledger.close()
        return [entry.body for entry in found if isinstance(entry.body, RegisterChanged)]

    return asyncio.run(read())


def listed(site: Path, *words: str) -> dict[str, object]:
    answer: dict[str, object] = json.loads(run(site, "list", "--json", *words).output)
    return answer


def test_an_import_tells_every_line_that_it_does_not_take(site: Path) -> None:
    path = csv(site, row(), row("12", "quality"), row("+14155550188", "bookings nonsense"))
    result = run(site, "import", path)
    assert result.exit_code == 1
    assert f"{path}:3: 12: '12' is no phone number" in result.output
    assert f"{path}:4: +14155550188: unknown purpose nonsense" in result.output
    assert "1 taken, 2 refused" in result.output
    (consent,) = listed(site)["consents"]  # type: ignore[misc]
    assert consent["number"] == NUMBER
    (body,) = written_down(site)
    assert (body.action, body.count, body.refused, body.detail) == ("import", 1, 2, "consents.csv")
    assert body.sha256 is not None


def test_an_import_answers_scripts(site: Path) -> None:
    answer = json.loads(run(site, "import", csv(site, row(), row("x")), "--json").output)
    assert answer["accepted"] == 1
    assert [refused["line"] for refused in answer["refused"]] == [3]
    assert run(site, "import", csv(site, row()), "--json").exit_code == 0


def test_a_purpose_of_the_sites_own_is_known(site: Path) -> None:
    assert run(site, "import", csv(site, row(purposes="bookings quality"))).exit_code == 0


def test_a_file_that_is_no_text_is_told(site: Path) -> None:
    path = site / "consents.csv"
    path.write_bytes(b"number\xff")
    result = run(site, "import", str(path))
    assert "not UTF-8 at byte 6" in result.output
    assert written_down(site) == []


def test_what_was_withdrawn_is_not_brought_back_by_the_old_file(site: Path) -> None:
    path = csv(site, row())
    assert run(site, "import", path).exit_code == 0
    assert "1 consents ended" in run(site, "withdraw", "(415) 555-0123").output
    assert listed(site)["consents"] == []
    result = run(site, "import", path)
    assert result.exit_code == 1
    assert "everything was withdrawn on" in result.output
    assert listed(site)["consents"] == []
    assert [(body.action, body.phone) for body in written_down(site)] == [
        ("import", ""), ("withdraw", NUMBER), ("import", "")
    ]  # fmt: skip


def test_one_purpose_can_be_withdrawn(site: Path) -> None:
    run(site, "import", csv(site, row(purposes="quality training")))
    assert run(site, "withdraw", NUMBER, "--purpose", "trainings").exit_code == 2
    assert run(site, "withdraw", NUMBER, "--purpose", "training").exit_code == 0
    (consent,) = listed(site, "--number", NUMBER)["consents"]  # type: ignore[misc]
    assert consent["purposes"] == ["quality"]


def test_nothing_counts_that_the_ledger_did_not_take(site: Path) -> None:
    (site / "ledger.db").write_bytes(b"this is no database at all, and never was one" * 50)
    result = run(site, "import", csv(site, row()))
    assert isinstance(result.exception, LedgerError)
    assert Book(f"sqlite:///{site}/register.db").read().consents == ()


def test_what_is_over_is_removed_and_written_down(site: Path) -> None:
    today = datetime.now(UTC).date()
    put(f"sqlite:///{site}/register.db", PriorConsent(**{**_fields(CONSENT), "expires": today}))
    assert listed(site)["consents"] == []
    assert json.loads(run(site, "expire", "--json").output) == {"expired": 1}
    assert json.loads(run(site, "expire", "--json").output) == {"expired": 0}
    (body,) = written_down(site)
    assert (body.action, body.count) == ("expire", 1)
    assert body.sha256 is not None


def test_a_caller_can_wish_never_to_be_recorded(site: Path) -> None:
    assert "no queue speaks 'fr'" in run(site, "prefer", NUMBER, "--language", "fr").output
    run(site, "prefer", NUMBER, "--never", "--language", "en")
    assert listed(site)["preferences"] == {NUMBER: {"never": True, "language": "en"}}
    assert "never recorded, en" in run(site, "list").output
    run(site, "prefer", NUMBER)
    assert listed(site)["preferences"] == {}
    assert [body.detail for body in written_down(site)] == ["never, en", "forgotten"]


def test_a_number_that_is_none_is_told(site: Path) -> None:
    for command in ("withdraw", "prefer"):
        assert "is no phone number in use" in run(site, command, "12").output
