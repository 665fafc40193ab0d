"""The configuration of a queue reaches the law whole, and what the law decided reaches the ledger."""

from __future__ import annotations

from callguard.config import Config, loads
from callguard.controller.terms import agents_agreed, agents_at, other_ways, ruled, terms_of
from callguard.law import (
    Approval,
    ExceptionKind,
    Form,
    PartyFacts,
    Refusal,
    Terms,
    admit,
    load_table,
    rule_for,
)
from callguard.ledger.bodies import body_of, fields_of

CONFIG = """
site: {name: Acme, country: US, jurisdiction: US-NY, staff_lines: [PJSIP/9], agent_consents: [US-NV]}
asterisk: {ari: {password: a}, ami: {password: b}}
prompts: {alternatives: {shop: {en: Visit us.}, branch: {en: Go there.}}}
queues:
  plain: {}
  all:
    purposes: [training, quality]
    lawful_basis: contract
    on_refusal: same-queue
    minimum_form: opt-out
    retention_days: 30
    sample_percent: 12.5
    every_call: {approved_by: A, reason: a}
    exception: {kind: fraud, approved_by: B, reason: b}
    duty: {approved_by: C, reason: c}
    alternatives: shop
    other_channel: branch
    agents: US-NV
"""


def config(text: str = CONFIG) -> Config:
    return loads(text)


def test_every_setting_of_a_queue_reaches_the_law() -> None:
    assert terms_of(config(), "all") == Terms(
        purposes=("training", "quality"),
        basis="contract",
        minimum_form=Form.OPT_OUT,
        sample_percent=12.5,
        every_call=Approval(approved_by="A", reason="a"),
        exception=ExceptionKind.FRAUD,
        exception_approval=Approval(approved_by="B", reason="b"),
        duty=Approval(approved_by="C", reason="c"),
        refusal=Refusal.SAME_QUEUE,
        alternatives=True,
        retention_days=30,
        staff_line=True,
    )


def test_a_queue_that_says_nothing_claims_nothing() -> None:
    site = CONFIG.replace(", staff_lines: [PJSIP/9]", "")
    assert terms_of(config(site), "plain") == Terms(purposes=("quality",), retention_days=90)


def test_agents_have_agreed_where_the_site_says_so_and_nowhere_else() -> None:
    assert (agents_at(config(), "all"), agents_agreed(config(), "all")) == ("US-NV", True)
    assert (agents_at(config(), "plain"), agents_agreed(config(), "plain")) == ("US-NY", False)


def test_a_refuser_of_a_duty_hears_the_other_channel() -> None:
    assert other_ways(config(), "all", duty=True) == "branch"
    assert other_ways(config(), "all", duty=False) == "shop"
    assert other_ways(config(CONFIG.replace("other_channel: branch", "")), "all", duty=True) == "shop"
    assert other_ways(config(), "plain", duty=True) == ""


def test_what_was_decided_is_written_down_with_its_evidence_and_read_back() -> None:
    facts = [
        PartyFacts(role="caller", number="+14155550123", record="DE"),
        PartyFacts(role="agent", site="US-NV"),
    ]
    ruling = rule_for(load_table(), facts)
    body = ruled(ruling, admit(load_table(), ruling, terms_of(config(), "plain")), sampled=True)
    assert [(one["role"], one["jurisdiction"], one["evidence"]) for one in body.parties] == [
        ("caller", "DE", "record"),
        ("agent", "US-NV", "site"),
    ]
    assert body.basis == "consent"
    assert any("lawful basis" in objection for objection in body.objections)
    assert body_of(body.kind, dict(fields_of(body))) == body
