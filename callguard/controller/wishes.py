"""What is asked of the desk in JSON: read strictly, carried out, and the state afterwards told.

REST and the control socket share it, so that the same words mean the same at both.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from callguard.controller.desk import (
    By,
    Desk,
    DeskError,
    NoSuchCall,
    NotAllowedNow,
    NotConfirmed,
    NotPlaced,
    NotRecorded,
    NotUnique,
    Placed,
    Standing,
    Target,
)
from callguard.errors import CallguardError
from callguard.ledger.payments import holds_card_number

M = TypeVar("M", bound=BaseModel)


class Verb(StrEnum):
    """What may be asked."""

    PAUSE = "pause"
    RESUME = "resume"
    EXTEND = "extend"
    WITHDRAW = "withdraw"
    CASE = "case"
    PAYMENT = "payment"


#: The page and the word at the control socket by which a call is placed.
CALL = "call"


class Unreadable(CallguardError):  # noqa: N818 - the name says what is the matter
    """What was sent is not one JSON object."""


class Unfit(CallguardError):  # noqa: N818 - the name says what is the matter
    """What was sent is JSON, but not what can be asked. ``wrong``: the fields (or "") and what is wrong."""

    def __init__(self, wrong: tuple[tuple[str, str], ...]) -> None:
        super().__init__("; ".join(f"{field}: {words}" if field else words for field, words in wrong))
        self.wrong = wrong


#: The name of each thing that the desk may say, for programs.
KINDS: dict[type[DeskError], str] = {
    NoSuchCall: "no-such-call",
    NotUnique: "not-unique",
    NotRecorded: "not-recorded",
    NotAllowedNow: "not-allowed-now",
    NotConfirmed: "not-confirmed",
    NotPlaced: "not-placed",
}


def kind_of(error: DeskError) -> str:
    """The name of what the desk said."""
    return next((name for kind, name in KINDS.items() if isinstance(error, kind)), "not-possible")


def _on_one_line(text: str) -> str:
    plain = "".join(" " if unicodedata.category(c) == "Zs" else c for c in text)
    if not plain.isprintable():
        raise ValueError("holds line breaks or control characters; leave them out")
    if not plain.strip():
        raise ValueError("is blank; write something")
    return plain


def _no_card(text: str) -> str:
    if holds_card_number(text):
        raise ValueError(
            "looks like a card number and is not kept; send the number of the order or of the invoice"
        )
    return text


Named = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_on_one_line)]
Reason = Annotated[
    str, Field(min_length=1, max_length=300), AfterValidator(_on_one_line), AfterValidator(_no_card)
]
Reference = Annotated[
    str, Field(min_length=1, max_length=100), AfterValidator(_on_one_line), AfterValidator(_no_card)
]


#: The name of a telephone, and what can be dialled: nothing that means something to the dialplan.
ENDPOINT = r"[A-Za-z0-9_.+-]+"
NUMBER = r"\+?[0-9*#]+"


def _endpoint(text: str) -> str:
    if re.fullmatch(ENDPOINT, text, re.ASCII) is None:
        raise ValueError("may hold only letters, digits, '_', '.', '+' and '-'")
    return text


def _dialable(text: str) -> str:
    if re.fullmatch(NUMBER, text, re.ASCII) is None:
        raise ValueError("may hold only digits, '*', '#', and a '+' before them; leave out blanks and dashes")
    return text


class CallWish(BaseModel):
    """Call an agent, and connect them with a customer, who is told and asked first."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    extension: Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_endpoint)] = Field(
        description="The agent's telephone, as its endpoint in Asterisk is named.",
        json_schema_extra={"pattern": f"^{ENDPOINT}$"},
    )
    number: Annotated[str, Field(min_length=2, max_length=32), AfterValidator(_dialable)] = Field(
        description="The customer's number, as your trunk takes it.",
        json_schema_extra={"pattern": f"^{NUMBER}$"},
    )
    queue: Named = Field(description="The queue of the configuration whose rules apply.")

    async def carry_out(self, desk: Desk, by: str) -> Placed:
        """Have the agent's telephone ring."""
        return await desk.place(agent=self.extension, number=self.number, queue=self.queue, by=by)


