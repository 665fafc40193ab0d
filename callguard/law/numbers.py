"""A phone number or SIP address -> the place that it names, if it names one.

A number hints at a place and proves none: people keep theirs when they move, mobiles travel, internet numbers
are sold anywhere, and a caller id can be forged. So this never guesses. A number that names no place
(withheld, malformed, toll-free, premium, personal, satellite, not assigned) says so, with the reason, and the
caller falls to the strictest rule.

What ``phonenumbers`` 9.0.43 does that has to be minded:

* it reads ``tel:`` but not ``sip:``, and fails on ``;npdi`` and ``;rn=``: only the user part is given to it;
* a toll-free, premium or personal +1 number reports region US although it has no place;
* a number that is not valid can still be described (``+1415`` is "California"): validity is asked first;
* the United States are described as ``City, ST``, as the state's name, as ``Washington State`` and as
  ``Washington D.C.``; Canada also as two or three provinces with strokes, and as ``British Colombia``;
* some +44 mobile numbers belong to Guernsey, Jersey or Man, which are regions of their own;
* Australian numbers never name the state.

Measured in November 2026 on one core: the geographic data cost 0.2 s and 100 MiB once, and 3 s the very first
time, while Python writes its bytecode. :func:`warm_up` pays that before the first call; afterwards a number
costs about 50 microseconds.
"""

from __future__ import annotations

import functools
import re
import time
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from urllib.parse import unquote

#: Nothing longer is looked at; phonenumbers has the same limit.
LONGEST = 250

_SCHEME = re.compile(r"(?:.*<)?\s*(?P<scheme>sips?|tel):(?P<rest>[^>]*)", re.IGNORECASE | re.DOTALL)
_SHAPE = re.compile(r"\+?[0-9 ().\-]{2,40}")
_CONTEXT = re.compile(r";phone-context=(\+[0-9.\-()]+)", re.IGNORECASE)

_US = {
    "Alabama": "AL", "Alaska": "AK", "Arizona": "AZ", "Arkansas": "AR", "California": "CA", "Colorado": "CO",
    "Connecticut": "CT", "Delaware": "DE", "Washington D.C.": "DC", "Florida": "FL", "Georgia": "GA",
    "Hawaii": "HI", "Idaho": "ID", "Illinois": "IL", "Indiana": "IN", "Iowa": "IA", "Kansas": "KS",
    "Kentucky": "KY", "Louisiana": "LA", "Maine": "ME", "Maryland": "MD", "Massachusetts": "MA",
    "Michigan": "MI", "Minnesota": "MN", "Mississippi": "MS", "Missouri": "MO", "Montana": "MT",
    "Nebraska": "NE", "Nevada": "NV", "New Hampshire": "NH", "New Jersey": "NJ", "New Mexico": "NM",
    "New York": "NY", "North Carolina": "NC", "North Dakota": "ND", "Ohio": "OH", "Oklahoma": "OK",
    "Oregon": "OR", "Pennsylvania": "PA", "Rhode Island": "RI", "South Carolina": "SC", "South Dakota": "SD",
    "Tennessee": "TN", "Texas": "TX", "Utah": "UT", "Vermont": "VT", "Virginia": "VA",
    "Washington State": "WA", "West Virginia": "WV", "Wisconsin": "WI", "Wyoming": "WY",
}  # fmt: skip
_CA = {
    "Alberta": "AB", "British Columbia": "BC", "British Colombia": "BC", "Manitoba": "MB",
    "New Brunswick": "NB", "Newfoundland and Labrador": "NL", "Nova Scotia": "NS",
    "Northwest Territories": "NT", "Nunavut": "NU", "Ontario": "ON", "Prince Edward Island": "PE",
    "Quebec": "QC", "Saskatchewan": "SK", "Yukon": "YT", "Watson Lake": "YT",
}  # fmt: skip
_PARTS = {"US": _US, "CA": _CA}
_LETTERS = {region: frozenset(names.values()) for region, names in _PARTS.items()}


