"""What `callguard law coverage` says of the last days is what the ledger says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from callguard.cli.law import law_group
from callguard.consent.words import Answer, Basis, ConsentEntry, Form, Heard, Outcome, Prompt
from callguard.controller.coverage import UNSAID, Coverage, coverage, entries_since
from callguard.controller.terms import ruled
from callguard.errors import LedgerError
from callguard.law import Evidence, PartyFacts, Terms, admit, load_table, rule_for
from callguard.ledger import Entry, Kind, body_for, open_ledger
from callguard.ledger.bodies import AnyBody, Arrived, Capture, Ended, Fault, Rescued

TABLE = load_table()
NOW = datetime.now(UTC)


def judged(**facts: str) -> AnyBody:
    ruling = rule_for(TABLE, [PartyFacts(role="caller", **facts), PartyFacts(role="agent", site="US-NY")])
    return ruled(ruling, admit(TABLE, ruling, Terms(purposes=("quality",))))


def consent(
    outcome: Outcome, *, form: Form = Form.EXPLICIT, heard: str = "announcement", completely: bool = True
) -> AnyBody:
    prompt = Prompt(name=heard, language="en", media=("sound:x",), sha256="0" * 64, seconds=1.0)
    return body_for(
        ConsentEntry(
            number=1,
            who="caller",
            outcome=outcome,
            basis=Basis(jurisdictions=("US-CA", "US-NY"), rule="all-party", table=TABLE.identity),
            form=form,
            heard=(Heard(prompt=prompt, started=1.0, ended=2.0, completely=completely),) if heard else (),
            answer=Answer(kind="none"),
            attempts=1,
            decided=3.0,
            queue="sales",
        )
    )


def call(judgement: AnyBody | None, *more: AnyBody) -> list[AnyBody]:
    arrived = Arrived(channel="1.1", caller="+14155550123", called="", queue="sales")
    return [body for body in (arrived, judgement, *more) if body is not None]


CAPTURE = Capture(kind=Kind.CAPTURE_STARTED, number=2, recording="r")
GOOD = call(judged(number="+14155550123"), consent(Outcome.GRANTED), CAPTURE, Ended(outcome=Outcome.GRANTED))


async def told(
    tmp_path: Path, calls: Sequence[Sequence[AnyBody]], *, ago: timedelta = timedelta()
) -> Coverage:
    url = f"sqlite:///{tmp_path}/ledger.db"
    ledger = await open_ledger(url)
    for number, bodies in enumerate(calls):
        for body in bodies:
            await ledger.append(Entry(body=body, call=f"c{number}", utc=NOW - ago, monotonic=0.0))
    await ledger.close()
    return coverage(entries_since(url, NOW - timedelta(days=30)))


async def test_calls_are_counted_by_the_evidence_for_the_callers_place(tmp_path: Path) -> None:
    refused = (consent(Outcome.REFUSED), Ended(outcome=Outcome.REFUSED))
    found = await told(
        tmp_path,
        [
            GOOD,
            call(judged(record="DE"), *refused),
            call(judged(chosen="US-TX"), *refused),
            call(judged(site="FR"), *refused),
            call(judged(number="anonymous"), *refused),
            call(judged(number="+18005550199"), *refused),
            call(None, Ended(outcome=Outcome.EXEMPT)),
        ],
    )
    assert found.calls == 7
    assert found.evidence == {
        Evidence.NONE: 2, Evidence.NUMBER: 1, Evidence.RECORD: 1, Evidence.CHOSEN: 1, Evidence.SITE: 1,
        UNSAID: 1,
    }  # fmt: skip
    assert found.unknown == 2
    assert found.jurisdictions == {"ZZ": 2, "US-CA": 1, "DE": 1, "US-TX": 1, "FR": 1}
    assert found.outcomes == {"refused": 5, "granted": 1, "exempt": 1}
    assert (found.captured, found.missing) == (1, ())


@pytest.mark.parametrize(
    ("bodies", "missing"),
    [
        ([consent(Outcome.GRANTED)], False),
        ([consent(Outcome.PRIOR)], False),
        ([consent(Outcome.GRANTED, completely=False)], True),
        ([consent(Outcome.NOTIFIED, form=Form.NOTICE, heard="")], True),
        ([consent(Outcome.GRANTED, heard="question")], True),
        ([consent(Outcome.PRIOR, heard="")], True),
        ([consent(Outcome.DUTY, heard="")], True),
        ([consent(Outcome.NOT_REQUIRED, form=Form.NONE, heard="")], False),
        ([consent(Outcome.REFUSED)], True),
        ([], True),
    ],
)
async def test_a_recorded_caller_who_did_not_hear_it_all_is_named(
    tmp_path: Path, bodies: list[AnyBody], missing: bool
) -> None:
    found = await told(tmp_path, [GOOD, call(judged(number="+14155550123"), *bodies, CAPTURE)])
    assert found.missing == (("c1",) if missing else ())
    unrecorded = await told(tmp_path / "other", [call(judged(number="+14155550123"), *bodies)])
    assert unrecorded.missing == ()


async def test_faults_and_rescues_are_counted(tmp_path: Path) -> None:
    fault, rescue = Fault(where="spool"), Rescued(channel="1.1")
    found = await told(tmp_path, [[*GOOD, fault], call(None, rescue, Ended(outcome=Outcome.FAULT))])
    assert (found.faults, found.rescued) == (1, 1)
    assert found.outcomes["system-fault"] == 1


async def test_older_calls_are_left_out(tmp_path: Path) -> None:
    assert (await told(tmp_path, [GOOD], ago=timedelta(days=31))).calls == 0
    assert (await told(tmp_path, [GOOD], ago=timedelta(days=29))).calls == 1


async def test_a_ledger_is_read_in_pages_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callguard.controller.coverage._PAGE", 3)
    assert (await told(tmp_path, [GOOD] * 6)).captured == 6


def test_no_ledger_is_told_and_none_is_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    with pytest.raises(LedgerError, match="there is no ledger at"):
        coverage(entries_since(url, NOW))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "ledger.db").write_bytes(b"no database" * 100)
    with pytest.raises(LedgerError, match="cannot be read"):
        coverage(entries_since(url, NOW))


def run(tmp_path: Path, *words: str) -> Result:
    path = tmp_path / "config.yaml"
    path.write_text(
        "site: {name: Acme, country: US}\nasterisk: {ari: {password: a}, ami: {password: b}}\n"
        f"queues: {{sales: {{}}}}\nledger: {{url: 'sqlite:///{tmp_path}/ledger.db'}}\n"
    )
    return CliRunner().invoke(law_group, ["coverage", "-c", str(path), *words])


async def test_the_command_answers_people_and_scripts(tmp_path: Path) -> None:
    await told(tmp_path, [GOOD])
    result = run(tmp_path)
    assert result.exit_code == 0, result.output
    assert "1 calls in 30 days, 1 of them recorded" in result.output
    assert "evidence for the caller's place: number 1 (100.0%)" in result.output
    answer = json.loads(run(tmp_path, "--json", "--days", "1").output)
    assert (answer["ok"], answer["days"], answer["evidence"]) == (True, 1, {"number": 1})


async def test_a_missing_announcement_is_told_by_the_exit_status(tmp_path: Path) -> None:
    await told(tmp_path, [call(judged(number="+14155550123"), CAPTURE)])
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "call c0" in result.output
    assert json.loads(run(tmp_path, "--json").output)["missing"] == ["c0"]
