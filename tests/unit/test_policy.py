"""The written policy says what calls really get, word for word, and invents nobody."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from callguard.cli.documents import policy, rendered, sheet, site_facts
from callguard.cli.policy import policy_group
from callguard.config import Config, loads
from callguard.controller.rulebook import table_of
from callguard.controller.terms import ruled, terms_of
from callguard.law import PartyFacts, admit, load_table, rule_for
from callguard.ledger import Entry, open_ledger
from callguard.ledger.bodies import Arrived

CONFIG = """
site: {name: "Acme <b>& Sons</b> *Ltd*", country: US, jurisdiction: US-NY, staff_lines: [PJSIP/9],
  agent_consents: [US-NY]}
asterisk: {ari: {password: a}, ami: {password: b}}
policy: {contact: privacy@acme.example}
prompts: {alternatives: {shop: {en: "Please visit our shop.", de: "Besuchen Sie unseren Laden."}}}
dialogue: {languages: [en, de]}
queues:
  sales: {purposes: [quality, training], lawful_basis: consent, retention_days: 40, sample_percent: 25}
  claims:
    purposes: [proof-of-contract]
    lawful_basis: legal_obligation
    minimum_form: notice
    duty: {approved_by: "R. Okafor, compliance", reason: "securities | orders"}
    on_refusal: alternatives
    alternatives: shop
    every_call: {approved_by: "M. Ortiz, service", reason: disputes}
law:
  overrides:
    US-CA: {drop_flags: [announce_at_outset], approved_by: "A. Chen, counsel", reason: "opinion of 2 May"}
    US-TX: {form: explicit}
"""
MADE = date(2026, 11, 21)


def written(text: str = CONFIG, *callers: str, kind: str = "md", document: str = "policy") -> str:
    config = loads(text)
    facts = site_facts(config, table_of(config), callers or ("DE", "US-CA"), made=MADE)
    return rendered({"policy": policy, "sheet": sheet}[document](facts), kind)


def section(text: str, title: str) -> str:
    found = re.search(rf"^#+ {re.escape(title)}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"no section {title!r}"
    return found[1]


class Shape(HTMLParser):
    """The visible text, and whether every element is closed in turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.text += " "
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


# ---------------------------------------------------------------------- what it says


def test_who_records_and_what_for_stands_in_it() -> None:
    text = written()
    who = section(text, "Who records")
    assert "| Law of the recorder | New York (US-NY) |" in who
    assert "privacy@acme.example" in who
    sales = section(text, "Queue sales")
    assert "| Purposes, as configured | quality, training |" in sales
    assert "| Lawful basis, as configured | consent |" in sales
    assert "25 %, drawn by chance; the announcement is played to all" in sales
    assert "| Kept | 40 days |" in sales
    assert "is served in the queue sales-unrecorded, where nothing is recorded" in sales


def test_what_callers_hear_stands_in_it_word_for_word_in_each_language() -> None:
    config = loads(CONFIG.replace("<b>& Sons</b> *Ltd*", "and Sons"))
    facts = site_facts(config, table_of(config), ("DE",), made=MADE)
    treatment = next(one for one in facts.queues[0].treatments if "DE" in one.places)
    assert treatment.form == "explicit"
    spoken = [one for one in treatment.words if one.name == "announcement"]
    assert [one.language for one in spoken] == ["de"]
    assert "Acme and Sons" in spoken[0].text
    text = rendered(policy(facts), "md")
    for one in treatment.words:
        assert f"> {one.text} ({one.name}, {one.language})" in text
    assert "They are told and asked; recorded only after a yes, and silence is a no." in text


def test_callers_who_are_treated_alike_are_told_of_once() -> None:
    text = written(CONFIG, "US-NY", "US-OH", "DE")
    assert text.count("### Callers of sales from ") == 3
    assert "### Callers of sales from New York (US-NY), Ohio (US-OH)" in text


def test_a_duty_is_told_as_a_duty_and_a_refuser_is_not_served_unrecorded() -> None:
    claims = section(written(), "Queue claims")
    duty = claims.split("### ")[1]
    assert "from Germany (DE)" in duty
    assert "They are told that a law obliges us to record, and are not asked." in duty
    assert "is never served unrecorded" in duty
    assert "Besuchen Sie unseren Laden." in duty
    assert "a legal" not in claims.split("### ")[0]


def test_somebody_who_may_not_be_recorded_is_told_of_with_the_reason() -> None:
    text = written(CONFIG.replace("languages: [en, de]", "languages: [en]"), "CA-QC")
    assert "They are not recorded: the announcement has to be in fr" in section(text, "Queue sales")


def test_whatever_was_made_milder_stands_in_it_with_who_answers_for_it() -> None:
    exceptions = section(written(), "Exceptions, and what was made milder")
    assert "| queue claims | duty to record | R. Okafor, compliance | securities \\| orders |" in exceptions
    assert "| queue claims | every call is recorded | M. Ortiz, service | disputes |" in exceptions
    assert "A. Chen, counsel | opinion of 2 May |" in exceptions
    assert "announce\\_at\\_outset" in exceptions
    assert "not milder: US-TX" in exceptions
    plain = CONFIG.partition("law:")[0].replace("duty: {", "# {").replace("every_call", "# every_call")
    plain = plain.replace("lawful_basis: legal_obligation", "")
    assert "There are none" in section(written(plain), "Exceptions, and what was made milder")


