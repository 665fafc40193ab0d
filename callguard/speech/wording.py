"""Whether words are a yes, for engines that give words: whole answers only, in the languages listed here."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from callguard.speech.english import phrases as english
from callguard.speech.thresholds import BARE, HALF, NO, NOTHING, PHRASE


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What counts in one language. Written in small letters, without accents and punctuation."""

    phrases: frozenset[str]
    bare: frozenset[str]
    no: frozenset[str]
    affirming: frozenset[str]  #: a phrase without one of these is but a half
    negations: frozenset[str]  #: with one of these, anything else is at best unclear


def _wording(phrases: str, bare: str, no: str, negations: str) -> Wording:
    parts = [frozenset(plain(each) for each in part.split(",")) for part in (phrases, bare, no, negations)]
    affirming = frozenset(word for each in parts[1] for word in each.split())
    return Wording(phrases=parts[0], bare=parts[1], affirming=affirming, no=parts[2], negations=parts[3])


def plain(text: str) -> str:
    """Small letters, one space between words, no accents and no punctuation but the apostrophe."""
    apart = unicodedata.normalize("NFKD", text.replace("’", "'")).casefold()
    bare = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return " ".join(re.findall(r"[\w']+", bare))


def kind_of(text: str, language: str) -> str:
    """What an answer is: a phrase, bare, no, or nothing of these."""
    wording = WORDINGS[language.partition("-")[0]]
    said = plain(text)
    if said in wording.no:
        return NO
    if wording.negations & set(said.split()):
        return NOTHING
    if said in wording.phrases:
        return PHRASE if set(said.split()) & wording.affirming else HALF
    return BARE if said in wording.bare else NOTHING


WORDINGS = {
    "en": Wording(
        phrases=frozenset(english.YES),
        bare=frozenset(english.BARE),
        affirming=frozenset(("yes", "yeah")),
        no=frozenset(english.NO),
        negations=english.NEGATIONS | english.DOUBTS,
    ),
    "de": _wording(
        "ja ich stimme zu, ich stimme zu, ja ich bin einverstanden, ich bin einverstanden, "
        "ja bitte, ja gerne, "
        "ja natürlich, ja in ordnung, ja das ist in ordnung, ja einverstanden, ich willige ein, "
        "ja ich willige ein",
        "ja, jawohl, ja ja",
        "nein, nein danke, nein ich stimme nicht zu, ich stimme nicht zu, ich bin nicht einverstanden, "
        "nein ich bin nicht einverstanden, nein ich möchte das nicht, ich möchte das nicht, "
        "das möchte ich nicht, "
        "das will ich nicht, auf keinen fall, bitte nicht, nein bitte nicht, nicht aufzeichnen, "
        "lieber nicht, nee",
        "nein, nicht, kein, keine, keinen, nie, nee, wenn, ob, aber, oder",
    ),
    "fr": _wording(
        "oui je suis d'accord, je suis d'accord, oui j'accepte, j'accepte, oui s'il vous plaît, "
        "oui bien sûr, "
        "oui d'accord, oui je consens, je consens, oui volontiers",
        "oui, ouais, oui oui",
        "non, non merci, je ne suis pas d'accord, je suis pas d'accord, non je ne suis pas d'accord, "
        "je n'accepte pas, non je n'accepte pas, je refuse, non je refuse, je ne veux pas, "
        "non je ne veux pas, "
        "pas question, surtout pas, je préfère pas, jamais",
        "non, pas, ne, n'accepte, jamais, refuse, si, mais, ou",
    ),
    "es": _wording(
        "sí estoy de acuerdo, estoy de acuerdo, sí acepto, acepto, sí por favor, sí claro, sí consiento, "
        "sí de acuerdo, sí por supuesto",
        "sí, sí sí",
        "no, no gracias, no estoy de acuerdo, no acepto, no quiero, no no quiero, de ninguna manera, "
        "prefiero que no, me niego, nunca",
        "no, nunca, ni, nada, pero, o, niego",
    ),
    "it": _wording(
        "sì sono d'accordo, sono d'accordo, sì accetto, accetto, sì grazie, sì certo, "
        "sì acconsento, acconsento",
        "sì, sì sì",
        "no, no grazie, non sono d'accordo, no non sono d'accordo, non accetto, no non accetto, non voglio, "
        "no non voglio, mi rifiuto, rifiuto, assolutamente no, mai",
        "no, non, mai, se, ma, o, rifiuto",
    ),
    "pt": _wording(
        "sim concordo, concordo, sim eu concordo, eu concordo, sim aceito, aceito, sim por favor, sim claro",
        "sim, sim sim",
        "não, não obrigado, não obrigada, não concordo, eu não concordo, não aceito, não quero, "
        "de jeito nenhum, recuso, nunca",
        "não, nunca, nem, se, mas, ou, recuso",
    ),
    "nl": _wording(
        "ja ik ga akkoord, ik ga akkoord, ja graag, ja natuurlijk, ja dat is goed, ja akkoord, ik stem toe",
        "ja, jazeker, ja ja",
        "nee, nee dank u, nee bedankt, ik ga niet akkoord, nee ik ga niet akkoord, liever niet, "
        "ik wil dat niet, nee dat wil ik niet, geen sprake van, nooit",
        "nee, niet, geen, nooit, als, maar, of",
    ),
}
