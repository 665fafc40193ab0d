"""What a site may change in the table, who has to answer for it, and what is reported."""

import pytest

from callguard.law import (
    Flag,
    Form,
    LawTableError,
    Override,
    PartyFacts,
    Rule,
    load_table,
    read_overrides,
    rule_for,
    site_overrides,
)

APPROVED = {"approved_by": "M. Ortiz, DPO", "reason": "opinion of counsel, 3 November 2026"}
ARGENTINA = {
    "name": "Argentina",
    "rule": "all-party",
    "form": "explicit",
    "languages": ["es"],
    "statutes": ["Ley 25.326"],
    "sources": [{"title": "read by counsel"}],
    "read": "2026-11-20",
    "review_by": "2027-11-20",
    "confidence": "medium",
}


def changed(code, **values):
    return load_table([Override(code=code, values=values)])


def refused(code, **values):
    with pytest.raises(LawTableError) as caught:
        changed(code, **values)
    return caught.value.problems


def form(table, **known):
    return rule_for(table, [PartyFacts(role="caller", **known)]).form


def test_to_be_stricter_needs_nobodys_leave():
    table = changed("US-TX", form="explicit", add_flags=["announcement_must_be_in_recording"])
    assert table.weakenings == ()
    assert form(table, number="+12145550123") is Form.EXPLICIT
    assert Flag.ANNOUNCEMENT_IN_RECORDING in table.jurisdictions["US-TX"].flags


def test_a_change_changes_the_hash_in_every_consent_entry():
    assert changed("US-TX", form="explicit").sha256 != load_table().sha256
    assert changed("US-TX", form="explicit").version == load_table().version


WEAKER = [
    ("FR", {"rule": "notice", "law_rule": "notice"}, "rule"),
    ("GB", {"form": "notice"}, "form"),
    ("NO", {"form": "notice", "law_form": "notice", "drop_flags": ["active_opt_in"]}, "form"),
    ("US-WA", {"drop_flags": ["announcement_must_be_in_recording"]}, "flags"),
    ("US-TX", {"flags": []}, "flags"),
    ("DE", {"add_flags": ["recording_mandatory_some_sectors"]}, "flags"),
    ("US-WA", {"add_flags": ["beep_alternative"], "beep": {"role": "yes", "interval_s": "15"}}, "flags"),
    ("GB", {"beep": {"role": "not-required"}}, "beep"),
    ("CA-QC", {"announce_languages": "1"}, "announce_languages"),
    ("FR", {"retention": {"max_days": "365"}}, "retention.max_days"),
    ("FR", {"retention": {}}, "retention.max_days"),
    ("HU", {"retention": {"min_days": "30"}}, "retention.min_days"),
    ("US-CA", {"bases": ["consent", "legitimate_interests"]}, "bases"),
    ("FR", {"regions": ["GP"]}, "regions"),
    ("US-NH", {"parent": "CA"}, "parent"),
    ("ZZ", {"form": "notice", "law_form": "notice", "rule": "notice", "law_rule": "notice",
            "drop_flags": ["active_opt_in", "consent_before_capture"]}, "form"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "values", "key"), WEAKER)
def test_to_be_milder_needs_somebody_who_answers_for_it(code, values, key):
    (problem,) = refused(code, **values)
    assert key.split(".")[0] in problem.what
    assert "approved_by" in problem.fix
    (problem,) = refused(code, **values, approved_by="M. Ortiz", reason="  ")
    assert problem.key == "reason"
    weakenings = changed(code, **values, **APPROVED).weakenings
    assert key in {weakening.key for weakening in weakenings}
    assert all(weak.code == code and weak.approved_by and weak.reason for weak in weakenings)


def test_the_law_itself_cannot_be_overridden_by_the_way():
    (problem,) = refused("DE", form="implied-by-continuing", flags=[], **APPROVED)
    assert problem.key == "form"
    assert "the law's own explicit" in problem.what
    own = {"form": "implied-by-continuing", "law_form": "implied-by-continuing", "flags": []}
    assert changed("DE", **own, **APPROVED).jurisdictions["DE"].form is Form.IMPLIED


def test_a_new_jurisdiction_that_asks_as_much_as_the_unknown_needs_nobodys_leave():
    table = changed("AR", **ARGENTINA)
    assert len(table.jurisdictions) == 129
    assert table.weakenings == ()
    assert rule_for(table, [PartyFacts(role="caller", number="+541112345678")]).jurisdictions == ("AR",)


def test_a_new_jurisdiction_that_asks_less_than_the_unknown_is_a_weakening():
    milder = ARGENTINA | {"rule": "notice", "form": "notice"}
    refused("AR", **milder)
    table = changed("AR", **milder, **APPROVED)
    assert {weak.key for weak in table.weakenings} == {"rule", "form"}
    assert form(table, number="+541112345678") is Form.NOTICE


def test_an_american_of_unknown_state_follows_an_override_of_a_state():
    gone = {"flags": [], "form": "implied-by-continuing"}
    assert form(changed("US-NH", **gone, **APPROVED), record="US") is Form.EXPLICIT  # Puerto Rico is left
    assert rule_for(changed("US-TX", rule="all-party", form="explicit"), []).rule is Rule.ALL_PARTY


def test_flags_are_added_and_dropped_by_name():
    assert changed("US-CA", drop_flags=["announce_at_outset"], **APPROVED).jurisdictions["US-CA"].form
    (problem,) = refused("US-CA", drop_flags=["state_purpose"])
    assert "not set" in problem.what
    (problem,) = refused("US-CA", add_flags="state_purpose")
    assert problem.key == "add_flags"
    (problem,) = refused("US-CA", add_flags=["state_purposes"])
    assert "did you mean state_purpose?" in problem.fix


def test_one_code_is_changed_once():
    twice = [Override(code="US-TX", values={"form": "explicit"})] * 2
    with pytest.raises(LawTableError, match="second time"):
        load_table(twice)


def test_a_file_of_overrides_points_at_its_own_lines(tmp_path):
    path = tmp_path / "law.yaml"
    path.write_text(
        "overrides:\n  US-TX:\n    form: explicit\n  US-CA:\n    frm: explicit\n", encoding="utf-8"
    )
    with pytest.raises(LawTableError) as caught:
        load_table(read_overrides(path))
    assert [(p.file, p.line, p.key) for p in caught.value.problems] == [(str(path), 5, "frm")]
    path.write_text("overrides:\n  US-TX:\n    form: explicit\n", encoding="utf-8")
    assert load_table(read_overrides(path)).jurisdictions["US-TX"].form is Form.EXPLICIT


@pytest.mark.parametrize(
    "text", ["", "overrides: []\n", "overrides:\n  US-TX: explicit\n", "US-TX: {form: explicit}\n"]
)
def test_a_file_that_holds_no_overrides_says_what_to_write(tmp_path, text):
    path = tmp_path / "law.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LawTableError, match="overrides"):
        read_overrides(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(LawTableError, match="cannot be read"):
        read_overrides(tmp_path / "law.yaml")


def test_the_configuration_and_its_files_come_together(tmp_path):
    path = tmp_path / "law.yaml"
    path.write_text("overrides:\n  US-TX:\n    form: explicit\n", encoding="utf-8")
    table = load_table(site_overrides({"US-AL": {"form": "explicit"}}, [path]))
    assert {table.jurisdictions[code].form for code in ("US-AL", "US-TX")} == {Form.EXPLICIT}
    with pytest.raises(LawTableError, match=r"law\.overrides\.US-AL: form"):
        load_table(site_overrides({"US-AL": {"form": "loud"}}))
