"""Every rule of the guidance is proved by a test that says so, or says itself why not."""

import pytest

from callguard.law.guidance import guidance
from rules import markdown, proofs, proves

RULES = {rule.id: rule for rule in guidance()}


def test_there_are_55_rules_and_each_stands_once():
    assert len(guidance()) == len(RULES) == 55
    assert all(rule.asks for rule in guidance())


def test_every_rule_is_proved_or_says_why_not():
    found = proofs()
    unproved = [rule.id for rule in guidance() if not rule.out_of_scope and not found.get(rule.id)]
    assert unproved == []


def test_no_rule_is_both_proved_and_out_of_scope():
    both = [rule.id for rule in guidance() if rule.out_of_scope and proofs().get(rule.id)]
    assert both == []


def test_the_list_is_made_from_the_tests():
    text = markdown()
    assert len(text.splitlines()) == 2 + 55
    assert "test_california_cites_its_penal_code" in text
    assert "| s2-passwords | " in text


def test_a_test_cannot_claim_a_rule_that_is_not_there():
    with pytest.raises(ValueError, match="no rules"):
        proves("s9-nothing")
