"""What an entry says, in a sentence that needs no training: for `show`, and for the evidence page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from callguard.ledger.entry import Stored
from callguard.ledger.kinds import Kind

Content = Mapping[str, Any]

_OUTCOMES = {
    "granted": "agreed to be recorded",
    "notified": "was told of the recording to the end; no answer was needed",
    "implied": "was told of the recording to the end, could have left or objected, and stayed",
    "not-required": "did not have to be told or asked",
    "prior-consent": "had agreed before, as the register says",
    "legal-duty": "was told; recording is a legal duty here",
    "refused": "refused to be recorded",
    "withdrawn": "took back the consent",
    "no-input": "was asked and did not answer",
    "invalid-input": "was asked and pressed only keys that mean nothing",
    "low-confidence-speech": "said something that was not clear enough to count",
    "prompt-cut-short": "did not hear the announcement to its end",
    "hung-up": "hung up during the announcement or the question",
    "exempt": "called a number that is never asked and never recorded",
    "agent-asks": "was to be asked by the agent, and was not recorded until then",
    "not-sampled": "was told, but this call was not among those that are recorded",
    "switched-off": "was not recorded, because all recording was switched off",
    "system-fault": "was not recorded, because something failed",
}


def sentence(kind: str, content: Content) -> str:
    """One sentence about an entry; numbers as ``content`` shows them."""
    write = _SENTENCES.get(kind)
    if write is None:
        return kind.replace(".", ": ").replace("_", " ")
    return write(content)


def decisions(entries: list[Stored]) -> list[Stored]:
    """The decisions about recording, oldest first."""
    return [entry for entry in entries if entry.kind == Kind.CONSENT]


def outcome_words(outcome: str) -> str:
    """What an outcome means, to follow a name or "the caller"."""
    return _OUTCOMES.get(outcome, outcome)


def _consent(body: Content) -> str:
    answer = body.get("answer", {})
    how = {
        "key": f" by pressing {answer.get('value')}",
        "button": " by a button",
        "speech": " by speech",
        "agent": " to the agent, who confirmed it by key",
    }.get(str(answer.get("form")), "")
    places = ", ".join(body.get("jurisdictions", ()))
    return (
        f"The {body['party']} {outcome_words(body['outcome'])}{how}. Asked as {body['form']} "
        f"under the rule {body['rule']}{f' (of {places})' if places else ''}, table {body['table']}."
    )


def _ruled(body: Content) -> str:
    places = ", ".join(f"{p.get('role')} {p.get('jurisdiction')}" for p in body.get("parties", ()))
    basis = f" on the basis {body['basis']}" if body.get("basis") else ""
    verdict = "may record" if body.get("allowed", True) else "may not record"
    return f"By the law of {places or 'nobody known'} the queue {verdict} as {body['form']}{basis}."


def _said(what: str) -> Callable[[Content], str]:
    def write(body: Content) -> str:
        heard = f"{body['heard_ms'] / 1000:.1f} of {body['length_ms'] / 1000:.1f} seconds"
        end = "to its end" if body["completely"] else f"but not to its end ({heard})"
        return f"The {body['party']} heard the {what} {body['prompt']!r} in {body['language']} {end}."

    return write


def _answer(body: Content) -> str:
    given = f" {body['value']!r}" if body.get("value") else ""
    return f"The {body['party']} answered: {body['form']}{given}."


def _capture(what: str) -> Callable[[Content], str]:
    def write(body: Content) -> str:
        at = f" at sample {body['offset']}" if body.get("offset") is not None else ""
        to = f" up to sample {body['until']}" if body.get("until") is not None else ""
        by = f", by {body['by']}" if body.get("by") else ""
        why = f" ({body['reason']})" if body.get("reason") else ""
        shred = "; what was captured is to be destroyed" if body.get("shred") else ""
        return f"{what}{at}{to}{by}{why}{shred}."

    return write


def _party(what: str) -> Callable[[Content], str]:
    def write(body: Content) -> str:
        phone = f" ({body['phone']})" if body.get("phone") else ""
        return f"The {body['party']}{phone} {what} the call."

    return write


def _violation(body: Content) -> str:
    stopped = body.get("stopped_ms")
    end = "it was not stopped" if stopped is None else f"it was stopped after {stopped} ms"
    return f"Another recorder, {body['recorder']}, was found on the call; {end}."


def _because(body: Content) -> str:
    text = body.get("reason") or body.get("detail") or ""
    return f": {text}" if text else ""


_SENTENCES: dict[str, Callable[[Content], str]] = {
    Kind.CALL_ARRIVED: lambda b: (
        f"A call from {b['caller']} to {b['called']} arrived for queue {b['queue'] or '-'}."
    ),
    Kind.CALL_RULED: _ruled,
    Kind.ANNOUNCEMENT_PLAYED: _said("announcement"),
    Kind.QUESTION_ASKED: _said("question"),
    Kind.ANSWER: _answer,
    Kind.CONSENT: _consent,
    Kind.ROUTED: lambda b: f"The call was led to queue {b['queue']} as {b['outcome']}.",
    Kind.CAPTURE_ORDERED: _capture("Recording was ordered"),
    Kind.CAPTURE_STARTED: _capture("Recording began"),
    Kind.CAPTURE_PAUSED: _capture("A pause was ordered"),
    Kind.CAPTURE_CONFIRMED: _capture("The pause was confirmed by the recorder"),
    Kind.CAPTURE_VERIFIED: _capture("The pause was verified: the samples are zero"),
    Kind.CAPTURE_EXTENDED: _capture("The pause was made longer"),
    Kind.CAPTURE_RESUMED: _capture("Recording went on"),
    Kind.CAPTURE_STOPPED: _capture("Recording ended"),
    Kind.CAPTURE_ERASED: _capture("What had been captured was erased"),
    Kind.CAPTURE_FAILED: _capture("Recording failed"),
    Kind.HOLD_SET: lambda b: f"A reason not to record came up: {b['hold']}.",
    Kind.HOLD_LIFTED: lambda b: f"A reason not to record went away: {b['hold']}.",
    Kind.PARTY_JOINED: _party("joined"),
    Kind.PARTY_LEFT: _party("left"),
    Kind.CALL_TAKEN_UP: lambda b: f"Another controller went on with the call: {b['before']} was gone.",
    Kind.CALL_PLACED: lambda b: f"{b['by']} had {b['phone']} called, to be connected with {b['called']}.",
    Kind.CALL_CASE: lambda b: f"The call was assigned to case {b['case']} by {b['by']}.",
    Kind.PAYMENT: lambda b: (
        f"{b['by']} told of a payment, {b['reference']}, "
        f"{'in a pause' if b['paused'] else 'and the recording was not paused for it'}."
    ),
    Kind.VIOLATION: _violation,
    Kind.RESCUED: lambda b: f"The caller was led out of the dialogue after a fault{_because(b)}.",
    Kind.FAULT: lambda b: f"A fault in {b['where']}{_because(b)}.",
    Kind.CALL_ENDED: lambda b: f"The call ended; {b['captured_ms'] / 1000:.1f} seconds were captured.",
    Kind.ACCESS: lambda b: f"{b['who']} ({b['role']}) did {b['what']} for {b['purpose']}.",
    Kind.EXPORT: lambda b: f"{b['who']} ({b['role']}) took out {b['what']} for {b['purpose']}.",
    Kind.RETENTION: lambda b: f"Recording {b['recording']}: {b['action']} by {b['by']}{_because(b)}.",
    Kind.CONFIG_CHANGED: lambda b: f"The configuration became {b['version']} ({b['sha256'][:12]}).",
    Kind.TABLE_CHANGED: lambda b: f"The table of jurisdictions became {b['version']} ({b['sha256'][:12]}).",
    Kind.REGISTER_CHANGED: lambda b: (
        f"The register of consents: {b['action']} by {b['by']}, {b['count']} consents."
    ),
    Kind.CONTROLLER_STARTED: lambda b: f"Controller {b['version']} started on {b['host'] or '-'}.",
    Kind.CONTROLLER_STOPPED: lambda b: (
        f"Controller {b['version']} stopped on {b['host'] or '-'}{_because(b)}."
    ),
    Kind.RECORDING_OFF: lambda b: f"{b['by']} stopped all recording{_because(b)}.",
    Kind.RECORDING_ON: lambda b: f"{b['by']} allowed recording again{_because(b)}.",
    Kind.KEY_CHANGED: lambda _: "From here on another key signs the ledger.",
    Kind.RECOVERED: lambda b: f"The {b['late']} entries before this were written late: the ledger was away.",
}
