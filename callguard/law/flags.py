"""Every flag that an entry of the table can carry, and what callguard does about it.

A flag without an answer here cannot be loaded. One that says ``DEMANDED`` or ``JUDGED`` must change what
:mod:`callguard.law.demands` or :mod:`callguard.law.purposes` gives to the controller: a test turns each one
on alone and looks. What is only told to people says ``ADVISORY``, so that nobody takes it for done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Flag(StrEnum):
    """The conditions a law can add to its rule and form."""

    ANNOUNCE_BEFORE_RECORDING = "announce_before_recording"
    ANNOUNCE_AT_OUTSET = "announce_at_outset"
    ANNOUNCEMENT_IN_RECORDING = "announcement_must_be_in_recording"
    BEEP_ALTERNATIVE = "beep_alternative"
    STOP_ON_OBJECTION = "stop_on_objection"
    OFFER_UNRECORDED = "offer_unrecorded_alternative"
    EQUAL_SERVICE = "equal_service_on_refusal"
    NO_PENALTY = "refusal_without_penalty"
    STATE_PURPOSE = "state_purpose"
    STATE_CONTROLLER = "state_controller"
    STATE_RETENTION = "state_retention"
    TRUE_PURPOSE = "true_purpose_only"
    CONSENT_PER_PURPOSE = "consent_per_purpose"
    CONTENT_PRESCRIBED = "announcement_content_prescribed"
    SAY_IS_RECORDED = "say_is_recorded_not_may_be"
    WEBSITE_INSUFFICIENT = "website_notice_insufficient"
    LAYERED_NOTICE = "layered_notice"
    ACTIVE_OPT_IN = "active_opt_in"
    CONSENT_BEFORE_CAPTURE = "consent_before_capture"
    WITHDRAWABLE = "withdrawable_as_easily"
    WITHDRAWAL_STOPS = "withdrawal_stops_recording"
    TRAINING_CONSENT = "training_requires_consent"
    EVIDENCE_ONLY = "business_evidence_only"
    PURPOSE_BOUND = "purpose_bound_exception"
    DESTROY_WITHIN = "destroy_within_days"
    NO_BLANKET = "no_blanket_recording"
    START_LATE = "start_late_for_contract_proof"
    PAUSE_FOR_PAYMENT = "pause_for_payment"
    STAFF_LINE = "staff_unrecorded_line"
    AGENT_CONSENT = "agent_consent_needed"
    STAFF_POLICY = "staff_policy_required"
    LAWFUL_BASIS = "lawful_basis_required"
    RIGHT_TO_OBJECT = "right_to_object"
    ACCESS_COPY = "access_copy_on_request"
    FREE_COPY = "free_copy"
    DPIA = "dpia_suggested"
    MANDATORY_SECTORS = "recording_mandatory_some_sectors"
    REACHES_OUTSIDE = "reaches_out_of_state_recorder"
    STAYS_INSIDE = "does_not_reach_out_of_state_recorder"
    AGENT_LOCATION = "agent_location_matters"
    BOTH_DIRECTIONS = "applies_inbound_and_outbound"
    BIND_CONTRACTORS = "bind_contractors"
    VOICEPRINT_CONSENT = "voiceprint_consent"
    VOICEPRINT_SEPARATE = "voiceprint_separate"
    SYSTEMATIC_NOTICE = "systematic_notice_procedure"
    REASONABLE_EFFORTS = "reasonable_efforts_to_inform"
    CONFIDENTIAL_DEFAULT = "confidentiality_by_default"
    FRENCH_FIRST = "french_first"
    LANGUAGE_CHOICE = "language_choice_required"
    PUBLISH_PURPOSE = "publish_purpose"
    NO_ADS_WAITING = "no_ads_without_consent_while_waiting"
    NO_DATA_BEFORE_AGENT = "no_data_before_agent"
    STATE_LAW_STRICTER = "state_law_may_be_stricter"


#: Flags that allow something. Setting one of these is what makes an entry milder, dropping it does not.
LOOSENING = frozenset({Flag.BEEP_ALTERNATIVE, Flag.LAYERED_NOTICE, Flag.STAYS_INSIDE, Flag.MANDATORY_SECTORS})


class Handling(StrEnum):
    """Who sees to a flag."""

    ALWAYS = "always"  #: callguard does it on every call, flag or no flag
    DEMANDED = "demanded"  #: changes what is said, asked or kept on the call
    JUDGED = "judged"  #: changes what the queue may record for, or whether it may record
    TABLED = "tabled"  #: changes which entry applies, already when the table is read
    ADVISORY = "advisory"  #: told to people; nothing is done for them

    @property
    def enforced(self) -> bool:
        """Whether callguard does something, rather than telling somebody to."""
        return self is not Handling.ADVISORY


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What callguard does about a flag."""

    means: str  #: what the law wants
    handling: Handling
    does: str  #: what callguard does


