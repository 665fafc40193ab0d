"""The YAML file as frozen typed models; an error names file, line, key and what would be right."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from callguard.config.forms import Misplaced
from callguard.config.models import Config, Queue
from callguard.config.yamlfile import Document, Place, parse, read
from callguard.errors import ConfigError

__all__ = ["Config", "ConfigError", "Document", "Queue", "load", "loads", "parse", "read"]

#: Where the configuration is looked for when no path is given.
DEFAULT_PATH = Path("/etc/callguard/config.yaml")


def load(path: Path = DEFAULT_PATH) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: every mistake in the file, a line each: file, line, key, what is wrong, the fix.
    """
    return _check(read(path))


def loads(text: str, name: str = "config") -> Config:
    """Check configuration text; see ``load``."""
    return _check(parse(text, name))


def _check(document: Document) -> Config:
    if document.values is None:
        raise ConfigError(f"{document.name}: is empty; `callguard init` writes a first one")
    if not isinstance(document.values, dict):
        raise ConfigError(f"{document.name}:1: must be keys and values, such as `site:`")
    try:
        return Config.model_validate(document.values)
    except ValidationError as error:
        problems = [_explain(document, problem) for problem in error.errors(include_input=False)]
        raise ConfigError("\n".join(problems)) from error


def _explain(document: Document, problem: Any) -> str:
    # Pydantic marks a key that is wrong itself; what is wrong is never shown, it may be a secret.
    place = tuple(part for part in problem["loc"] if part != "[key]")
    fault = problem.get("ctx", {}).get("error")
    if isinstance(fault, Misplaced):
        place = (*place, *fault.place)
    where = f"{document.name}:{document.line(place)}: {'.'.join(map(str, place)) or 'file'}"
    return f"{where}: {_words(document, place, problem)}"


def _words(document: Document, place: Place, problem: Any) -> str:
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "extra_forbidden":
        known = _keys(Config, place[:-1])
        close = difflib.get_close_matches(str(place[-1]), known, n=1)
        return f"no such key; {_meant(close) or 'known here: ' + ', '.join(known)}"
    if kind == "missing":
        return f"is missing; add '{place[-1]}:' (config.example.yaml explains it)"
    value = document.value(place)
    if value is None:
        return "is empty; give it a value, or remove the line where there is a default"
    if kind == "literal_error":
        known = _quoted(context["expected"])
        close = difflib.get_close_matches(str(value), known, n=1)
        return f"must be {context['expected']}; {_meant(close) or 'choose one of them'}"
    if kind in _WORDS:
        return _WORDS[kind].format(**context)
    return str(problem["msg"]).removeprefix("Value error, ")


#: What is wrong and what to do, by pydantic's name of the mistake.
_WORDS = {
    "bool_parsing": "must be yes or no; write one of them",
    "dict_type": "must hold keys and values; indent them below it",
    "float_parsing": "must be a number; write it in digits, such as 2.5",
    "finite_number": "must be a number; write it in digits, such as 2.5",
    "greater_than": "must be more than {gt}; correct the number",
    "greater_than_equal": "must be {ge} or more; correct the number",
    "int_from_float": "must be a whole number; leave out the fraction",
    "int_type": "must be a whole number; write it in digits",
    "float_type": "must be a number; write it in digits, such as 2.5",
    "bool_type": "must be yes or no; write one of them",
    "int_parsing": "must be a whole number; write it in digits",
    "int_parsing_size": "must be a whole number; this one is too large",
    "less_than_equal": "must be {le} or less; correct the number",
    "model_type": "must hold keys and values; indent them below it",
    "path_type": "must be a path; write it on this line, with a leading '/'",
    "string_too_long": "is longer than {max_length} characters; shorten it",
    "string_too_short": "is empty; write at least {min_length} character",
    "string_type": "must be text; write it on this line, in quotes",
    "too_short": "holds nothing; name at least {min_length}",
    "tuple_type": "must be a list; write it as [one, two]",
}


def _meant(close: list[str]) -> str:
    return f"did you mean '{close[0]}'?" if close else ""


def _quoted(expected: str) -> list[str]:
    """The words of pydantic's list of what would be right."""
    return expected.split("'")[1::2]


def _keys(model: Any, place: Place) -> list[str]:
    """The keys that a section knows, following the models down ``place``."""
    for part in place:
        if isinstance(model, type) and issubclass(model, BaseModel):
            field = model.model_fields.get(str(part))
            model = field.annotation if field else None
        else:
            model = next(iter(get_args(model)[-1:]), None)
    if isinstance(model, type) and issubclass(model, BaseModel):
        return list(model.model_fields)
    return []
