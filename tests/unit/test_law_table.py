"""The table as files: what is refused, where it points, and how it is replaced while calls go on."""

import json
import shutil
from datetime import date
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callguard.errors import LawError
from callguard.law import (
    Direction,
    Form,
    Lawbook,
    LawTableError,
    PartyFacts,
    difference,
    json_schema,
    load_table,
    review,
    rule_for,
)
from callguard.law.reading import read
from callguard.law.table import build

SHIPPED = Path(str(files("callguard.law") / "table"))
ENTRY = """
region: Test
jurisdictions:
  - code: XX
    name: Testland
    rule: notice
    form: implied-by-continuing
    flags: [state_purpose]
    bases: [consent]
    languages: [en, fr]
    statutes: [Act 1]
    sources: [{title: a, url: 'https://example.org'}]
    notes: [a note]
    read: 2026-11-21
    review_by: 2027-11-21
    confidence: medium
"""
UNKNOWN = (SHIPPED / "unknown.yaml").read_text(encoding="utf-8")
EDITION = ("edition.yaml", "version: 1\n")


def table(text=ENTRY, *more):
    return build([EDITION, ("unknown.yaml", UNKNOWN), ("test.yaml", text), *more])


def problems(text, *more):
    with pytest.raises(LawTableError) as caught:
        table(text, *more)
    return caught.value.problems


def changed(before, after, text=ENTRY):
    assert before in text
    return text.replace(before, after)


def test_the_shipped_table_holds_128_jurisdictions():
    shipped = load_table()
    assert len(shipped.jurisdictions) == 128
    assert shipped.weakenings == ()
    assert len(shipped.sha256) == 64


def test_the_hash_is_of_what_is_applied_and_the_same_each_time():
    assert load_table().sha256 == load_table().sha256
    assert table().sha256 != table(changed("form: implied-by-continuing", "form: explicit")).sha256
    assert table().sha256 == table(f"# a comment\n{ENTRY}").sha256


def test_a_country_code_that_yaml_takes_for_a_boolean_stays_a_country():
    assert load_table().jurisdictions["NO"].name == "Norway"
    assert table(changed("code: XX", "code: NO")).jurisdictions["NO"].name == "Testland"


FLAGS, LANGUAGES, RULE, FORM = (
    "flags: [state_purpose]",
    "languages: [en, fr]",
    "rule: notice",
    "form: implied-by-continuing",
)
#: What is written instead of what, and the line, key and fix that are named for it.
MISTAKES = [
    ({FLAGS: "flags: [active_opt_in]"}, 7, "form", "explicit"),
    ({FLAGS: "flags: [consent_before_capture]"}, 7, "form", "explicit"),
    ({FLAGS: f"{FLAGS}\n    law_form: explicit"}, 7, "form", "at least explicit"),
    ({FLAGS: f"{FLAGS}\n    law_rule: all-party"}, 6, "rule", "at least all-party"),
    ({FORM: "form: none"}, 7, "form", "at least the form notice"),
    ({RULE: "rule: one-party", FORM: "form: none"}, 7, "form", "notice or stricter"),
    ({RULE: "rule: all-party", FORM: "form: notice"}, 7, "form", "at least implied"),
    ({FLAGS: "flags: [french_first]"}, 10, "languages", "put fr in front"),
    ({LANGUAGES: "languages: [en, en]"}, 10, "languages", "once"),
    ({LANGUAGES: "languages: []"}, 10, "languages", "at least 1 item"),
    ({LANGUAGES: "languages: [English]"}, 10, "languages.0", "match pattern"),
    ({LANGUAGES: "languages: [en]\n    announce_languages: 2"}, 11, "announce_languages", "at most 1"),
    ({FLAGS: "flags: [language_choice_required]", LANGUAGES: "languages: [en]"}, 10, "languages", "list"),
    ({FLAGS: "flags: [state_purpose, state_purpose]"}, 8, "flags", "once"),
    ({FLAGS: "flags: [state_purposes]"}, 8, "flags.0", "did you mean state_purpose?"),
    ({FLAGS: "flags: [destroy_within_days]"}, 4, "retention", "max_days"),
    ({FLAGS: "flags: [beep_alternative]"}, 4, "beep", "both or neither"),
    ({FLAGS: "beep: {role: 'yes', interval_s: 15}"}, 8, "beep", "both or neither"),
    ({FLAGS: "beep: {role: 'no', interval_s: 15}"}, 8, "beep", "role: yes only"),
    ({FLAGS: "retention: {min_days: 20, max_days: 10}"}, 8, "retention", "correct"),
    ({FLAGS: "retention: {min_days: none}"}, 8, "retention.min_days", "valid integer"),
    ({"bases: [consent]": "bases: [contract]"}, 9, "bases", "add it"),
    ({FLAGS: "flags: [lawful_basis_required]", "bases: [consent]": "bases: []"}, 9, "bases", "list"),
    ({"review_by: 2027-11-21": "review_by: 2026-01-01"}, 15, "review_by", "read it again"),
    ({"review_by: 2027-11-21": "review_by: soon"}, 15, "review_by", "valid date"),
    ({"'https://example.org'": "''", "medium": "high"}, 16, "confidence", "medium or low"),
    ({"'https://example.org'": "'ftp://x'"}, 12, "sources.0.url", "match pattern"),
    ({"notes: [a note]": "disputed: true"}, 13, "disputed", "add a note"),
    ({RULE: "rule: notise"}, 6, "rule", "did you mean notice?"),
    ({FORM: "frm: explicit"}, 7, "frm", "did you mean form?"),
    ({FORM: "colour: red"}, 7, "colour", "remove it"),
    ({f"    {FORM}\n": ""}, 4, "form", "add it"),
    ({"code: XX": "code: xx"}, 4, "code", "match pattern"),
    ({"name: Testland": "name: Testland\n    parent: XX"}, 6, "parent", "wider"),
    ({"name: Testland": "name: Testland\n    parent: YY"}, 6, "parent", "name an outermost entry"),
    ({"name: Testland": "name: Testland\n    regions: [ZZ]"}, 6, "regions", "once"),
    ({"name: Testland": "name: Testland\n    name: Again"}, 6, "name", "keep one"),
    ({FLAGS: "flags: [state_law_may_be_stricter]"}, 4, "strictest_part", "true"),
    ({"region: Test": "regoin: Test"}, 2, "regoin", "use region"),
    ({"jurisdictions:": "entries:"}, 2, "jurisdictions", "- code:"),
    ({"jurisdictions:": "common: [a]\njurisdictions:"}, 3, "common", "indent"),
    ({"  - code: XX\n    name": "  - name"}, 4, "code", "- code: XX"),
    ({"    languages": "   languages"}, 10, "(file)", "indentation"),
    ({LANGUAGES: "languages: [en, fr"}, 11, "(file)", "bracket"),
    ({LANGUAGES: "languages: &a [en]", "notes: [a note]": "notes: *a"}, 10, "notes", "write it out"),
]


