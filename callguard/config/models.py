"""What may stand in the configuration, as frozen typed models. ``config.example.yaml`` explains each key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from callguard.config.forms import (
    Code,
    Country,
    FilePath,
    Host,
    Key,
    Language,
    Misplaced,
    Name,
    Number,
    PbxPath,
    Phone,
    Seconds,
    Url,
    Words,
)
from callguard.config.outbound import Outbound
from callguard.config.parties import Parties
from callguard.config.pause import Pause
from callguard.config.pool import Pool
from callguard.config.section import Secret, Section
from callguard.config.speech import Speech
from callguard.config.tone import WarningTone
from callguard.config.web import Web


class Ari(Section):
    """How to reach Asterisk's REST interface."""

    url: Url = "http://127.0.0.1:8088/ari"
    app: Name = "callguard"
    username: Name = "callguard"
    password: Secret
    deadline: Seconds = 2.0
    transport: Literal["auto", "websocket", "http"] = "auto"


class Ami(Section):
    """How to reach Asterisk's manager interface."""

    host: Host = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 5038
    username: Name = "callguard"
    password: Secret


class Asterisk(Section):
    """The PBX."""

    ari: Ari
    ami: Ami


class Site(Section):
    """Who records, and where."""

    name: Annotated[str, Field(min_length=1, max_length=120)]
    country: Country
    jurisdiction: Code | None = None
    agents: Code | None = None
    staff_lines: tuple[Phone, ...] = ()
    agent_consents: tuple[Code, ...] = ()

    @property
    def recorder(self) -> str:
        """Where the recorder stands."""
        return self.jurisdiction or self.country


class Dialogue(Section):
    """How callers are asked. Times in seconds."""

    languages: tuple[Language, ...] = ("en",)
    yes_key: Key = "1"
    no_key: Key = "2"
    withdraw_key: Key = "*"
    attempts: Annotated[int, Field(ge=1, le=5)] = 2
    answer_seconds: Seconds = 6.0
    leave_seconds: Seconds = 1.5
    commit_seconds: Seconds = 2.0
    confirm_seconds: Seconds = 5.0
    keys_cut_question: bool = True
    thank: bool = True
    say_unrecorded: bool = True

    @model_validator(mode="after")
    def _keys_differ(self) -> Dialogue:
        if self.yes_key == self.no_key:
            raise Misplaced(
                f"yes_key and no_key are both {self.yes_key}; give them different keys", ("no_key",)
            )
        return self


class Approved(Section):
    """Something that counts only because a named person answers for it."""

    approved_by: Words
    reason: Words


class ApprovedException(Approved):
    """A case in which a law spares the question, or the announcement."""

    kind: Literal["debt", "fraud", "accuracy"]


class Queue(Section):
    """One queue whose calls may be recorded."""

    recorded: Name | None = None
    unrecorded: Name | None = None
    purposes: Annotated[tuple[Name, ...], Field(min_length=1)] = ("quality",)
    lawful_basis: (
        Literal[
            "consent",
            "contract",
            "legal_obligation",
            "vital_interests",
            "public_task",
            "legitimate_interests",
        ]
        | None
    ) = None
    on_refusal: Literal["unrecorded-queue", "same-queue", "alternatives"] = "unrecorded-queue"
    languages: tuple[Language, ...] | None = None
    minimum_form: Literal["none", "notice", "implied-by-continuing", "opt-out", "explicit"] = "none"
    retention_days: Annotated[int, Field(ge=1, le=36500)] = 90
    announced_by: Literal["callguard", "agent"] = "callguard"
    after_pause: Literal["stay-paused", "resume"] = "stay-paused"
    sample_percent: Annotated[float, Field(ge=0, le=100)] = 100.0
    every_call: Approved | None = None
    exception: ApprovedException | None = None
    duty: Approved | None = None
    alternatives: Name | None = None
    other_channel: Name | None = None
    agents: Code | None = None

    @model_validator(mode="after")
    def _refusers_have_somewhere_to_go(self) -> Queue:
        if self.on_refusal == "alternatives" and self.alternatives is None:
            raise Misplaced(
                "refusers would hear alternatives, but none are named; name a key of prompts.alternatives "
                "in 'alternatives'",
                ("on_refusal",),
            )
        return self


class Prompts(Section):
    """Where rendered announcements are kept, and the site's own wording."""

    directory: PbxPath = Path("/var/lib/callguard/prompts")
    wideband: bool = False
    texts: dict[Language, dict[str, str]] = Field(default_factory=dict)
    purposes: dict[Name, dict[Language, str]] = Field(default_factory=dict)
    alternatives: dict[Name, dict[Language, str]] = Field(default_factory=dict)
    voices: dict[Language, str] = Field(default_factory=dict)


class Spool(Section):
    """Where Asterisk writes what it captures, until it is sealed."""

    directory: PbxPath = Path("/dev/shm/callguard")  # noqa: S108 - memory, on purpose: plaintext speech never on a disk
    allow_persistent_disk: bool = False
    minimum_free_mb: Annotated[int, Field(ge=1)] = 64
    expected_calls: Annotated[int, Field(ge=1, le=10_000)] = 30


class VaultKey(Section):
    """What locks the keys of the recordings away."""

    file: FilePath | None = Path("/var/lib/callguard/keys/vault.key")
    command: tuple[str, ...] = ()
    age: tuple[str, ...] = ()
    age_identity: FilePath | None = None

    @model_validator(mode="before")
    @classmethod
    def _a_file_unless_something_else_locks(cls, given: Any) -> Any:
        if isinstance(given, dict) and "file" not in given and {"command", "age"} & set(given):
            return {**given, "file": None}
        return given


