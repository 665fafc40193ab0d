"""Every flag that an entry of the table can carry, and what callguard does about it.

A flag without an answer here cannot be loaded; a flag that says ``ENFORCED`` must change something that
:mod:`callguard.law.demands` or :mod:`callguard.law.purposes` gives to the controller (a test turns each
one on alone and looks). What is only told to people says ``ADVISORY``.
"""

from __future__ import annotations

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
LOOSENING = frozenset({Flag.BEEP_ALTERNATIVE, Flag.LAYERED_NOTICE, Flag.STAYS_INSIDE})
