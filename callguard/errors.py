"""One tree of errors, split by who has to act.

    CallguardError
    ├── ConfigError      the administrator: a setting is wrong (file, line, key, what would be right)
    ├── LawError         whoever keeps the table of jurisdictions
    ├── PromptError      the administrator: a prompt is missing, unplayable or badly levelled
    ├── AsteriskError    the PBX: unreachable, refused, too slow, or it said something unexpected
    ├── RecordingError   the PBX host: spool full, on the wrong file system, capture not confirmed
    ├── LedgerError      whoever keeps the database: nothing may be captured until it is mended
    └── LabError         whoever runs the demo or the tests: the lab could not be built or started

On the call path every one of them ends in an unrecorded call that goes on, never in a lost one.
"""

from __future__ import annotations


class CallguardError(Exception):
    """Superclass of all errors of callguard; never raised itself."""


class ConfigError(CallguardError):
    """A setting is missing, unknown or wrong."""


class LawError(CallguardError):
    """The table of jurisdictions, or what a site changed in it, is inconsistent."""


class PromptError(CallguardError):
    """A prompt is missing, cannot be rendered or would not be heard."""


class AsteriskError(CallguardError):
    """Asterisk could not be asked, refused, or did not answer in time."""


class RecordingError(CallguardError):
    """A recording could not be started, confirmed or stopped."""


class LedgerError(CallguardError):
    """An entry could not be made durable, or the ledger is not what it was."""


class LabError(CallguardError):
    """The laboratory Asterisk could not be built, started or called."""
