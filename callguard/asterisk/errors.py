"""What can go wrong between callguard and Asterisk, split by what to do about it.

    AsteriskError
    ├── AriTimeout, AmiTimeout   no answer in time; what was asked may or may not have been done
    ├── AriRefused, AmiRefused   the answer is no; nothing was done
    │   └── AriLogin, AmiLogin   credentials, rights or modules are wrong; an administrator must act
    ├── AriLost, AmiLost         the connection is gone; what was asked may or may not have been done
    └── AriUnreadable            something arrived that is not ARI

Nothing in this room sends a request a second time; whether to ask again is for the call to decide.
"""

# The names say what happened; the suffix Error would say nothing more.
# ruff: noqa: N818

from __future__ import annotations

from callguard.errors import AsteriskError


class AriTimeout(AsteriskError, TimeoutError):
    """Asterisk did not answer a request before its deadline."""

    def __init__(self, method: str, path: str, deadline: float) -> None:
        super().__init__(
            f"Asterisk did not answer {method} {path} within {deadline:g} s; it may still carry it out. "
            "Look for a blocked disk, a stuck channel or an overloaded PBX."
        )
        self.method = method
        self.path = path
        self.deadline = deadline


class AriRefused(AsteriskError):
    """Asterisk answered a request with an error status; nothing was done."""

    def __init__(self, status: int, method: str, path: str, message: str) -> None:
        super().__init__(f"Asterisk refused {method} {path}: {status} {message or '(no reason given)'}")
        self.status = status
        self.method = method
        self.path = path
        self.message = message


class AriLogin(AriRefused):
    """ARI does not let this user in, or is not there at all; trying again soon will not help."""


class AriLost(AsteriskError, ConnectionError):
    """There is no connection to ARI (any more)."""


class AriUnreadable(AsteriskError):
    """Asterisk sent something that is not JSON, or JSON that is not ARI."""


class AmiTimeout(AsteriskError, TimeoutError):
    """Asterisk did not answer an action before its deadline."""

    def __init__(self, action: str, deadline: float) -> None:
        super().__init__(
            f"Asterisk did not answer the AMI action {action} within {deadline:g} s; it may still do it."
        )
        self.action = action
        self.deadline = deadline


class AmiRefused(AsteriskError):
    """Asterisk answered an action with an error, or the action was not fit to be sent."""

    def __init__(self, message: str, action: str = "") -> None:
        super().__init__(f"AMI action {action} refused: {message}" if action else message)
        self.message = message
        self.action = action


class AmiLogin(AmiRefused):
    """AMI does not let this user in; trying again soon will not help."""


class AmiLost(AsteriskError, ConnectionError):
    """There is no connection to AMI (any more)."""
