"""The YAML file as frozen typed models; an error names file, line, key and what would be right."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from callguard.config.models import Config, Queue
from callguard.config.yamlfile import Document, parse, read
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
    place = tuple(part for part in problem["loc"] if part != "[key]")
    where = f"{document.name}:{document.line(place)}: {'.'.join(map(str, place)) or 'file'}"
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        known = _keys(Config, place[:-1])
        close = difflib.get_close_matches(str(place[-1]), known, n=1)
        fix = f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(known)}"
        return f"{where}: no such key; {fix}"
    if problem["type"] == "missing":
        return f"{where}: is missing; add it (config.example.yaml explains it)"
    if problem["type"] == "string_pattern_mismatch":
        return f"{where}: is not of the form {problem['ctx']['pattern']}; correct it"
    if not message.endswith((".", "?")) and ";" not in message:
        message += "; correct it"
    return f"{where}: {message}"


def _keys(model: Any, place: tuple[Any, ...]) -> list[str]:
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
