"""What every section of the configuration is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr

from callguard.config.secrets import secret

#: Text for a password: as it is, ``env:NAME`` or ``file:/path``.
Secret = Annotated[SecretStr, BeforeValidator(secret)]


class Section(BaseModel):
    """A part of the file: nothing unknown in it, nothing changed after reading."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False, validate_default=True
    )
