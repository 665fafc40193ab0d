"""What can record on a PBX, as far as Asterisk's own configuration files show it.

One function for each file, so that `callguard doctor` looks at what matters on every call and
`callguard inventory` at everything. What a file says is what starts at the next call; what a program orders
over ARI or AMI stands in no file, so the users who could order it are listed instead.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from callguard.controller.confreading import Setting, read_settings


class Kind(StrEnum):
    """How a recording comes about."""

    QUEUE = "queue"  #: every call of a queue
    KEY = "key"  #: a party presses a key
    BUTTON = "button"  #: a telephone's record button
    DIALPLAN = "dialplan"  #: an application of the dialplan
    LISTENING = "listening"  #: somebody who listens in keeps a file of it
    CONFERENCE = "conference"  #: a conference room
    VOICEMAIL = "voicemail"  #: a message that a caller leaves
    STREAM = "stream"  #: the audio is given to another program
    MANAGER = "manager"  #: a user of the manager interface who could order a recording
    REST = "rest"  #: a user of the REST interface who could order a recording


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """Something that records, or lets somebody record, without asking callguard."""

    kind: Kind
    name: str  #: the section, context or user that it stands under
    by: str  #: the application, key or setting that does it
    what: str  #: in words
    where: str  #: file and line


#: Applications of the dialplan that record by themselves.
_RECORDS = re.compile(r"\b(MixMonitor|Monitor|Record|Dictate)\s*\(", re.IGNORECASE)

#: Options of Queue() and Dial() by which a party can start a recording with a key.
_BY_KEY = re.compile(r"\b(Queue|Dial)\s*\([^,)]*(?:,[^,)]*)?,\s*([A-Za-z()$\{\}]*[xXwW][A-Za-z]*)")

#: Applications that keep a file of what they listen to when their options hold an ``r``.
_LISTENS = re.compile(r"\b(ChanSpy|ExtenSpy|MeetMe|Page)\s*\([^,)]*,((?:[^()]|\([^()]*\))*)\)", re.IGNORECASE)

#: Applications that give the audio to a program, which can do with it what it likes.
_STREAMS = re.compile(
    r"\b(AudioSocket|EAGI|ExternalIVR|JACK(?:_HOOK)?)\s*\("
    r"|\bDial\s*\([^)]*?\b(AudioSocket|WebSocket|UnicastRTP|MulticastRTP)/",
    re.IGNORECASE,
)

_CONFERENCE = re.compile(r"record_conference\)?\s*=\s*(yes|true|1|on)", re.IGNORECASE)
_VOICEMAIL = re.compile(r"\b(VoiceMail|MiniVM_?Record)\s*\(", re.IGNORECASE)

#: What may stand in features.conf as an application of a feature of the site's own.
_FEATURE = re.compile(r"\b(MixMonitor|Monitor|Record|ChanSpy|ExtenSpy)\b", re.IGNORECASE)

#: Classes of the manager interface that allow to order a recording: ``system`` the action MixMonitor, the
#: others a dialplan application, a console command or a changed file that records.
_ORDERS = frozenset({"all", "system", "command", "originate", "config"})

_YES = frozenset({"yes", "true", "1", "on", "y", "t"})


def queues(etc: Path) -> Iterator[Recorder]:
    """Queues that record by themselves."""
    for setting in read_settings(etc / "queues.conf"):
        if setting.key == "monitor-format" and setting.value:
            what = f"[{setting.section}] has monitor-format: Asterisk records its calls by itself"
            yield _found(Kind.QUEUE, setting, setting.key, what)


def keys(etc: Path) -> Iterator[Recorder]:
    """Keys that start a recording."""
    for setting in read_settings(etc / "features.conf"):
        if setting.section == "featuremap" and setting.key in {"automixmon", "automon"} and setting.value:
            what = f"agents can start a recording with {setting.value} ({setting.key})"
            yield _found(Kind.KEY, setting, setting.key, what)
        elif setting.section == "applicationmap" and (found := _FEATURE.search(setting.value)):
            key = setting.value.partition(",")[0].strip()
            what = f"a party can start a recording with {key} ({setting.key} runs {found[1]})"
            yield _found(Kind.KEY, setting, setting.key, what)
    for setting in read_settings(etc / "res_parking.conf"):
        if setting.key == "parkedcallrecording" and setting.value.lower() not in {"", "no"}:
            what = f"[{setting.section}] lets a party of a parked call start a recording with a key"
            yield _found(Kind.KEY, setting, setting.key, what)


def buttons(etc: Path) -> Iterator[Recorder]:
    """Telephones whose record button works."""
    for name in ("pjsip.conf", "pjsip_wizard.conf"):
        for setting in read_settings(etc / name):
            key = setting.key.removeprefix("endpoint/")
            if key == "one_touch_recording" and _is_on(setting):
                what = f"[{setting.section}] can start a recording with its record button"
                yield _found(Kind.BUTTON, setting, key, what)


def dialplan(etc: Path) -> Iterator[Recorder]:
    """Lines of the dialplan that record, or give a party a key to; our own are no recorders of others."""
    for setting in _dialplan_lines(etc):
        if setting.section.startswith("callguard"):
            continue
        line, where = setting.value, f"[{setting.section}]"
        if found := _RECORDS.search(line):
            what = f"{where} records by itself ({found[1]}), whatever the caller answered"
            yield _found(Kind.DIALPLAN, setting, found[1], what)
        elif (found := _LISTENS.search(line)) and "r" in re.sub(r"\([^()]*\)", "", found[2]):
            what = f"{where} keeps a file of what it listens to ({found[1]} with option r)"
            yield _found(Kind.LISTENING, setting, found[1], what)
        elif found := _BY_KEY.search(line):
            what = f"{where} lets a key start a recording ({found[1]} with option {found[2]})"
            yield _found(Kind.KEY, setting, found[1], what)
        if found := _STREAMS.search(line):
            by = found[1] or found[2]
            what = f"{where} gives the audio of a call to another program ({by})"
            yield _found(Kind.STREAM, setting, by, what)
        if found := _VOICEMAIL.search(line):
            what = f"{where} takes messages ({found[1]})"
            yield _found(Kind.VOICEMAIL, setting, found[1], what)
        if _CONFERENCE.search(f"{setting.key}={line}"):
            what = f"{where} has a conference recorded"
            yield _found(Kind.CONFERENCE, setting, "ConfBridge", what)


def conferences(etc: Path) -> Iterator[Recorder]:
    """Conference rooms that are recorded."""
    for setting in read_settings(etc / "confbridge.conf"):
        if setting.key == "record_conference" and _is_on(setting):
            what = f"conferences of the profile [{setting.section}] are recorded"
            yield _found(Kind.CONFERENCE, setting, setting.key, what)


def mailboxes(etc: Path) -> Iterator[Recorder]:
    """Contexts with mailboxes, of which there may be thousands."""
    first: dict[str, Setting] = {}
    count: Counter[str] = Counter()
    for setting in read_settings(etc / "voicemail.conf"):
        if setting.section not in {"general", "zonemessages"} and setting.key.isdigit():
            first.setdefault(setting.section, setting)
            count[setting.section] += 1
    for section, setting in first.items():
        what = f"{count[section]} mailboxes in [{section}] keep what callers say"
        yield _found(Kind.VOICEMAIL, setting, "mailbox", what)


def managers(etc: Path) -> Iterator[Recorder]:
    """Users of the manager interface who could order a recording."""
    for setting in read_settings(etc / "manager.conf"):
        if setting.section == "general" or setting.key != "write":
            continue
        rights = {right.strip().lower() for right in setting.value.split(",")}
        if orders := sorted(rights & _ORDERS):
            what = f"the manager's user {setting.section} may order recordings (write = {', '.join(orders)})"
            yield _found(Kind.MANAGER, setting, ",".join(orders), what)


def rest_users(etc: Path) -> Iterator[Recorder]:
    """Users of the REST interface who could order a recording: all who may do more than read."""
    users: dict[str, list[Setting]] = {}
    for setting in read_settings(etc / "ari.conf"):
        users.setdefault(setting.section, []).append(setting)
    for name, settings in users.items():
        told = {setting.key: setting for setting in settings}
        user = told.get("type")
        if user is None or user.value.lower() != "user":
            continue
        if "read_only" not in told or not _is_on(told["read_only"]):
            what = f"the REST interface's user {name} may record any channel and any bridge"
            yield _found(Kind.REST, user, "read_only = no", what)


#: What is looked at, by the file that it stands in.
FILES: Mapping[str, Callable[[Path], Iterator[Recorder]]] = {
    "queues.conf": queues,
    "features.conf": keys,
    "pjsip.conf": buttons,
    "extensions.conf": dialplan,
    "confbridge.conf": conferences,
    "voicemail.conf": mailboxes,
    "manager.conf": managers,
    "ari.conf": rest_users,
}


def gates(etc: Path) -> Iterator[tuple[str, str]]:
    """Where the dialplan hands calls to callguard: the queue, and file and line."""
    for setting in _dialplan_lines(etc):
        if found := re.search(r"\bGosub\s*\(\s*callguard\s*,\s*consent\s*,\s*1\s*\(([^,)]*)", setting.value):
            yield found[1].strip(), setting.where


def can_read(path: Path) -> bool:
    """Whether this account may read the file."""
    try:
        with path.open("rb"):
            return True
    except OSError:
        return False


def _dialplan_lines(etc: Path) -> Iterator[Setting]:
    """The lines of the dialplan in whichever languages it is written."""
    yield from read_settings(etc / "extensions.conf")
    for name, comment in (("extensions.ael", "//"), ("extensions.lua", "--")):
        path = etc / name
        if not can_read(path):
            continue
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        for number, line in enumerate(lines, 1):
            words = line.partition(comment)[0]
            yield Setting(section=name, key="", value=words, where=f"{path}:{number}")


def _is_on(setting: Setting) -> bool:
    return setting.value.lower() in _YES


def _found(kind: Kind, setting: Setting, by: str, what: str) -> Recorder:
    return Recorder(kind=kind, name=setting.section, by=by, what=what, where=setting.where)