def _answer(handling: Handling, means: str, does: str) -> Answer:
    return Answer(means=means, handling=handling, does=does)


_A, _D, _J, _T, _N = Handling

ANSWERS: Mapping[Flag, Answer] = {
    Flag.ANNOUNCE_BEFORE_RECORDING: _answer(
        _D,
        "keeping begins only once the announcement is over",
        "asks for an announcement; capture starts after it was heard to its end and the entry is durable",
    ),
    Flag.ANNOUNCE_AT_OUTSET: _answer(
        _D,
        "the announcement stands at the beginning of the call",
        "asks for an announcement; it is the first thing a caller hears, before any queue",
    ),
    Flag.ANNOUNCEMENT_IN_RECORDING: _answer(
        _D,
        "the announcement is part of the recording",
        "puts the exact audio that was heard at the head of the recording, and the answer into its index",
    ),
    Flag.BEEP_ALTERNATIVE: _answer(
        _D,
        "a repeated tone may stand in for the announcement",
        "announces in words all the same; a tone alone is never taken for an announcement",
    ),
    Flag.STOP_ON_OBJECTION: _answer(
        _D,
        "recording ends when anyone objects",
        "tells the key that objects; it works from the first second and holds for the whole call",
    ),
    Flag.OFFER_UNRECORDED: _answer(
        _D,
        "somebody who objects is shown another way",
        "accepts only a queue that serves refusers unrecorded or has other ways to tell them of",
    ),
    Flag.EQUAL_SERVICE: _answer(
        _D,
        "refusing makes the service no worse",
        "says so before the question, and never ends the call of somebody who refused",
    ),
    Flag.NO_PENALTY: _answer(
        _D,
        "refusing has no consequences",
        "says so before the question, and never ends the call of somebody who refused",
    ),
    Flag.STATE_PURPOSE: _answer(
        _D, "the purpose is stated", "names the queue's purposes in the announcement"
    ),
    Flag.STATE_CONTROLLER: _answer(_D, "whoever records is named", "names the business in the announcement"),
    Flag.STATE_RETENTION: _answer(
        _D, "the time of keeping is stated", "says how long the recording is kept; no figure, no recording"
    ),
    Flag.TRUE_PURPOSE: _answer(
        _A,
        "the stated purposes are the real ones",
        "announces exactly the purposes that the recording is tagged with; there is no second list",
    ),
    Flag.CONSENT_PER_PURPOSE: _answer(
        _J,
        "each purpose has a consent of its own",
        "announces and records for the queue's first purpose only",
    ),
    Flag.CONTENT_PRESCRIBED: _answer(
        _D, "the law lists what is said", "says who records, what for and for how long"
    ),
    Flag.SAY_IS_RECORDED: _answer(
        _A, "the wording is definite", "builds no announcement that says may, might, could or sometimes"
    ),
    Flag.WEBSITE_INSUFFICIENT: _answer(
        _A,
        "a notice on a web site is too little",
        "speaks on every call; a written notice is never a substitute",
    ),
    Flag.LAYERED_NOTICE: _answer(
        _D,
        "a short spoken notice may point to a page",
        "names the web site in the announcement where the queue has one",
    ),
    Flag.ACTIVE_OPT_IN: _answer(
        _D, "silence is not consent", "asks, and records only after a yes, whatever the form of the entry"
    ),
    Flag.CONSENT_BEFORE_CAPTURE: _answer(
        _D,
        "nothing is buffered before the answer",
        "asks, and starts no capture before the answer is durable",
    ),
    Flag.WITHDRAWABLE: _answer(
        _D,
        "consent is as easily taken back as given",
        "tells the key that takes it back, right after the yes",
    ),
    Flag.WITHDRAWAL_STOPS: _answer(
        _A,
        "recording stops at once when consent is withdrawn",
        "stops capture on the key that was told, and keeps it stopped for the rest of the call",
    ),
    Flag.TRAINING_CONSENT: _answer(
        _J,
        "training and quality need consent",
        "asks for a yes where one of the purposes is training or quality",
    ),
    Flag.EVIDENCE_ONLY: _answer(
        _J,
        "recordings serve as evidence of business only",
        "drops every other purpose, unless the basis is consent and a yes is asked for",
    ),
    Flag.PURPOSE_BOUND: _answer(
        _J,
        "an exception is lost when the recording is used for anything else",
        "accepts an exception only for a queue with a single purpose",
    ),
    Flag.DESTROY_WITHIN: _answer(
        _D,
        "recordings are destroyed within so many days",
        "announces, and tags the recording with, a last day no later than the entry's figure",
    ),
    Flag.NO_BLANKET: _answer(
        _J,
        "not every call is recorded by default",
        "does not record for a queue that takes all calls unless somebody approved that, with a reason",
    ),
    Flag.START_LATE: _answer(
        _J,
        "proof of a contract is recorded from the moment that the talk turns to it",
        "drops the purpose proof-of-contract from calls that are recorded from the beginning",
    ),
    Flag.PAUSE_FOR_PAYMENT: _answer(
        _N,
        "recording pauses while card data are spoken",
        "gives agents and programs a proven pause, and pauses by itself when a number is keyed; that one is "
        "spoken it cannot know",
    ),
    Flag.STAFF_LINE: _answer(
        _J,
        "staff have a phone that is not recorded",
        "records nothing at such a site until one is named in the configuration",
    ),
    Flag.AGENT_CONSENT: _answer(
        _D, "the agent has agreed as well", "records only agents whose consent the configuration holds"
    ),
    Flag.STAFF_POLICY: _answer(_N, "staff are told of the policy", "nothing: tell them"),
    Flag.LAWFUL_BASIS: _answer(
        _J,
        "one of the listed lawful bases is named",
        "takes consent, and asks for a yes, where the queue names none; refuses a basis that is not listed",
    ),
    Flag.RIGHT_TO_OBJECT: _answer(
        _D, "the person can object", "tells the key that objects where no question is asked"
    ),
    Flag.ACCESS_COPY: _answer(
        _N, "the person gets a copy on request", "nothing by itself: the entry tells how many days there are"
    ),
    Flag.FREE_COPY: _answer(_N, "the copy is free of charge", "nothing: charge nothing"),
    Flag.DPIA: _answer(_N, "the impact is assessed first", "nothing: assess it"),
    Flag.MANDATORY_SECTORS: _answer(
        _J,
        "some sectors must record",
        "lets a queue claim a duty: it tells, does not ask, and serves nobody unrecorded who refuses",
    ),
    Flag.REACHES_OUTSIDE: _answer(
        _A,
        "applies even if the recorder stands elsewhere",
        "applies the law of every party, wherever the recorder is",
    ),
    Flag.STAYS_INSIDE: _answer(
        _A, "courts keep it to recorders inside", "applies it all the same: the strictest of all parties"
    ),
    Flag.AGENT_LOCATION: _answer(
        _A, "where agent and recorder are brings it in", "counts the sites of agent and recorder as parties"
    ),
    Flag.BOTH_DIRECTIONS: _answer(
        _A, "the same for calls in and out", "captures no call that did not pass the gate, whoever dialled"
    ),
    Flag.BIND_CONTRACTORS: _answer(
        _A, "whoever answers on the business's behalf is bound", "gates the queue, whoever staffs it"
    ),
    Flag.VOICEPRINT_CONSENT: _answer(
        _A, "a voiceprint needs its own consent", "makes no voiceprints and refuses the purpose"
    ),
    Flag.VOICEPRINT_SEPARATE: _answer(
        _A, "a voiceprint is a purpose of its own", "makes no voiceprints and refuses the purpose"
    ),
    Flag.SYSTEMATIC_NOTICE: _answer(
        _A,
        "there is a system in the telling",
        "announces on every gated call and keeps each one in the ledger",
    ),
    Flag.REASONABLE_EFFORTS: _answer(
        _A,
        "whatever can reasonably be done to inform people is done",
        "announces to the caller, to its end, before capture; the business tells its own staff",
    ),
    Flag.CONFIDENTIAL_DEFAULT: _answer(
        _A,
        "the strictest setting is the default",
        "leaves remembered answers, exceptions and duties off by default",
    ),
    Flag.FRENCH_FIRST: _answer(
        _D,
        "French comes before other languages",
        "announces in French first; no French prompts, no recording",
    ),
    Flag.LANGUAGE_CHOICE: _answer(
        _D, "the listed languages are offered", "announces in two of them where the queue has both"
    ),
    Flag.PUBLISH_PURPOSE: _answer(
        _D, "the purpose is published", "names the queue's purposes in the announcement"
    ),
    Flag.NO_ADS_WAITING: _answer(
        _N, "no advertising in the queue without consent", "nothing: choose the queue's music accordingly"
    ),
    Flag.NO_DATA_BEFORE_AGENT: _answer(
        _N,
        "no data are demanded before an agent can be reached",
        "asks for nothing but yes or no; what else the dialplan asks is the site's",
    ),
    Flag.STATE_LAW_STRICTER: _answer(
        _T, "a state's law may ask more", "holds somebody of unknown state to the strictest of the states"
    ),
}


def markdown() -> str:
    """Every flag with what callguard does about it, as the table of the README."""
    rows = ["| flag | what the law wants | what callguard does | |", "|---|---|---|---|"]
    for flag, answer in sorted(ANSWERS.items()):
        kind = "enforced" if answer.handling.enforced else "advisory only"
        rows.append(f"| `{flag}` | {answer.means} | {answer.does} | {kind} |")
    return "\n".join(rows) + "\n"
