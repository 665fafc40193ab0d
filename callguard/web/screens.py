"""What a desk telephone shows of an answer, in the form that its maker understands.

Texts are short and in ASCII, because the smallest displays have two lines and few character sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from xml.sax.saxutils import escape

from callguard.controller.desk import Lamp, Standing

#: How long a telephone shows an answer, in seconds, where it can be told.
SHOWN_SECONDS = 8


class Form(StrEnum):
    """How an answer is written."""

    TEXT = "text"  #: plain text; browsers, and telephones that show nothing
    YEALINK = "yealink"  #: YealinkIPPhoneTextScreen (XML Browser Developer's Guide)
    SNOM = "snom"  #: SnomIPPhoneText (XML minibrowser)
    CISCO = "cisco"  #: CiscoIPPhoneText (IP Phone Services Application Development Notes)
    POLYCOM = "polycom"  #: XHTML (Web Application Developer's Guide)


@dataclass(frozen=True, slots=True)
class Screen:
    """What is to be shown; ``bad`` news also sounds where the telephone can do that."""

    text: str
    bad: bool = False


#: What is said of a call that cannot be helped, by the kind of problem.
TROUBLE: Mapping[str, str] = {
    "no-such-call": "There is no call on this phone.",
    "not-unique": "There are several calls on this phone. Use the feature code.",
    "not-recorded": "This call is not recorded.",
    "not-allowed-now": "That cannot be done now.",
    "not-possible": "That cannot be done.",
    "not-confirmed": "FAULT: the recorder did not obey. The recording was ended.",
    "no-answer": "FAULT: no answer yet. Ask for the state.",
    "unavailable": "FAULT: the recorder cannot be asked.",
    "not-yours": "This key is not right for this phone.",
    "too-often": "Too many wrong keys. Wait a minute.",
    "unreadable": "This address is not right.",
    "broken": "FAULT: look into the log of callguard.",
}


def form_of(asked: str, headers: Mapping[str, str]) -> Form:
    """The form that a telephone understands: as asked for, or by what it says of itself."""
    if asked in set(Form):
        return Form(asked)
    if "x-CiscoIPPhoneModelName" in headers or "x-ciscoipphone" in headers.get("Accept", "").lower():
        return Form.CISCO
    agent = headers.get("User-Agent", "").lower()
    for word, form in (
        ("yealink", Form.YEALINK),
        ("snom", Form.SNOM),
        ("cisco", Form.CISCO),
        ("polycom", Form.POLYCOM),
        ("poly/", Form.POLYCOM),
    ):
        if word in agent:
            return form
    return Form.TEXT


def screen_of(standing: Standing) -> Screen:
    """What the recorder says."""
    match standing.lamp:
        case Lamp.RECORDING:
            return Screen("Recording is on.")
        case Lamp.PAUSED:
            parts = ["Recording is PAUSED."]
            if standing.seconds_left is not None:
                parts.append(f"{max(0, round(standing.seconds_left))} s left.")
            if standing.erased_seconds > 0:
                parts.append(f"{standing.erased_seconds:.0f} s before it are erased.")
            return Screen(" ".join(parts))
        case Lamp.OFF:
            return Screen(TROUBLE["not-recorded"])
        case Lamp.FAULT:
            return Screen("FAULT: the recording was ended.", bad=True)


def trouble(kind: str) -> Screen:
    """What is said of a problem."""
    return Screen(TROUBLE.get(kind, TROUBLE["not-possible"]), bad=True)


def written(screen: Screen, form: Form) -> tuple[str, str]:
    """The body, and its media type."""
    text = escape(screen.text)
    match form:
        case Form.TEXT:
            return f"{screen.text}\n", "text/plain"
        case Form.YEALINK:
            beep = "yes" if screen.bad else "no"
            body = (
                f'<YealinkIPPhoneTextScreen Beep="{beep}" Timeout="{SHOWN_SECONDS}">'
                f"<Title>Recording</Title><Text>{text}</Text></YealinkIPPhoneTextScreen>"
            )
        case Form.SNOM:
            body = f"<SnomIPPhoneText><Title>Recording</Title><Text>{text}</Text></SnomIPPhoneText>"
        case Form.CISCO:
            # Some models show only one of title and prompt, so nothing is said in a prompt.
            body = f"<CiscoIPPhoneText><Title>Recording</Title><Text>{text}</Text></CiscoIPPhoneText>"
        case Form.POLYCOM:
            head = "<head><title>Recording</title></head>"
            html = f'<html xmlns="http://www.w3.org/1999/xhtml">{head}<body><p>{text}</p></body></html>'
            return f'<?xml version="1.0" encoding="UTF-8"?>\n{html}\n', "application/xhtml+xml"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n', "text/xml"
