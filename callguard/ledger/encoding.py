"""The canonical encoding of an entry: RFC 8785 (JSON Canonicalization Scheme), narrowed.

Only text, integers, booleans, lists and mappings may be stored. Fractions are refused: a float has
more than one spelling and no two languages agree on it, so times are whole microseconds or
milliseconds and confidences are per mille. With that, sorted keys, no spaces and UTF-8 *are*
RFC 8785, and anybody can compute the hash of an entry again in any language.

Text is stored as it was seen (no Unicode normalisation: a hostile caller name is evidence too);
only lone surrogates, which UTF-8 cannot carry, become U+FFFD.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum

from callguard.errors import LedgerError

#: RFC 8785 inherits the number range of ECMAScript: beyond 2**53 - 1 integers lose digits there.
LARGEST = 2**53 - 1

#: Fields in which people or programs write sentences. Card numbers are masked there; in all other
#: fields (hashes, identifiers, offsets) a long run of digits is what it says it is.
FREE_TEXT = frozenset({"detail", "reason", "note", "notes"})

#: 13 to 19 digits (ISO/IEC 7812-1), alone or in groups divided by a space or a dash.
_CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")
_SURROGATE = re.compile("[\ud800-\udfff]")

_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False).encode


def encode(fields: Iterable[tuple[str, object]]) -> str:
    """Write fields canonically, without those that are ``None``.

    Raises:
        LedgerError: one holds something that has no canonical form.
    """
    found: dict[str, object] = {}
    for name, value in fields:
        kind = type(value)
        if kind is str:
            found[name] = masked(value) if name in FREE_TEXT else value
        elif value is not None:
            found[name] = value if kind is bool else _member(name, value, "entry")
    return whole(_dump(found))


def quoted(text: str) -> str:
    """One text, canonically."""
    return whole(_dump(text))


def whole(text: str) -> str:
    """Text without lone surrogates."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def plain(value: object, where: str) -> object:
    """Reduce ``value`` to what JSON knows, refusing what has no canonical form."""
    kind = type(value)
    if kind is str or kind is bool:
        return value
    if kind is int and -LARGEST <= value <= LARGEST:  # type: ignore[operator]
        return value
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Mapping):
        return {_key(k, where): _member(k, v, where) for k, v in value.items() if v is not None}
    if isinstance(value, (list, tuple)):
        return [plain(v, where) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted(str(plain(v, where)) for v in value)
    if kind is int:
        raise LedgerError(f"the whole number at {where} is beyond 2**53 - 1; store it as text")
    raise LedgerError(
        f"an entry may hold text, whole numbers, booleans, lists, mappings, not {kind.__name__} (at {where})"
    )


def _key(key: object, where: str) -> str:
    if isinstance(key, str) and key.isascii():
        return str(key)
    raise LedgerError(f"the name {key!r} at {where} is not plain ASCII text")


def _member(key: str, value: object, where: str) -> object:
    found = plain(value, f"{where}.{key}")
    if key in FREE_TEXT:
        return [masked(v) for v in found] if isinstance(found, list) else masked(found)
    return found


def masked(text: object) -> object:
    """Replace anything in a sentence that could be a card number. Other values pass unchanged."""
    if not isinstance(text, str):
        return text
    return _CARD.sub(lambda m: "[digits]" if _luhn(m.group()) else m.group(), text)


def _luhn(text: str) -> bool:
    """Whether the digits of ``text`` pass the check-digit rule of ISO/IEC 7812-1, Annex B."""
    digits = [int(c) for c in text if c.isdigit()][::-1]
    return (sum(digits[::2]) + sum(sum(divmod(2 * d, 10)) for d in digits[1::2])) % 10 == 0
