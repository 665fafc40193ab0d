"""The PBX that all ways share, what it says, and the dialplan of each way."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callguard.config import load
from callguard.config.dialplan import shipped_dialplan
from callguard.consent.words import Prompt
from callguard.controller import Planner, Request
from callguard.lab import Lab
from callguard.lab.site import Site
from callguard.law import load_table
from callguard.prompts.library import Library

from .calling import caller
from .figures import BenchError

#: The number of the queue, its name, and what the law of the place asks for: an explicit yes.
QUEUE = "sales"
#: What is said, in a few words: the bench is about beginning and ending prompts, not about playing them.
TEXTS = {
    "announcement": "We record {purposes} {controller}",
    "question": "Press {yes_key}, or press {no_key}.",
}
SETTINGS: dict[str, Any] = {
    # One party's knowledge is enough in Texas: the queue's own choice asks, and no law adds to what is said.
    "site": {"name": "Us", "country": "US", "jurisdiction": "US-TX"},
    # The held callers of the memory figure wait for an answer that never comes.
    "dialogue": {"answer_seconds": "15", "thank": "no"},
    "queues": {QUEUE: {"purposes": ["tests"], "minimum_form": "explicit"}},
    "prompts": {"texts": {"en": TEXTS}, "purposes": {"tests": {"en": "tests", "fr": "tests"}}},
    "log": {"level": "info"},
    # The other ways leave what Asterisk wrote where it is, and so does this one; what sealing costs is a
    # figure of its own.
    "vault": {"enabled": "no"},
}
#: As `sample` configurations of Asterisk have it: a line for each step of each call is nobody's daily work.
LOGGER = "[general]\n[logfiles]\nmessages.log => notice,warning,error\n"
#: Seconds between the end of the announcement, which no key cuts short, and the key.
THINKING = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The laboratory as the bench uses it."""

    lab: Lab
    sites: dict[str, Site]  #: by transport
    announcement: Prompt
    question: Prompt

    @property
    def sip(self) -> int:
        """Where callers call."""
        return self.lab.pbx.ports.sip

    @property
    def spool(self) -> Path:
        """Where every way captures."""
        return self.sites["auto"].spool

    @property
    def press_after(self) -> float:
        """Seconds from the beginning of the announcement to the key."""
        return self.announcement.seconds + THINKING

    async def captured(self) -> int:
        """How many captures there are, and there are none afterwards."""
        return await asyncio.to_thread(_emptied, self.spool)


def _emptied(spool: Path) -> int:
    count = 0
    for path in spool.glob("*.sln"):
        count += path.name.endswith("-out.sln")
        path.unlink()
    return count


@contextlib.asynccontextmanager
async def house(agi: int, progress: Callable[[str], None]) -> AsyncIterator[House]:
    """A PBX with the dialplan of every way on it; no controller runs yet.

    Args:
        agi: the port at which the FastAGI peer will listen.
        progress: is told what is being waited for.
    """
    async with contextlib.AsyncExitStack() as stack:
        lab = await stack.enter_async_context(Lab(shipped_dialplan(), progress=progress))
        lab.pbx.write_file("logger.conf", LOGGER)
        await lab.pbx.cli("logger reload")
        first = Site(lab, settings=SETTINGS)
        sites = {"auto": first}
        stack.push_async_callback(first.close)
        ari = lab.ari_settings
        shared = {"prompts": {"directory": str(first.prompts)} | SETTINGS["prompts"]}
        over_http = {"url": ari.url, "username": ari.username, "password": ari.password, "transport": "http"}
        ami = lab.ami_settings
        sites["http"] = Site(
            lab,
            settings=SETTINGS
            | shared
            | {
                "spool": {"directory": str(first.spool), "minimum_free_mb": "1"},
                "asterisk": {
                    "ari": over_http,
                    "ami": {
                        "host": ami.host,
                        "port": str(ami.port),
                        "username": ami.username,
                        "password": ami.password,
                    },
                },
            },
        )
        stack.push_async_callback(sites["http"].close)
        progress("Building the prompts")
        await first.build_prompts()
        config = load(first.config)
        plan = Planner(config, load_table(), Library.open(first.prompts)).plan(
            Request(queue=QUEUE, caller=caller(1)), "bench"
        )
        announcement, question = plan.plan.announcement, plan.plan.question
        if announcement is None or question is None or plan.plan.thanks is not None:
            raise BenchError(f"callguard says more or less than an announcement and a question: {plan.plan}")
        found = House(lab=lab, sites=sites, announcement=announcement, question=question)
        await lab.pbx.load_dialplan(dialplan=first.dialplan(), numbers=dialplan(found, agi))
        yield found
        shutil.rmtree(found.spool, ignore_errors=True)


def dialplan(house: House, agi: int) -> str:
    """One number a way. All answer, announce, ask, take a key, begin to capture, wait and hang up."""
    announcement, question = (sound(prompt) for prompt in (house.announcement, house.question))
    files = f"r({house.spool}/${{UNIQUEID}}-in.sln)t({house.spool}/${{UNIQUEID}}-out.sln)"
    capture = f"MixMonitor(,{files}i(RECORDER))"
    yes = f'GotoIf($["${{KEY}}"!="1"]?over)\n same => n,{capture}\n same => n,Wait(1)'
    return f"""
[lab-numbers]
exten => dialplan,1,Answer(0,i)
 same => n,Playback({announcement})
 same => n,Read(KEY,{question},1,,1,15)
 same => n,{yes}
 same => n(over),Hangup()

exten => callguard,1,Answer(0,i)
 same => n,Gosub(callguard,consent,1({QUEUE}))
 same => n,GotoIf($["${{CALLGUARD_OUTCOME}}"!="granted"]?over)
 same => n,Wait(1)
 same => n(over),Hangup()

exten => fastagi,1,Answer(0,i)
 same => n,AGI(agi://127.0.0.1:{agi}/consent)
 same => n,{yes}
 same => n(over),Hangup()

exten => bare,1,Answer(0,i)
 same => n,Stasis(bare)
 same => n,{yes}
 same => n(over),Hangup()
"""


def sound(prompt: Prompt) -> str:
    """A prompt as the dialplan names its sounds."""
    return "&".join(medium.removeprefix("sound:") for medium in prompt.media)