def test_laws_rights_and_the_table_stand_in_it() -> None:
    text = written()
    laws = section(text, "The laws that are applied")
    assert "| Germany (DE) | all-party | explicit |" in laws
    assert "§ 201 StGB" in laws
    assert "nobody knows where (ZZ)" in laws
    rights = section(text, "Rights of the people who are recorded")
    assert "| Germany (DE) | yes, within 30 days: GDPR Art. 15 |" in rights
    about = section(text, "About this document")
    table = table_of(loads(CONFIG))
    assert table.sha256 != load_table().sha256
    assert f"| SHA-256 of the table as applied | {table.sha256} |" in about
    assert "2026-11-21" in about
    assert "not legal advice" in about


def test_what_callguard_does_not_do_is_said_plainly() -> None:
    for document in ("policy", "sheet"):
        text = written(document=document)
        assert "does not make anybody compliant with PCI DSS" in text
        assert "sales-unrecorded, claims-unrecorded" in text
    assert "| the impact is assessed first | nothing: assess it | not by callguard |" in written()


def test_nobody_is_invented() -> None:
    text = written()
    assert "(set policy.owner)" in text.replace("\\", "")
    assert "Blanks to fill in the configuration: policy.owner, policy.officer." in text
    named = CONFIG.replace("policy: {", "policy: {owner: O. Owner, officer: D. Officer, ")
    assert "set policy." not in written(named)
    assert "D. Officer" in written(named)


def test_the_sheet_fits_on_a_page_and_tells_what_was_heard() -> None:
    text = written(CONFIG.replace("<b>& Sons</b> *Ltd*", "and Sons"), document="sheet")
    assert len(text.split()) < 500
    assert "> This call is recorded by Acme and Sons" in text
    assert "PJSIP/9: never recorded" in text
    assert "Silence is never a yes" in text


# ---------------------------------------------------------------------- how it is set


@pytest.mark.parametrize("document", ["policy", "sheet"])
def test_nothing_that_somebody_wrote_is_taken_for_markup(document: str) -> None:
    page = written(kind="html", document=document)
    shape = Shape(page)
    assert shape.open == []
    assert "<b>" not in page
    assert "Acme <b>& Sons</b> *Ltd*" in shape.text
    text = written(document=document)
    assert "Acme \\<b\\>& Sons\\</b\\> \\*Ltd\\*" in text


def test_every_row_of_a_table_has_as_many_cells_as_its_head() -> None:
    bars = [
        (number, len(re.findall(r"(?<!\\)\|", line)))
        for number, line in enumerate(written().splitlines())
        if line.startswith("|")
    ]
    for (number, count), (before, columns) in zip(bars[1:], bars, strict=False):
        assert number != before + 1 or count == columns, written().splitlines()[number]


def test_both_formats_say_the_same() -> None:
    def words(text: str) -> list[str]:
        return re.findall(r"\w+", text)

    html = re.sub(r"<head>|<title>.*?</title>|<style>.*?</style>", "", written(kind="html"), flags=re.DOTALL)
    text = re.sub(r"^\|[-|]+\|$|\\", "", written(), flags=re.MULTILINE)
    assert words(Shape(html).text) == words(text)


# ---------------------------------------------------------------------- the command


def run(tmp_path: Path, *words: str, text: str = CONFIG) -> Result:
    path = tmp_path / "config.yaml"
    path.write_text(text + f"ledger: {{url: 'sqlite:///{tmp_path}/ledger.db'}}\n", encoding="utf-8")
    out = str(tmp_path / "out")
    return CliRunner().invoke(policy_group, ["document", "-c", str(path), "--output", out, *words])


def test_both_documents_are_written_and_blanks_are_told(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.exit_code == 0, result.output
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "agents-sheet.html", "recording-policy.html"
    ]  # fmt: skip
    assert "policy.owner is not set" in result.stderr
    assert "callers' places are not counted: there is no ledger at" in result.stderr
    run(tmp_path, "--format", "md", "--callers", "DE")
    text = (tmp_path / "out" / "recording-policy.md").read_text(encoding="utf-8")
    assert "from Germany (DE)" in text
    assert "were named when this document was made" in text


def test_a_place_that_is_none_is_told(tmp_path: Path) -> None:
    result = run(tmp_path, "--callers", "Atlantis")
    assert result.exit_code == 2
    assert "not in the table" in result.stderr


def test_callers_places_come_from_the_ledger(tmp_path: Path) -> None:
    config, table = loads(CONFIG), table_of(loads(CONFIG))
    asyncio.run(_calls(config, tmp_path))
    assert table.jurisdictions["FR"]
    run(tmp_path, "--format", "md")
    text = (tmp_path / "out" / "recording-policy.md").read_text(encoding="utf-8")
    assert "from France (FR)" in text
    assert "those of the last 90 days' calls" in text


async def _calls(config: Config, tmp_path: Path) -> None:
    table = table_of(config)
    ruling = rule_for(table, [PartyFacts(role="caller", number="+33142685300")])
    ledger = await open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    bodies = (
        Arrived(channel="1.1", caller="+33142685300", called="", queue="sales"),
        ruled(ruling, admit(table, ruling, terms_of(config, "sales"))),
    )
    for body in bodies:
        await ledger.append(Entry(body=body, call="c1", utc=datetime.now(UTC), monotonic=0.0))
    await ledger.close()