@pytest.mark.parametrize(("edits", "line", "key", "fix"), MISTAKES)
def test_what_is_wrong_is_named_with_line_key_and_fix(edits, line, key, fix):
    text = ENTRY
    for before, after in edits.items():
        text = changed(before, after, text)
    found = problems(text)
    named = [problem for problem in found if problem.key == key]
    assert [(problem.file, problem.line) for problem in named] == [("test.yaml", line)], found
    assert fix in named[0].fix
    assert str(named[0]).startswith(f"test.yaml:{line}: {key}: ")


def test_a_code_that_stands_twice_names_both_places():
    (problem,) = problems(ENTRY, ("again.yaml", ENTRY))
    assert (problem.file, problem.line) == ("again.yaml", 4)
    assert "test.yaml:4" in problem.what


def test_every_problem_is_named_at_once():
    text = changed("rule: notice", "rule: notise").replace("confidence: medium", "confidence: hihg")
    assert {problem.key for problem in problems(text)} == {"rule", "confidence"}


def test_a_table_without_version_or_fallback_is_refused():
    with pytest.raises(LawTableError, match="no version"):
        build([("unknown.yaml", UNKNOWN), ("test.yaml", ENTRY)])
    with pytest.raises(LawTableError, match="version"):
        build([("edition.yaml", "version:\n"), ("unknown.yaml", UNKNOWN)])
    with pytest.raises(LawTableError, match="fallback"):
        build([EDITION, ("test.yaml", ENTRY)])


def test_the_fallback_must_be_the_strictest():
    weak = UNKNOWN.replace("form: explicit", "form: notice").replace(
        "active_opt_in, consent_before_capture,", ""
    )
    weak = weak.replace("rule: all-party", "rule: notice")
    with pytest.raises(LawTableError) as caught:
        build([EDITION, ("unknown.yaml", weak), ("test.yaml", ENTRY)])
    assert "ZZ" in str(caught.value)


def test_what_is_common_to_a_file_is_added_to_lists_and_replaced_elsewhere():
    text = changed(
        "jurisdictions:",
        "common:\n  flags: [state_controller]\n  languages: [de]\n  disputed: true\njurisdictions:",
    )
    entry = table(text).jurisdictions["XX"]
    assert entry.flags == {"state_purpose", "state_controller"}
    assert entry.languages == ("en", "fr")
    assert entry.disputed


def test_a_mistake_in_what_is_common_points_at_its_own_line():
    text = changed("jurisdictions:", "common:\n  flags: [state_controler]\njurisdictions:")
    (problem,) = problems(text)
    assert problem.line == 4