#: How many numbers' places are kept; each takes a few hundred bytes.
KEPT = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a number says that it is. ``region`` is an ISO 3166 country code, or ``None`` for no place."""

    region: str | None = None
    part: str | None = None  #: state or province, only in the US and Canada
    why: str = ""  #: why there is no region or no part, for the explanation


def dialled(text: str) -> str | None:
    """The digits of a number, ``tel:`` or ``sip:`` address, without scheme, host and parameters.

    Returns:
        Something of the shape of a phone number, or ``None``.
    """
    if len(text) > LONGEST:
        return None
    found = _SCHEME.match(text)
    rest = found["rest"] if found else text
    if found and found["scheme"].lower() != "tel":
        # A SIP address without a user part names a machine, and a password may follow the user.
        user, at, _host = rest.rpartition("@")
        if not at:
            return None
        rest = user
    number = unquote(rest.split(";", 1)[0].split("@", 1)[0].split(":", 1)[0]).strip()
    context = _CONTEXT.search(rest)
    if context and not number.startswith("+"):
        number = context[1] + number  # RFC 3966, 5.1.5: a local number under a global prefix
    return number if _SHAPE.fullmatch(number) else None


def locate(text: str | None, region: str | None = None) -> Place:
    """The place that a number names.

    Args:
        text: what the PBX gave: E.164, national, ``tel:`` or ``sip:``; ``None`` when withheld.
        region: ISO code of the country whose national format is understood, usually the site's.
    """
    number = dialled(text) if text else None
    if number is None:
        return Place(why="withheld or not a phone number")
    return _located(number, region)


@functools.lru_cache(maxsize=KEPT)
def _located(number: str, region: str | None) -> Place:
    """The place of something of the shape of a number; our own number is asked for on every call."""
    numbers, geocoder = _library()
    try:
        parsed = numbers.parse(number, region.upper() if region else None)
    except numbers.NumberParseException:
        return Place(why="not a phone number that can be read")
    if not numbers.is_valid_number(parsed):
        return Place(why="not a number that is in use")
    kind, kinds = numbers.number_type(parsed), numbers.PhoneNumberType
    found = numbers.region_code_for_number(parsed)
    placeless = {
        kinds.TOLL_FREE: "toll-free",
        kinds.PREMIUM_RATE: "premium-rate",
        kinds.SHARED_COST: "shared-cost",
        kinds.PERSONAL_NUMBER: "personal",
        kinds.PAGER: "pager",
        kinds.UAN: "company-wide",
        kinds.VOICEMAIL: "voicemail",
    }.get(kind)
    if placeless:
        return Place(why=f"a {placeless} number names no place")
    if not found or found == numbers.REGION_CODE_FOR_NON_GEO_ENTITY:
        return Place(why="a number of no country")
    if found not in _PARTS:
        return Place(region=found)
    if kind == kinds.VOIP:
        return Place(why="a number for internet telephony names no place")
    part, why = _part(found, geocoder.description_for_number(parsed, "en"))
    return Place(region=found, part=part, why=why)


def e164(text: str | None, region: str | None = None) -> str | None:
    """The number in E.164, such as ``+14155550123``, or ``None`` when it is not a number in use."""
    number = dialled(text) if text else None
    if number is None:
        return None
    numbers, _ = _library()
    try:
        parsed = numbers.parse(number, region.upper() if region else None)
    except numbers.NumberParseException:
        return None
    if not numbers.is_valid_number(parsed):
        return None
    return str(numbers.format_number(parsed, numbers.PhoneNumberFormat.E164))


def _part(region: str, label: str) -> tuple[str | None, str]:
    """State or province from the description, and why not when there is none."""
    names = label.split("/")
    if len(names) > 1 and all(name in _PARTS[region] for name in names):
        return None, f"the area code is shared by {' and '.join(names)}"
    tail = label.rsplit(", ", 1)[-1]
    part = tail if ", " in label and tail in _LETTERS[region] else _PARTS[region].get(label)
    return part, "" if part else "the number does not tell the state or province"


def warm_up() -> float:
    """Load the geographic data, off the call path. Returns the seconds it took."""
    began = time.perf_counter()
    locate("+14155550123")
    return time.perf_counter() - began


@cache
def _library() -> tuple[ModuleType, ModuleType]:
    import phonenumbers
    from phonenumbers import geocoder

    return phonenumbers, geocoder
