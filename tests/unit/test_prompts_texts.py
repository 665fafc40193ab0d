"""Texts: complete, honest and grammatical by construction; a language file that is not is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from callguard.errors import PromptError
from callguard.prompts.facts import KEYS, PURPOSES, Duration, Facts, Unit
from callguard.prompts.language import load_language
from callguard.prompts.phrasing import PROMPTS
from callguard.prompts.plural import PLURALS
from callguard.prompts.texts import SiteTexts, Texts, load_texts, shipped_directory

SHIPPED = load_texts()
LANGUAGES = SHIPPED.languages
FILES = {code: load_language(shipped_directory() / f"{code}.yaml") for code in LANGUAGES}
ACME = Facts(controller="Acme", purposes=("quality",))
ALL = Facts(
    controller="Acme",
    purposes=PURPOSES,
    retention=Duration.of_days(90),
    duty=True,
    copy=True,
    tone=True,
    equal_service=True,
    website="acme.example",
    withdraw_key="9",
    objection_key="*",
)


def copied(directory: Path, *changes: tuple[str, str], language: str = "en") -> Path:
    text = (shipped_directory() / f"{language}.yaml").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = directory / f"{language}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(PromptError) as caught:
        load_language(path)
    return str(caught.value)


def test_the_four_main_languages_and_many_more_are_there() -> None:
    assert {"en", "fr", "es", "de", "it", "nl", "pt", "pl", "sv", "da", "fi", "nb"} <= set(LANGUAGES)


def test_the_exact_words_of_an_announcement() -> None:
    facts = Facts(
        controller="Acme Inc.",
        purposes=("quality", "training", "fraud"),
        retention=Duration.of_days(730),
        copy=True,
        objection_key="9",
    )
    assert SHIPPED.render("announcement", "en", facts) == (
        "This call is recorded by Acme Inc. to check the quality of our service, to train our staff and "
        "to prevent fraud. We keep the recording for 2 years. You have the right to a copy of it. "
        "If you object, press nine at any time and we stop recording."
    )
    assert SHIPPED.render("announcement", "de", ACME) == (
        "Dieses Gespräch wird von Acme zur Sicherung unserer Servicequalität aufgezeichnet."
    )
    assert SHIPPED.render("question", "fr", ACME) == (
        "Si vous acceptez, tapez un. Pour continuer sans enregistrement, tapez deux."
    )


def test_a_name_that_ends_in_a_full_stop_ends_the_sentence_with_one() -> None:
    said = SHIPPED.render("announcement", "pl", Facts(controller="Acme S.A.", purposes=("quality",)))
    assert said.endswith("Administratorem nagrania jest Acme S.A.")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_renders_with_every_purpose_and_key(language: str) -> None:
    file = FILES[language]
    for purpose in PURPOSES:
        said = SHIPPED.render("announcement", language, Facts(controller="Acme", purposes=(purpose,)))
        assert "Acme" in said
        assert file.purposes[purpose] in said
    for name in PROMPTS:
        if name == "alternatives":
            continue
        said = SHIPPED.render(name, language, ALL)
        assert "{" not in said
        assert "  " not in said
    for key in KEYS:
        assert file.keys[key] in SHIPPED.render("thanks", language, Facts(withdraw_key=key))


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_announcement_states_what_the_flags_demand(language: str) -> None:
    file = FILES[language]
    plain, full = (SHIPPED.render("announcement", language, facts) for facts in (ACME, ALL))
    assert re.search(file.wording.must_say, plain, re.IGNORECASE)
    for pattern in file.wording.never_say:
        assert not re.search(pattern, full, re.IGNORECASE)
    for stated in ("90", "acme.example", file.keys["*"], *file.purposes.values()):
        assert stated in full
    for key in ("announcement-duty", "announcement-copy", "announcement-tone"):
        assert file.texts[key] in full
        assert file.texts[key] not in plain


@pytest.mark.parametrize("language", LANGUAGES)
def test_where_a_refuser_is_not_served_no_prompt_promises_to_go_on(language: str) -> None:
    file = FILES[language]
    elsewhere = Facts(alternatives="shop")
    for name in ("question", "question-opt-out", "leave"):
        served = SHIPPED.render(name, language, Facts())
        other = SHIPPED.render(name, language, elsewhere)
        assert served != other
        assert other == file.texts[f"{name}-elsewhere"].format(yes_key=file.keys["1"], no_key=file.keys["2"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_key_is_left_as_a_digit_that_a_synthesiser_reads_as_an_ordinal(language: str) -> None:
    assert not any(character.isdigit() for name in FILES[language].keys.values() for character in name)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_wording_check_of_every_language_can_fail(language: str) -> None:
    """A site that hedges in its own announcement is refused in every language that is shipped."""
    hedges = {
        "af": "Hierdie oproep kan opgeneem word.",
        "bg": "Разговорът може да бъде записан.",
        "ca": "Aquesta trucada pot ser enregistrada.",
        "cs": "Tento hovor může být nahráván.",
        "da": "Samtalen kan blive optaget.",
        "de": "Dieses Gespräch kann aufgezeichnet werden.",
        "el": "Η κλήση μπορεί να καταγραφεί.",
        "en": "This call may be recorded.",
        "es": "Esta llamada puede ser grabada.",
        "es-MX": "Esta llamada puede ser grabada.",
        "et": "Kõnet võidakse salvestada.",
        "fi": "Puhelu saatetaan nauhoittaa.",
        "fr": "Cet appel est susceptible d'être enregistré.",
        "hi": "यह कॉल रिकॉर्ड की जा सकती है।",
        "hr": "Poziv može biti snimljen.",
        "hu": "A hívást rögzíthetjük.",
        "is": "Símtalið kann að vera hljóðritað.",
        "it": "La chiamata può essere registrata.",
        "ja": "つうわを ろくおんする ばあいが あります。",
        "ko": "통화는 녹음될 수 있습니다.",
        "lt": "Pokalbis gali būti įrašomas.",
        "lv": "Saruna var tikt ierakstīta.",
        "ms": "Panggilan ini mungkin dirakam.",
        "nb": "Samtalen kan bli tatt opp.",
        "nl": "Dit gesprek kan worden opgenomen.",
        "pl": "Rozmowa może być nagrywana.",
        "pt": "Esta chamada pode ser gravada.",
        "pt-BR": "Esta ligação pode ser gravada.",
        "ro": "Acest apel poate fi înregistrat.",
        "ru": "Разговор может быть записан.",
        "sk": "Hovor môže byť nahrávaný.",
        "sl": "Klic se lahko snema.",
        "sv": "Samtalet kan komma att spelas in.",
        "zh": "本次通话可能会录音。",
    }
    text = hedges[language] + " {controller} {purposes}"
    with pytest.raises(PromptError, match=rf"prompts\.texts\.{language}\.announcement: announcement: says"):
        load_texts(site=SiteTexts(texts={language: {"announcement": text}}))


def test_a_text_that_states_nothing_is_refused() -> None:
    silent = "Welcome to {controller}. We do this {purposes}."
    with pytest.raises(PromptError, match="must say that the call is recorded"):
        load_texts(site=SiteTexts(texts={"en": {"announcement": silent}}))


@pytest.mark.parametrize(
    ("language", "days", "words"),
    [
        ("en", 1, "one day"),
        ("en", 365, "one year"),
        ("de", 365, "ein Jahr"),
        ("fr", 90, "90 jours"),
        ("pl", 1825, "5 lat"),
        ("pl", 730, "2 lata"),
        ("pl", 22, "22 dni"),
        ("ru", 21, "21 день"),
        ("ru", 22, "22 дня"),
        ("ru", 11, "11 дней"),
        ("cs", 3, "3 dny"),
        ("cs", 30, "30 dní"),
        ("sl", 730, "2 leti"),
        ("sl", 102, "102 dneva"),
        ("lt", 30, "30 dienų"),
        ("lv", 21, "21 dienu"),
        ("ro", 30, "30 de zile"),
        ("ro", 7, "7 zile"),
        ("hr", 91, "91 dan"),
        ("is", 31, "31 dag"),
        ("ja", 30, "30にちかん"),
    ],
)
def test_a_retention_is_spoken_in_the_right_plural(language: str, days: int, words: str) -> None:
    said = SHIPPED.render(
        "announcement",
        language,
        Facts(controller="A", purposes=("quality",), retention=Duration.of_days(days)),
    )
    assert words in said


def test_days_are_never_rounded_to_months() -> None:
    assert Duration.of_days(30) == Duration(count=30, unit=Unit.DAY)
    assert Duration.of_days(366) == Duration(count=366, unit=Unit.DAY)
    assert Duration.of_days(1825) == Duration(count=5, unit=Unit.YEAR)


def test_every_plural_rule_gives_only_its_own_forms() -> None:
    for rule in PLURALS.values():
        assert {rule.choose(n) for n in range(1, 500)} == set(rule.forms)


def test_a_region_falls_back_to_its_language() -> None:
    assert SHIPPED.resolve("en-GB") == "en"
    assert SHIPPED.resolve("pt-BR") == "pt-BR"


def test_cantonese_is_not_spoken_as_mandarin() -> None:
    with pytest.raises(PromptError, match="no texts in 'zh-HK'"):
        SHIPPED.resolve("zh-HK")


def test_a_missing_fact_is_an_error_and_not_a_gap() -> None:
    with pytest.raises(PromptError, match="'controller', which is not set"):
        SHIPPED.render("announcement", "en", Facts(purposes=("quality",)))
    with pytest.raises(PromptError, match="'purposes', which is not set"):
        SHIPPED.render("announcement", "en", Facts(controller="Acme"))
    with pytest.raises(PromptError, match="there is no prompt 'greeting'"):
        SHIPPED.render("greeting", "en", ACME)
    with pytest.raises(PromptError, match=r"purpose 'ads' has no words in 'en'.*prompts\.purposes\.ads\.en"):
        SHIPPED.render("announcement", "en", Facts(controller="Acme", purposes=("ads",)))
    with pytest.raises(PromptError, match="must be one key of a telephone"):
        SHIPPED.render("question", "en", Facts(yes_key="12"))
    with pytest.raises(PromptError, match="no texts in 'xx'"):
        SHIPPED.render("question", "xx", ACME)


@pytest.mark.parametrize("name", ["Acme\nnext", "Acme [[h@loU]]", "A" * 500, "Acme\x00"])
def test_a_name_that_would_not_be_spoken_as_written_is_refused(name: str) -> None:
    with pytest.raises(PromptError, match="controller cannot be spoken"):
        SHIPPED.render("announcement", "en", Facts(controller=name, purposes=("quality",)))


def test_braces_in_a_name_are_words_and_not_a_template() -> None:
    assert "{no_key}" in SHIPPED.render(
        "announcement", "en", Facts(controller="{no_key}", purposes=("quality",))
    )


def site_texts() -> Texts:
    return load_texts(
        site=SiteTexts(
            texts={"en": {"unrecorded": "No recording is made."}},
            purposes={"quality": {"en": "to serve you better"}, "orders": {"en": "to note your order"}},
            alternatives={"shop": {"en": "Visit our shop in High Street, or write to us."}},
            voices={"en": "en-gb"},
        )
    )


def test_a_site_can_replace_texts_purposes_and_voices_and_add_its_own() -> None:
    texts = site_texts()
    assert texts.render("unrecorded", "en", Facts()) == "No recording is made."
    said = texts.render("announcement", "en", Facts(controller="Acme", purposes=("quality", "orders")))
    assert said == "This call is recorded by Acme to serve you better and to note your order."
    assert texts.voice("en-US") == "en-gb"
    assert "Visit our shop in High Street" in texts.render("alternatives", "en", Facts(alternatives="shop"))
    assert texts.render("unrecorded", "fr", Facts()) == FILES["fr"].texts["unrecorded"]


def test_alternatives_must_be_given_in_the_language_of_the_call() -> None:
    with pytest.raises(PromptError, match=r"add them under prompts\.alternatives\.shop\.fr"):
        site_texts().render("alternatives", "fr", Facts(alternatives="shop"))
    with pytest.raises(PromptError, match="alternatives 'letter' are not set"):
        site_texts().render("alternatives", "en", Facts(alternatives="letter"))


def test_site_texts_are_held_to_the_same_rules() -> None:
    for texts, problem in (
        (
            {"en": {"question": "Press {yes_key}."}},
            r"prompts\.texts\.en\.question: .*lacks the placeholder {no_key}",
        ),
        ({"en": {"question": "{yes_key} {no_key} {controller}"}}, "placeholder {controller}; allowed here"),
        ({"en": {"unrecorded": "{0.__class__}"}}, "placeholder"),
        ({"en": {"unrecorded": "{"}}, "stray brace"),
        ({"en": {"nothing": "x"}}, "is no text"),
        ({"tlh": {"unrecorded": "x"}}, "no language 'tlh'"),
    ):
        with pytest.raises(PromptError, match=problem):
            load_texts(site=SiteTexts(texts=texts))
    with pytest.raises(PromptError, match=r"prompts\.alternatives\.shop\.en: has line breaks"):
        load_texts(site=SiteTexts(alternatives={"shop": {"en": "one\ntwo"}}))


def test_a_missing_text_is_named_with_file_and_line(tmp_path: Path) -> None:
    path = copied(tmp_path, ("  unrecorded:", "  unrecordet:"))
    message = refusal(path)
    assert "lacks the text unrecorded" in message
    assert str(path) in message


def test_an_unknown_placeholder_is_named(tmp_path: Path) -> None:
    message = refusal(copied(tmp_path, ("press {yes_key}. To go", "press {yes_button}. To go")))
    assert "{yes_button}" in message
    assert "{yes_key}" in message


def test_a_wrong_value_is_named_with_its_line(tmp_path: Path) -> None:
    path = copied(tmp_path, ("plural: one-other", "plural: klingon"))
    number = next(i for i, line in enumerate(path.read_text().splitlines(), 1) if "klingon" in line)
    assert f"line {number}: plural: 'klingon' is not a plural rule" in refusal(path)


def test_a_missing_key_purpose_or_plural_form_is_named(tmp_path: Path) -> None:
    assert "lacks the key #" in refusal(copied(tmp_path, ('  "#": pound\n', "")))
    assert "lacks the purpose fraud" in refusal(copied(tmp_path, ("  fraud: to prevent fraud\n", "")))
    assert "lacks the plural form other" in refusal(copied(tmp_path, (', other: "{n} days"', "")))
    assert "lacks the placeholder {n}" in refusal(copied(tmp_path, ("{n} days", "many days")))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"language: [", "is not YAML"),
        (b"language: en\nlanguage: fr\n", "stands here a second time"),
        (b"a: &x b\nc: *x\n", "aliases"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"- just\n- a list\n", "language"),
        (b"x: " + b"y" * 300_000, "too large"),
    ],
)
def test_a_file_that_is_no_language_file_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "en.yaml"
    path.write_bytes(content)
    assert problem.lower() in refusal(path).lower()


def test_a_language_called_no_stays_text(tmp_path: Path) -> None:
    path = copied(tmp_path, ("language: en", "language: no"))
    path.rename(tmp_path / "no.yaml")
    assert load_language(tmp_path / "no.yaml").language == "no"


def test_the_file_is_named_after_its_language(tmp_path: Path) -> None:
    path = copied(tmp_path)
    path.rename(tmp_path / "fr.yaml")
    assert "name the file en.yaml" in refusal(tmp_path / "fr.yaml")


def test_an_empty_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="holds no language files"):
        load_texts(tmp_path)


def test_all_broken_files_are_reported_at_once(tmp_path: Path) -> None:
    copied(tmp_path, ("plural: one-other", "plural: x"))
    copied(tmp_path, ("plural: one-other", "plural: y"), language="fr")
    with pytest.raises(PromptError) as caught:
        load_texts(tmp_path)
    assert "en.yaml" in str(caught.value)
    assert "fr.yaml" in str(caught.value)
