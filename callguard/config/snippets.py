"""What an administrator puts into Asterisk's configuration files for a site, and its first configuration.

Decided 2026-11: the manager's user gets ``read=call,user,dtmf`` and ``write=call``, with which a recording
can be watched, paused and stopped and nothing can be run; the keys are for the card guard, which forgets them
at once. Lost: ``write=system``, with which a recording could be started as well; it is a shell for whoever
learns the password.

Decided 2026-11: snippets to ``#include``, each with a ``[general](+)`` that adds to what is there. Lost:
whole files, which would replace an administrator's own.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2

from callguard.asterisk.settings import RECORDING_EVENTS
from callguard.config.dialplan import render_dialplan, render_features, shipped_lamps
from callguard.config.models import Config
from callguard.shipped import shipped

TEMPLATES = Path(__file__).parent / "templates"

#: Where a site keeps what it has, unless its configuration says otherwise.
DATA = Path("/var/lib/callguard")

_FILES = (
    "callguard-http.conf",
    "callguard-ari.conf",
    "callguard-manager.conf",
    "extensions.example.conf",
    "queues.example.conf",
)


def render_snippets(config: Config, permit: str = "127.0.0.1") -> dict[str, str]:
    """Texts for Asterisk's configuration directory, by file name. They hold the passwords.

    Args:
        config: the site.
        permit: the address from which callguard reaches the manager interface.
    """
    ari, ami = config.asterisk.ari, config.asterisk.ami
    address = urlsplit(ari.url)
    values = {
        "ari": ari,
        "ami": ami,
        "ari_password": ari.password.get_secret_value(),
        "ami_password": ami.password.get_secret_value(),
        "host": address.hostname,
        "port": address.port or (443 if address.scheme == "https" else 80),
        "local": is_loopback(address.hostname or ""),
        "permit": _network(permit),
        "events": RECORDING_EVENTS,
        "queues": {name: _queue(config, name) for name in config.queues},
    }
    snippets = {name: _render(name, values) for name in _FILES}
    own = {
        "callguard.conf": render_dialplan(config),
        "callguard-features.conf": render_features(config),
        "callguard-lamps.conf": shipped_lamps(),
    }
    return {**own, **snippets}


def render_unit(config: Config, path: Path, command: str) -> str:
    """The unit by which systemd runs callguard.

    Args:
        config: the site.
        path: of its configuration.
        command: of callguard, as systemd starts it.
    """
    ledger = config.ledger.url
    written = [config.vault.directory, config.vault.keys, config.spool.directory, config.control.state]
    if ledger.startswith("sqlite:///"):
        written.append(Path(ledger.removeprefix("sqlite:///")).parent)
    return _render(
        "callguard.service",
        {"command": command, "config": path, "paths": sorted({str(each) for each in written})},
    )


def render_config(
    *,
    name: str,
    country: str,
    jurisdiction: str | None,
    queues: Iterable[str],
    languages: Iterable[str],
    purposes: Iterable[str],
    url: str,
    ami_port: int,
    passwords: tuple[str, str],
    data: Path = DATA,
) -> str:
    """A first configuration: only what a site has to say.

    Args:
        name: of the business, as callers know it.
        country: where it is.
        jurisdiction: the part of the country, where that has a law of its own.
        queues: whose calls may be recorded.
        languages: spoken to callers, the usual one first.
        purposes: what recordings are for.
        url: of ARI.
        ami_port: of the manager interface, on the same host.
        passwords: those of ARI and AMI.
        data: below which everything is kept.
    """
    return _render(
        "config.yaml",
        {
            "example": shipped("config.example.yaml"),
            "name": name,
            "country": country,
            "jurisdiction": jurisdiction,
            "queues": tuple(queues),
            "languages": tuple(languages),
            "purposes": tuple(purposes),
            "url": url,
            "host": urlsplit(url).hostname,
            "ami_port": ami_port,
            "ari_password": passwords[0],
            "ami_password": passwords[1],
            "data": str(data),
            "moved": data != DATA,
        },
    )


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _queue(config: Config, name: str) -> Mapping[str, str]:
    unrecorded = config.unrecorded_queue(name)
    usual = unrecorded == f"{name}-unrecorded"
    return {
        "recorded": config.recorded_queue(name),
        "unrecorded": unrecorded,
        "arguments": name if usual else f"{name},{unrecorded}",
    }


def _network(address: str) -> str:
    """An address as ``permit`` wants it."""
    bits = "128" if ":" in address else "32"
    return f"{address}/{bits}"


def _render(name: str, values: Mapping[str, Any]) -> str:
    house = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - no markup; what needs escaping goes through the two filters
    )
    # JSON is YAML: any text, whatever is in it, stays that text.
    house.filters["quoted"] = lambda value: json.dumps(value, ensure_ascii=False)
    house.filters["conf"] = lambda value: str(value).replace(";", "\\;")
    return house.get_template(f"{name}.j2").render(values)