class Wish(BaseModel):
    """Something that is asked about one live call, which is named in exactly one way."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    call: Named | None = Field(None, description="The call's id in the ledger.")
    channel: Named | None = Field(
        None, description="Asterisk's unique id, or the name, of the customer's or an agent's channel."
    )
    extension: Named | None = Field(
        None, description="A telephone on the call, as its endpoint in Asterisk is named."
    )
    case: Named | None = Field(None, description="The case in the CRM that the call belongs to.")

    @model_validator(mode="after")
    def _names_one_call(self) -> Wish:
        if sum(getattr(self, by.value) is not None for by in By) != 1:
            raise ValueError("name the call in exactly one way: call, channel, extension or case")
        return self

    @property
    def target(self) -> Target:
        """The call that is meant."""
        by = next(by for by in By if getattr(self, by.value) is not None)
        return Target(by=by, value=getattr(self, by.value))

    async def carry_out(self, desk: Desk, target: Target, by: str) -> Standing:
        """Have the desk do it; returns when the recorder did."""
        raise NotImplementedError


class PauseWish(Wish):
    """Pause the recording; a paused one stays as it is."""

    seconds: Annotated[float, Field(ge=1, le=1800)] | None = Field(
        None, description="When the queue's choice applies, instead of the configured time."
    )
    drop_last: Annotated[float, Field(ge=0, le=50)] = Field(
        0.0, description="Seconds before the pause that are erased as well."
    )

    async def carry_out(self, desk: Desk, target: Target, by: str) -> Standing:
        """Pause."""
        return await desk.pause(target, by=by, seconds=self.seconds, drop_last=self.drop_last)


class ResumeWish(Wish):
    """Go on recording after a pause."""

    async def carry_out(self, desk: Desk, target: Target, by: str) -> Standing:
        """Go on."""
        return await desk.resume(target, by=by)


class ExtendWish(Wish):
    """Make a running pause longer, once."""

    reason: Reason = Field(description="Why; it stands in the ledger.")

    async def carry_out(self, desk: Desk, target: Target, by: str) -> Standing:
        """Extend."""
        return await desk.extend(target, by=by, reason=self.reason)


class WithdrawWish(Wish):
    """The customer no longer wants to be recorded: stop for good."""

    shred: bool = Field(default=False, description="Destroy what was recorded of this call as well.")

    async def carry_out(self, desk: Desk, target: Target, by: str) -> Standing:
        """Stop."""
        return await desk.withdraw(target, by=by, shred=self.shred)


class CaseWish(Wish):
    """Assign the call to a case of the CRM, by which it can be named from then on."""

    assign: Named = Field(description="The case that the call belongs to from now on.")

    async def carry_out(self, desk: Desk, target: Target, by: str) -> Standing:
        """Assign."""
        return await desk.assign(target, by=by, case=self.assign)


class PaymentWish(Wish):
    """Tell that a payment was taken on the call; one without a pause is reported."""

    reference: Reference = Field(
        description="Of the order or the transaction. What looks like a card number is refused."
    )

    async def carry_out(self, desk: Desk, target: Target, by: str) -> Standing:
        """Tell."""
        return await desk.paid(target, by=by, reference=self.reference)


WISHES: Mapping[Verb, type[Wish]] = {
    Verb.PAUSE: PauseWish,
    Verb.RESUME: ResumeWish,
    Verb.EXTEND: ExtendWish,
    Verb.WITHDRAW: WithdrawWish,
    Verb.CASE: CaseWish,
    Verb.PAYMENT: PaymentWish,
}


def read(verb: Verb, body: bytes) -> Wish:
    """Read what was sent.

    Raises:
        Unreadable: it is not one JSON object in UTF-8 with each field once.
        Unfit: the object does not say what this verb needs. No value is repeated in the words.
    """
    return _fitting(WISHES[verb], verb.value, body)


def read_call(body: bytes) -> CallWish:
    """Read whom somebody wants to call; raises as `read` does."""
    return _fitting(CallWish, CALL, body)


def _fitting(kind: type[M], name: str, body: bytes) -> M:
    try:
        found = json.loads(body.decode("utf-8"), object_pairs_hook=_each_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        told = str(error) if isinstance(error, _Ambiguous) else "is not JSON in UTF-8"
        raise Unreadable(f"the body {told}; send one JSON object") from None
    if not isinstance(found, dict):
        raise Unreadable('the body is not a JSON object; send one, such as {"extension": "211"}')
    try:
        return kind.model_validate(found)
    except ValidationError as error:
        raise Unfit(
            tuple(_explained(kind, name, problem) for problem in error.errors(include_input=False))
        ) from None


class _Ambiguous(ValueError):  # noqa: N818 - the name says what is the matter
    """JSON that two readers may understand differently."""


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Ambiguous("has a field twice")
    return found


def _no_constant(_: str) -> Any:
    raise _Ambiguous("holds NaN or Infinity, which JSON does not know")


def _explained(kind: type[BaseModel], name: str, problem: Any) -> tuple[str, str]:
    """The field and what is wrong with it; a field that we do not know is not repeated, nor any value."""
    if problem["type"] == "extra_forbidden":
        known = ", ".join(kind.model_fields)
        return "", f"there is a field that {name} does not know; leave it out (known: {known})"
    words = str(problem["msg"]).removeprefix("Value error, ")
    words = re.sub(r"^(Input|String) should", "must", words).replace("Field required", "is missing; add it")
    return ".".join(str(part) for part in problem["loc"][:1]), words


def told(standing: Standing) -> dict[str, Any]:
    """A call as its recorder says, for programs."""
    return {
        "call": standing.call,
        "channel": standing.channel,
        "caller": standing.caller,
        "queue": standing.queue,
        "agents": list(standing.agents),
        "case": standing.case,
        "state": standing.lamp.value,
        "seconds_left": None if standing.seconds_left is None else round(standing.seconds_left, 1),
        "extended": standing.extended,
        "erased_seconds": round(standing.erased_seconds, 2),
    }


def told_placed(placed: Placed) -> dict[str, Any]:
    """A call that was placed, for programs."""
    return {
        "channel": placed.channel,
        "extension": placed.agent,
        "number": placed.number,
        "queue": placed.queue,
        "state": "ringing",
    }