def test_an_error_of_the_law_is_an_error_of_callguard():
    with pytest.raises(LawError):
        table("")


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "edition.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LawTableError, match="UTF-8"):
        load_table(directory=tmp_path)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_no_text_upsets_the_reader(text):
    try:
        read(text, "x.yaml")
    except LawTableError as error:
        assert error.problems[0].line >= 1
    with pytest.raises(LawTableError):
        build([EDITION, ("unknown.yaml", UNKNOWN), ("x.yaml", f"jurisdictions: {json.dumps(text)}")])


def test_the_schema_says_what_contradicts():
    schema = json_schema()
    entry, forms = schema["$defs"]["Entry"], schema["$defs"]["Form"]["enum"]
    assert forms == list(Form)
    assert entry["additionalProperties"] is False
    flags = [
        one["if"]["properties"].get("flags", {}).get("contains", {}).get("const") for one in entry["allOf"]
    ]
    assert {"active_opt_in", "consent_before_capture", "lawful_basis_required"} <= set(flags)
    explicit = entry["allOf"][flags.index("active_opt_in")]["then"]
    assert explicit == {"properties": {"form": {"const": "explicit"}}}


def test_what_should_be_read_again_is_listed():
    shipped = load_table()
    thin = review(shipped, date(2026, 11, 22))
    assert len(thin) == 18
    assert {finding.code for finding in thin} >= {"GG", "JE", "IM", "LV", "US-GU"}
    overdue = review(shipped, date(2030, 1, 1))
    assert len(overdue) == 128
    assert "read again" in overdue[0].what


def test_a_lawyer_changes_one_state_and_calls_go_on(tmp_path):
    files_ = tmp_path / "table"
    shutil.copytree(SHIPPED, files_)
    book = Lawbook(directory=files_)
    before = book.table
    assert book.reload() == ()
    texas = files_ / "united-states.yaml"
    text = texas.read_text(encoding="utf-8")
    old = "    name: Texas\n    parent: US\n    rule: notice\n    form: notice\n"
    texas.write_text(changed(old, old.replace("form: notice", "form: explicit"), text), encoding="utf-8")
    (change,) = book.reload()
    assert (change.code, change.key, change.before, change.after) == ("US-TX", "form", "notice", "explicit")
    assert change.direction is Direction.STRICTER
    assert rule_for(book.table, [PartyFacts(role="caller", record="US-TX")]).form is Form.EXPLICIT
    assert rule_for(before, [PartyFacts(role="caller", record="US-TX")]).form is Form.NOTICE


def test_a_broken_file_is_refused_with_its_line_and_the_old_table_stays(tmp_path):
    files_ = tmp_path / "table"
    shutil.copytree(SHIPPED, files_)
    book = Lawbook(directory=files_)
    before = book.table
    texas = files_ / "united-states.yaml"
    text = texas.read_text(encoding="utf-8")
    texas.write_text(
        changed(
            "name: Texas\n    parent: US\n    rule: notice",
            "name: Texas\n    parent: US\n    rule: notcie",
            text,
        )
    )
    line = text[: text.index("name: Texas")].count("\n") + 3
    with pytest.raises(LawTableError) as caught:
        book.reload()
    assert [(p.file, p.line, p.key) for p in caught.value.problems] == [("united-states.yaml", line, "rule")]
    assert "did you mean notice?" in str(caught.value)
    assert book.table is before


def directions(before, after):
    """Key -> direction of what changed, without the keys that only say what the law itself asks."""
    changes = difference(table(before), table(after))
    return {change.key: change.direction for change in changes if not change.key.startswith("law_")}


def test_the_difference_tells_who_is_better_off():
    softer = changed(FORM, "form: notice")
    assert directions(ENTRY, softer) == {"form": Direction.MILDER}
    assert directions(softer, ENTRY) == {"form": Direction.STRICTER}
    assert directions(ENTRY, changed("name: Testland", "name: Elsewhere")) == {"name": Direction.NEITHER}
    assert directions(ENTRY, changed(FLAGS, "flags: [state_controller]")) == {"flags": Direction.MILDER}
    assert directions(ENTRY, changed(FLAGS, "flags: []", changed(FORM, "form: explicit"))) == {
        "form": Direction.STRICTER,
        "flags": Direction.MILDER,
    }
    assert directions(ENTRY, changed(FLAGS, f"{FLAGS}\n    retention: {{max_days: 30}}")) == {
        "retention": Direction.STRICTER
    }


def test_an_entry_that_comes_is_held_against_the_fallback():
    without = build([EDITION, ("unknown.yaml", UNKNOWN)])
    (change,) = difference(without, table())
    assert (change.key, change.before, change.direction) == ("(entry)", "(none)", Direction.MILDER)
    (change,) = difference(table(), without)
    assert change.direction is Direction.STRICTER
