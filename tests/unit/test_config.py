"""The example explains every key truly; a mistake is told by file, line, key and what would be right."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from callguard.config import Config, load, loads, parse
from callguard.config.yamlfile import Place
from callguard.errors import ConfigError
from callguard.shipped import shipped

EXAMPLE = shipped("config.example.yaml")
SECRET = "hunter2-correct-horse"
LEAST = f"""\
site: {{name: Acme, country: US}}
asterisk:
  ari: {{password: {SECRET}}}
  ami: {{password: {SECRET}}}
queues:
  sales: {{}}
"""


@pytest.fixture(autouse=True)
def passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLGUARD_ARI_PASSWORD", "one")
    monkeypatch.setenv("CALLGUARD_AMI_PASSWORD", "two")
    monkeypatch.setenv("CALLGUARD_CHECKPOINT_TOKEN", "three")
    monkeypatch.setenv("CALLGUARD_CRM_SECRET", "whsec_Zm91cg==")
    monkeypatch.setenv("CALLGUARD_PHONE_SECRET", "five-" * 8)
    monkeypatch.setenv("CALLGUARD_SPEECH_TOKEN", "six")


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        loads(text, "c.yaml")
    return str(caught.value)


def with_lines(*lines: str) -> str:
    return LEAST + "\n".join(lines) + "\n"


def section_of(annotation: Any) -> type[BaseModel] | None:
    for part in (annotation, *get_args(annotation)):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


#: Sections that are found by names of the site's choice, and the name that the example has.
EXAMPLES = {"queues": "sales", "endpoints": "crm", "tokens": "crm", "languages": "en", "servers": "vosk"}
#: What does not go together with the rest of such a section, and so stands in another example.
APART = {("servers", "vosk", name): "riva" for name in ("protocol", "model", "codes")}


def fields(model: type[BaseModel], place: Place = ()) -> Iterator[tuple[Place, FieldInfo]]:
    """Every field of the configuration, the example's own names standing for any name."""
    for name, field in model.model_fields.items():
        inner = section_of(field.annotation)
        if inner is None:
            apart = APART.get((*place, name)[-3:])
            yield (*place[:-1], apart, name) if apart else (*place, name), field
        else:
            named = EXAMPLES.get(name)
            yield from fields(inner, (*place, name, named) if named else (*place, name))


FIELDS = dict(fields(Config))


# ---------------------------------------------------------------------- the example


def told_default(place: Place) -> str:
    """What the comment above a key says about its default."""
    text = EXAMPLE.read_text(encoding="utf-8")
    line = parse(text, "example").lines[place]
    above: list[str] = []
    for row in reversed(text.splitlines()[: line - 1]):
        if not row.strip().startswith("#"):
            break
        above.append(row.strip())
    found = [row.removeprefix("# Default: ") for row in above if row.startswith("# Default: ")]
    assert len(found) == 1, f"{place}: one comment has to say its default, not {found}"
    return found[0]


def test_the_example_validates_as_it_stands() -> None:
    config = load(EXAMPLE)
    assert config.asterisk.ari.password.get_secret_value() == "one"
    assert config.queues["sales"].purposes == ("quality", "training")


def test_the_example_knows_every_key_and_no_other() -> None:
    document = parse(EXAMPLE.read_text(encoding="utf-8"), "example")
    free = {place for place, field in FIELDS.items() if "dict" in str(field.annotation)}
    stands = {
        place
        for place in document.lines
        if not isinstance(document.value(place), dict) and not isinstance(place[-1:] and place[-1], int)
    }
    stands = {next((one for one in free if place[: len(one)] == one), place) for place in stands}
    stands.remove(("speech", "servers", "riva", "url"))  # told of the first example already
    assert stands == set(FIELDS)


@pytest.mark.parametrize("place", FIELDS, ids=lambda place: ".".join(map(str, place)))
def test_a_default_that_is_told_is_the_default(place: Place) -> None:
    told, field = told_default(place), FIELDS[place]
    if field.is_required():
        assert told == "required"
    elif field.default is None or (field.default == "none" and place[-1] == "minimum_form"):
        assert told.split()[0] == "none"
    else:
        value = yaml.load(told, Loader=yaml.BaseLoader)
        assert TypeAdapter(Any if field.annotation is None else field.annotation).validate_python(
            {} if told == "{}" else value
        ) == field.get_default(call_default_factory=True)


def test_no_key_stands_without_a_word_about_it() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    document = parse("\n".join(lines), "example")
    # A pair of keys may share one explanation; each has its default.
    rows = [document.lines[place] - 1 for place in FIELDS]
    bare = [lines[row] for row in rows if not lines[row - 1].strip().startswith("# Default: ")]
    assert bare == []


