"""The product's dialplan: as it is shipped, and with a site's own settings written into it.

Decided 2026-11: settings are written into the shipped text, which stays a dialplan that works as it is and
that an administrator can read, instead of being a template. Lost: a template, which no Asterisk can load.

Decided 2026-11: the rendered text carries a stamp made from itself. `callguard doctor` reads it back from the
running Asterisk and so knows whether what is loaded is what this version and this configuration would write.
Lost: comparing files, which says nothing about what was loaded.
"""

from __future__ import annotations

import re
from hashlib import sha256

from callguard.config.models import Config
from callguard.errors import ConfigError
from callguard.shipped import shipped

#: What stands in the shipped text where a rendered one has its stamp.
UNSTAMPED = "shipped"

_BYPASS = re.compile(r"(?<=\n)(?:exten => \+?[0-9]+,1,NoOp\(\)\n)+")


def shipped_dialplan() -> str:
    """The text of ``callguard.conf``: from the wheel, or from the source tree beside the package.

    Raises:
        ConfigError: the installation lacks it.
    """
    return _shipped("callguard.conf")


def _shipped(name: str) -> str:
    path = shipped("dialplan") / name
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); install callguard again") from error


def settings(config: Config) -> dict[str, str]:
    """The channel variables of ``[callguard-site]`` that a configuration decides."""
    # The dialplan makes ^...$ of it; brackets would end the Set() that it stands in.
    apps = "$|^".join(config.apps)
    return {"CALLGUARD_APP": apps, "CALLGUARD_SPOOL": str(config.spool.directory)}


def render_dialplan(config: Config, text: str | None = None) -> str:
    """The dialplan with a site's settings and bypass numbers in it.

    Args:
        config: the site.
        text: a dialplan to write them into; the shipped one when not given.

    Raises:
        ConfigError: the shipped dialplan lacks the lines to write to.
    """
    rendered = shipped_dialplan() if text is None else text
    for name, value in settings(config).items():
        rendered = _set(rendered, name, value)
    lines = "".join(f"exten => {number},1,NoOp()\n" for number in config.bypass.numbers)
    # A context without an extension is one that no number is in.
    rendered, count = _BYPASS.subn(lambda _: lines, rendered)
    if count != 1:
        raise ConfigError("callguard.conf: [callguard-bypass] is not as shipped; install callguard again")
    return _set(rendered, "CALLGUARD_DIALPLAN", stamp(rendered))


def shipped_features() -> str:
    """The hot keys of features.conf, with the codes of every site that does not choose its own.

    Raises:
        ConfigError: the installation lacks it.
    """
    return _shipped("callguard-features.conf")


def shipped_lamps() -> str:
    """The hints that telephones' lamps subscribe to; the same for every site.

    Raises:
        ConfigError: the installation lacks it.
    """
    return _shipped("callguard-lamps.conf")


def render_features(config: Config) -> str:
    """The hot keys of features.conf, with a site's codes.

    Raises:
        ConfigError: the shipped file cannot be read, or lacks the lines to write to.
    """
    text = shipped_features()
    for name, code in config.pause.hotkeys:
        # A code holds nothing that a pattern would read: stars, hashes and digits.
        text, count = re.subn(rf"(?m)(?<=^callguard-{name} => )[^,]+", code, text)
        if count != 1:
            raise ConfigError(
                f"callguard-features.conf: callguard-{name} is not there once; install callguard again"
            )
    return text


def stamp(rendered: str) -> str:
    """What tells one rendered dialplan from another: 16 hexadecimal digits, whatever stamp it carries."""
    return sha256(_set(rendered, "CALLGUARD_DIALPLAN", UNSTAMPED).encode()).hexdigest()[:16]


def stamp_of(config: Config) -> str:
    """The stamp of the dialplan that belongs to this configuration."""
    return stamp(render_dialplan(config))


def _set(text: str, name: str, value: str) -> str:
    text, count = re.subn(rf"(?<=,Set\({name}=)[^)\n]*(?=\))", lambda _: value, text)
    if count != 1:
        raise ConfigError(f"callguard.conf: {name} is not set once; install callguard again")
    return text