class Vault(Section):
    """Where recordings are sealed into."""

    enabled: bool = True
    directory: FilePath = Path("/var/lib/callguard/vault")
    keys: FilePath = Path("/var/lib/callguard/keys/recordings")
    key: VaultKey = VaultKey()
    former_keys: tuple[FilePath, ...] = ()
    look_back_seconds: Annotated[float, Field(ge=3, le=60)] = 10.0
    block_seconds: Annotated[float, Field(ge=1, le=60)] = 5.0
    spool_seconds: Annotated[float, Field(ge=30, le=3600)] = 120.0

    @model_validator(mode="after")
    def _something_locks(self) -> Vault:
        if self.key.file is None and not self.key.command and not self.key.age:
            raise Misplaced(
                "no key would lock recordings away; name a file, a command or age recipients in 'key'",
                ("key",),
            )
        return self

    @model_validator(mode="after")
    def _keys_lie_elsewhere(self) -> Vault:
        """Whoever takes the vault must not take what opens it along."""
        places = {("keys",): self.keys, ("key", "file"): self.key.file}
        for place, path in places.items():
            if path is not None and path.is_relative_to(self.directory):
                raise Misplaced(
                    f"lies within vault.directory ({self.directory}), so every copy of the recordings would "
                    "bring the key along; choose a place outside of it",
                    place,
                )
        return self


class Checkpoints(Section):
    """Where the ledger's signed checkpoints are published, besides the database."""

    every_seconds: Annotated[float, Field(ge=1, le=86400)] = 60.0
    every_entries: Annotated[int, Field(ge=1, le=10_000_000)] = 10_000
    to: tuple[Words, ...] = ()
    authorization: Secret | None = None


class WebhookEndpoint(Section):
    """Somebody who is told of what happens, by signed webhook."""

    url: Url
    secrets: Annotated[tuple[Secret, ...], Field(min_length=1)]
    events: Annotated[tuple[Words, ...], Field(min_length=1)] = ("*",)
    timeout_seconds: Seconds = 15.0
    give_up_after_days: Annotated[float, Field(gt=0, le=365)] = 3.0
    at_once: Annotated[int, Field(ge=1, le=64)] = 8


class Ledger(Section):
    """Where consent and capture are written down."""

    url: str = "sqlite:////var/lib/callguard/ledger.db"
    signing_key: FilePath | None = None
    deadline_seconds: Seconds = 2.0
    numbers: Literal["plain", "hashed", "encrypted"] = "plain"
    numbers_key: FilePath = Path("/var/lib/callguard/keys/numbers.key")
    checkpoints: Checkpoints = Checkpoints()
    endpoints: dict[Name, WebhookEndpoint] = Field(default_factory=dict)


class Bypass(Section):
    """Numbers that are never asked and never recorded."""

    numbers: tuple[Number, ...] = ("112", "911", "999", "000")


class Control(Section):
    """The door for ``callguard calls`` and ``callguard stop-all``."""

    socket: FilePath = Path("/run/callguard/control.sock")
    state: FilePath = Path("/var/lib/callguard/state")


class Log(Section):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "text"] = "text"


class Law(Section):
    """What this site changes in the table of jurisdictions."""

    overrides: dict[str, dict[str, Any]] = Field(default_factory=dict)
    files: tuple[FilePath, ...] = ()
    register_url: str = "sqlite:////var/lib/callguard/register.db"
    remember_answers_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    website: Words | None = None


class Policy(Section):
    """Who stands in the written policy. Nobody is invented: what is left out stays a blank to fill in."""

    owner: Words | None = None
    contact: Words | None = None
    officer: Words | None = None


class Config(Section):
    """The whole file."""

    site: Site
    asterisk: Asterisk
    queues: Annotated[dict[Name, Queue], Field(min_length=1)]
    dialogue: Dialogue = Dialogue()
    prompts: Prompts = Prompts()
    spool: Spool = Spool()
    pause: Pause = Pause()
    speech: Speech = Speech()
    parties: Parties = Parties()
    outbound: Outbound = Outbound()
    tone: WarningTone = WarningTone()
    vault: Vault = Vault()
    ledger: Ledger = Ledger()
    law: Law = Law()
    policy: Policy = Policy()
    bypass: Bypass = Bypass()
    control: Control = Control()
    pool: Pool = Pool()
    web: Web = Web()
    log: Log = Log()

    @property
    def app(self) -> str:
        """The Stasis application of this controller."""
        return self.app_of(self.pool.name) if self.pool.name else self.asterisk.ari.app

    @property
    def apps(self) -> tuple[str, ...]:
        """The applications that may take a call: one, or those of all controllers of the pool."""
        return tuple(self.app_of(name) for name in self.pool.members) or (self.app,)

    def app_of(self, member: str) -> str:
        """The Stasis application of one controller of the pool."""
        return f"{self.asterisk.ari.app}-{member}"

    def recorded_queue(self, name: str) -> str:
        """The Asterisk queue for those who agreed."""
        return self.queues[name].recorded or name

    def unrecorded_queue(self, name: str) -> str:
        """The Asterisk queue for everybody else; the dialplan uses the same rule when we are not there."""
        return self.queues[name].unrecorded or f"{name}-unrecorded"

    @model_validator(mode="after")
    def _alternatives_are_told(self) -> Config:
        for name, queue in self.queues.items():
            for key, told in (("alternatives", queue.alternatives), ("other_channel", queue.other_channel)):
                if told is not None and told not in self.prompts.alternatives:
                    raise Misplaced(
                        f"there is no '{told}' under prompts.alternatives; write there what refusers hear",
                        ("queues", name, key),
                    )
        return self

    def languages(self, name: str) -> tuple[str, ...]:
        """The languages a queue is served in, the usual one first."""
        return self.queues[name].languages or self.dialogue.languages