# ---------------------------------------------------------------------- nothing is guessed


def test_what_yaml_would_mangle_stays_as_it_was_typed() -> None:
    config = loads(
        LEAST.replace("country: US", "country: NO")
        + "bypass: {numbers: [+1415, 0123, 000, 12345678901]}\n"
        + "dialogue: {yes_key: 0, no_key: 1, keys_cut_question: no}\n"
    )
    assert config.site.country == "NO"
    assert config.bypass.numbers == ("+1415", "0123", "000", "12345678901")
    assert (config.dialogue.yes_key, config.dialogue.keys_cut_question) == ("0", False)


def test_the_least_configuration_has_the_defaults() -> None:
    config = loads(LEAST)
    assert config.recorded_queue("sales") == "sales"
    assert config.unrecorded_queue("sales") == "sales-unrecorded"
    assert config.asterisk.ari.deadline == 2.0


# ---------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            with_lines("dialog:", "  attempts: 2"),
            ["c.yaml:7: dialog: no such key", "did you mean 'dialogue'?"],
            id="unknown section",
        ),
        pytest.param(
            with_lines("dialogue:", "  yes_kay: 1"),
            ["c.yaml:8: dialogue.yes_kay: no such key", "did you mean 'yes_key'?"],
            id="unknown key",
        ),
        pytest.param(
            with_lines("log: {xyzzy: 1}"), ["c.yaml:7: log.xyzzy", "known here: level, format"], id="far off"
        ),
        pytest.param(
            LEAST.replace("sales: {}", "sales: {recordet: x}"),
            ["c.yaml:6: queues.sales.recordet", "did you mean 'recorded'?"],
            id="unknown key of a queue",
        ),
        pytest.param(
            LEAST.replace(f"  ami: {{password: {SECRET}}}\n", ""),
            ["c.yaml:2: asterisk.ami: is missing", "add 'ami:'"],
            id="missing section",
        ),
        pytest.param(
            LEAST.replace(", country: US", ""),
            ["c.yaml:1: site.country: is missing", "add 'country:'"],
            id="missing key",
        ),
        pytest.param(
            with_lines("spool:", "  minimum_free_mb: plenty"),
            ["c.yaml:8: spool.minimum_free_mb: must be a whole number"],
            id="no number",
        ),
        pytest.param(
            with_lines("dialogue: {answer_seconds: soon}"),
            ["c.yaml:7: dialogue.answer_seconds: must be a number"],
            id="no seconds",
        ),
        pytest.param(
            with_lines("dialogue: {answer_seconds: nan}"),
            ["c.yaml:7: dialogue.answer_seconds: must be a number"],
            id="not a number",
        ),
        pytest.param(
            with_lines("dialogue: {answer_seconds: 0}"), ["must be more than 0"], id="no time at all"
        ),
        pytest.param(
            with_lines("dialogue: {thank: maybe}"),
            ["c.yaml:7: dialogue.thank: must be yes or no"],
            id="maybe",
        ),
        pytest.param(
            with_lines("dialogue: {languages: en}"),
            ["c.yaml:7: dialogue.languages: must be a list; write it as [one, two]"],
            id="no list",
        ),
        pytest.param(
            with_lines("dialogue: {languages: [en, english]}"),
            ["c.yaml:7: dialogue.languages.1: is no language"],
            id="second of a list",
        ),
        pytest.param(
            with_lines("dialogue:", "  attempts: [2]"),
            ["c.yaml:8: dialogue.attempts:", "whole number"],
            id="list for a number",
        ),
        pytest.param(with_lines("dialogue:"), ["c.yaml:7: dialogue: is empty"], id="empty section"),
        pytest.param(
            with_lines("dialogue:", "  attempts:"), ["c.yaml:8: dialogue.attempts: is empty"], id="no value"
        ),
        pytest.param(
            with_lines("dialogue: 7"),
            ["c.yaml:7: dialogue: must hold keys and values"],
            id="value for a section",
        ),
        pytest.param(
            LEAST.replace("sales: {}", "sales: {on_refusal: unrecorded-que}"),
            ["c.yaml:6: queues.sales.on_refusal", "did you mean 'unrecorded-queue'?"],
            id="nearly a choice",
        ),
        pytest.param(
            LEAST.replace("sales: {}", "sales: {on_refusal: alternatives}"),
            ["c.yaml:6: queues.sales.on_refusal", "name a key of prompts.alternatives"],
            id="no alternatives",
        ),
        pytest.param(
            LEAST.replace("sales: {}", "sales: {\n    on_refusal: alternatives,\n    alternatives: shop}"),
            ["c.yaml:8: queues.sales.alternatives", "'shop'", "write there what refusers hear"],
            id="unknown alternatives",
        ),
        pytest.param(
            LEAST.replace("sales: {}", "sa les: {}"),
            ["c.yaml:6: queues.sa les: is no name for a dialplan"],
            id="odd queue",
        ),
        pytest.param(LEAST.replace("  sales: {}\n", ""), ["c.yaml:5: queues: is empty"], id="no queue"),
        pytest.param(
            LEAST.replace("\n  sales: {}", " {}"), ["c.yaml:5: queues: holds nothing"], id="empty queues"
        ),
        pytest.param(
            with_lines("dialogue:", "  yes_key: 1", "  no_key: 1"),
            ["c.yaml:9: dialogue.no_key", "give them different keys"],
            id="same keys",
        ),
        pytest.param(
            LEAST.replace("country: US", "country: United States"),
            ["c.yaml:1: site.country: is no country"],
            id="country in words",
        ),
        pytest.param(
            with_lines("spool: {directory: spool}"), ["must be a path from the root"], id="relative path"
        ),
        pytest.param(
            with_lines("spool: {directory: '/dev/shm/a,b'}"),
            ["c.yaml:7: spool.directory: Asterisk cannot use this path"],
            id="path that ends an option",
        ),
        pytest.param(
            with_lines("bypass: {numbers: [emergency]}"), ["bypass.numbers.0: is no tele"], id="no number"
        ),
        pytest.param(
            with_lines("site:", "  name: Acme"),
            ["c.yaml:7: 'site' stands already on line 1; remove one of them"],
            id="repeated key",
        ),
        pytest.param(with_lines("dialogue:", "\tattempts: 2"), ["c.yaml:8", "tab", "spaces"], id="tab"),
        pytest.param(
            with_lines("log: {level: info"), ["c.yaml:8: not valid YAML", "check the indent"], id="bracket"
        ),
        pytest.param(with_lines("log: level: info"), ["c.yaml:7: not valid YAML"], id="colon"),
        pytest.param(
            with_lines("log: {level: 'info}"), ["c.yaml:7: a quote is opened and never closed"], id="quote"
        ),
        pytest.param(with_lines("dialogue: {yes_key: *}"), ["c.yaml:7", "in quotes, such as '*'"], id="star"),
        pytest.param(with_lines("---", "a: 1"), ["c.yaml:7: a second document"], id="two documents"),
        pytest.param(
            with_lines("log: &log {level: info}", "ledger: *log"), ["c.yaml:7", "write it out"], id="alias"
        ),
        pytest.param("a: &a [*a]\n", ["c.yaml:1", "write it out"], id="alias of itself"),
        pytest.param("[" * 5000 + "]" * 5000, ["nested too deeply"], id="deep"),
        pytest.param(with_lines("x: \x07"), ["c.yaml:7: an unprintable character (U+0007)"], id="bell"),
        pytest.param(with_lines("[a, b]: 1"), ["c.yaml:7: a key must be plain text"], id="list as a key"),
        pytest.param("", ["c.yaml: is empty; `callguard init`"], id="empty"),
        pytest.param("# nothing\n", ["c.yaml: is empty"], id="comments only"),
        pytest.param("- site\n- asterisk\n", ["c.yaml:1: must be keys and values"], id="list"),
        pytest.param("callguard\n", ["c.yaml:1: must be keys and values"], id="one word"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_its_fix(text: str, said: list[str]) -> None:
    told = refusal(text)
    assert [part for part in said if part not in told] == [], told


def test_all_mistakes_are_told_at_once() -> None:
    told = refusal(with_lines("dialogue: {attempts: 9, answer_seconds: -1}", "log: {level: loud}"))
    assert [line.split(": ")[1] for line in told.splitlines()] == [
        "dialogue.attempts",
        "dialogue.answer_seconds",
        "log.level",
    ]


def test_a_file_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(LEAST.replace("Acme", "Caf\xe9").encode("latin-1"))
    with pytest.raises(ConfigError, match=r"c\.yaml: not UTF-8 at byte \d+; save the file as UTF-8"):
        load(path)


def test_a_file_that_is_not_there_or_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such file; `callguard init` writes one"):
        load(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_a_byte_order_mark_is_no_mistake() -> None:
    assert loads("\ufeff" + LEAST).site.name == "Acme"


# ---------------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    "text",
    [
        LEAST.replace("country: US", "country: nowhere"),
        LEAST.replace(f"ari: {{password: {SECRET}}}", f"ari: {{passwort: {SECRET}}}"),
        LEAST.replace(f"ari: {{password: {SECRET}}}", f"ari: {{password: [{SECRET}]}}"),
        LEAST.replace(f"ari: {{password: {SECRET}}}", f"ari: {SECRET}"),
        LEAST.replace(f"ari: {{password: {SECRET}}}", f"ari: {{password: {SECRET}, deadline: {SECRET}}}"),
        LEAST.replace(
            f"ari: {{password: {SECRET}}}", f"ari: {{password: {SECRET}, url: 'http://a:{SECRET}@b/'}}"
        ),
        LEAST.replace(SECRET, f'"{SECRET}\\n"'),
        LEAST.replace(f"{{password: {SECRET}}}", f"{{password: '{SECRET}}}"),
    ],
    ids=[
        "elsewhere",
        "misspelt",
        "list",
        "no section",
        "as a number",
        "in the address",
        "line break",
        "quote",
    ],
)
def test_no_error_shows_a_secret(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loads(text)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_configuration_does_not_show_its_secrets() -> None:
    assert SECRET not in repr(loads(LEAST))


def test_passwords_come_from_where_they_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ari"
    path.write_text(f"{SECRET}\n")
    monkeypatch.setenv("AMI", "from-env")
    text = LEAST.replace(f"ari: {{password: {SECRET}}}", f"ari: {{password: 'file:{path}'}}")
    asterisk = loads(text.replace(f"ami: {{password: {SECRET}}}", "ami: {password: 'env:AMI'}")).asterisk
    assert asterisk.ari.password.get_secret_value() == SECRET
    assert asterisk.ami.password.get_secret_value() == "from-env"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read (No such file or directory); create it with mode 0640"),
        (b"", "is empty; put the password there"),
        (b"two\nlines", "keep the password on one line"),
        (b"\xff\xfe" + SECRET.encode(), "is not text in UTF-8"),
    ],
    ids=["absent", "empty", "two lines", "no text"],
)
def test_a_file_that_holds_no_password_is_told(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    told = refusal(LEAST.replace(f"ari: {{password: {SECRET}}}", f"ari: {{password: 'file:{path}'}}"))
    assert told.startswith("c.yaml:3: asterisk.ari.password: ")
    assert said in told
    assert str(path) in told


def test_a_variable_that_is_not_set_is_told() -> None:
    told = refusal(LEAST.replace(f"ami: {{password: {SECRET}}}", "ami: {password: 'env:NO_SUCH_THING'}"))
    assert told == (
        "c.yaml:4: asterisk.ami.password: the environment variable NO_SUCH_THING is not set; set it, or "
        "write file:/path"
    )


# ---------------------------------------------------------------------- what somebody has to answer for


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("duty: {reason: r}", "c.yaml:6: queues.sales.duty.approved_by: is missing"),
        ("every_call: {approved_by: M}", "c.yaml:6: queues.sales.every_call.reason: is missing"),
        ("exception: {kind: debt, approved_by: M, reason: ' '}", "exception.reason: must be words"),
        ("exception: {approved_by: M, reason: r}", "exception.kind: is missing"),
        ("exception: {kind: dept, approved_by: M, reason: r}", "did you mean 'debt'?"),
        ("other_channel: shop", "c.yaml:6: queues.sales.other_channel: there is no 'shop'"),
    ],
)
def test_nothing_is_loosened_without_a_name_and_a_reason(settings: str, said: str) -> None:
    assert said in refusal(LEAST.replace("sales: {}", f"sales: {{{settings}}}"))


def test_a_telephone_is_written_as_asterisk_names_it() -> None:
    site = "country: US, staff_lines: [PJSIP/211]"
    assert loads(LEAST.replace("country: US", site)).site.staff_lines == ("PJSIP/211",)
    assert "site.staff_lines.0: is no telephone" in refusal(
        LEAST.replace("country: US", site.replace("PJSIP/", ""))
    )


def test_a_site_may_lock_keys_by_a_service_or_for_others_alone() -> None:
    for own in ("command: [/usr/local/bin/kms]", "age: [age1qqq]"):
        key = loads(with_lines(f"vault: {{key: {{{own}}}}}")).vault.key
        assert key.file is None
    both = loads(with_lines("vault: {key: {command: [/kms], file: /etc/callguard/vault.key}}")).vault.key
    assert both.file == Path("/etc/callguard/vault.key")


def test_what_opens_recordings_may_not_lie_among_them() -> None:
    for own in ("keys: /srv/vault/keys", "key: {file: /srv/vault/vault.key}"):
        with pytest.raises(ConfigError, match="every copy of the recordings would bring the key along"):
            loads(with_lines(f"vault: {{directory: /srv/vault, {own}}}"))
