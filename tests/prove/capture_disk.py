"""What of recorded calls ever reaches a disk, what a stolen vault tells, and a disk that becomes full."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from hashlib import sha256
from pathlib import Path

from callguard.lab.counting import AGENT, CALLER
from callguard.lab.keeping import vault_at
from callguard.vault import KeyFile
from tests.prove.figures import at_least, at_most, exactly
from tests.sealed import SETTINGS, STRETCH, missing, sealing_house, stretch, talking, typed
from tests.tracing import Speech, evenness, leaks, patterns, traced

#: Illinois: taking consent back destroys what was recorded.
ILLINOIS = "+13125550171"
TALK_SECONDS = 8.0
#: How large the vault's disk is that becomes full (a second of speech of both takes about 17 kB).
SMALL = 400 << 10


async def figures(tell):
    """All of it."""
    return [*await traced_calls(tell), *await control(tell), *await full_disk(tell)]


async def traced_calls(tell):
    """Calls of every kind under strace: plain, paused, withdrawn, through a crash, ended during one."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        async with sealing_house(progress=tell) as house:
            site, pbx = house.site, house.lab.pbx
            before = place / "before"
            tell("Calls under strace: plain, paused, withdrawn, and through a crash of the controller")
            async with contextlib.AsyncExitStack() as stack:
                asterisk = await stack.enter_async_context(traced(pbx.pid))
                async with traced(site.pid) as first:
                    talks = await asyncio.gather(
                        *(stack.enter_async_context(talking(house)) for _ in range(4)),
                        stack.enter_async_context(talking(house, caller=ILLINOIS)),
                    )
                    plain, paused, crashed, alone, withdrawn = talks
                    await asyncio.sleep(TALK_SECONDS)
                    await site.command("pause", "--call", paused.call, "--drop-last", "2")
                    await asyncio.sleep(2)
                    await site.command("resume", "--call", paused.call)
                    keep(site, before)
                    await withdrawn.caller.press("*")
                    retention = await site.until_entry("retention", withdrawn.call)
                    await plain.over()
                    await site.recording(plain.call)
                    tell("The controller is killed while they talk")
                    await site.kill()
                await alone.caller.hang_up()
                await site.start()
                async with traced(site.pid) as second:
                    await asyncio.sleep(TALK_SECONDS)
                    for talk in (paused, crashed, withdrawn):
                        await talk.over()
                    for talk in (paused, crashed, alone):
                        await site.recording(talk.call)
            kept = [talk.call for talk in (plain, paused, crashed, alone)]
            tell("Looking for speech in everything that was written")
            speech = Speech.of(site.opened(), *kept)
            gone = Speech.of(
                vault_at(before / "vault", before / "recordings", before / "key"), withdrawn.call
            )
            traces = [*asterisk, *first, *second]
            found = written(traces, speech, gone, site.spool)
            found += stolen(site, place / "stolen", speech, kept)
            found += await destroyed(site, before, withdrawn.call, retention, place)
            # Traced, Asterisk is too slow to reckon well where a pause begins: another proof has that.
            others = [call for call in kept if call != paused.call]
            audited = await typed(site.config, "audit", *others, withdrawn.call, "--json")
            wrong = {name: told for name, told in json.loads(audited.stdout)["recordings"].items() if told}
            for name, told in wrong.items():
                tell(f"[red]{name}: {'; '.join(told)}[/red]")
            found.append(exactly("nightly audit: recordings that are not as the ledger says", len(wrong), 0))
            return found


def keep(site, place):
    """A copy of the vault, of the locked keys, and of the key that opens them."""
    shutil.copytree(site.vault, place / "vault")
    shutil.copytree(site.key.parent / "recordings", place / "recordings")
    shutil.copy(site.key, place / "key")


def written(traces, speech, gone, memory):
    """What was found in everything that Asterisk and callguard wrote."""
    inside = [one for trace in traces for one in trace.inside(memory)]
    outside = [one for trace in traces for one in trace.outside(memory)]
    files = {one.path for one in outside if one.is_file}
    found = sum(sum(leaks(trace, each, memory).values()) for trace in traces for each in (speech, gone))
    return [
        at_least("speech of the recordings that the trace saw on its way", speech.seen_in(inside), 0.99, ""),
        at_least("speech destroyed later that the trace saw on its way", gone.seen_in(inside), 0.99, ""),
        at_least(
            "written outside of memory meanwhile", sum(len(one.data) for one in outside) / 1024, 1, "KiB"
        ),
        at_least("files that were written outside of memory", len(files), 1, "files"),
        exactly("pieces of speech (2 ms) or of a recording's key outside of memory", found, 0, "pieces"),
        exactly(
            "ways to write that strace cannot look into", sum(len(trace.blind) for trace in traces), 0, ""
        ),
    ]


def stolen(site, place, speech, kept):
    """Somebody has the vault, and then the locked keys too, but not the key of the site."""
    place.mkdir()
    shutil.copytree(site.vault, place / "vault")
    theirs = KeyFile.create(place / "their.key") and place / "their.key"
    (place / "recordings").mkdir()
    alone = opened(vault_at(place / "vault", place / "recordings", theirs), kept)
    shutil.copytree(site.key.parent / "recordings", place / "recordings", dirs_exist_ok=True)
    locked = opened(vault_at(place / "vault", place / "recordings", theirs), kept)
    return [
        exactly("stolen vault: recordings that open", alone, 0, f"of {len(kept)}"),
        exactly("stolen vault and locked keys: recordings that open", locked, 0, f"of {len(kept)}"),
        exactly("stolen vault: patterns of speech or FLAC", sum(patterns(place, speech).values()), 0, ""),
        at_most("stolen vault: chi-square of its bytes, over degrees of freedom", evenness(place), 1.5, ""),
    ]


def opened(vault, calls):
    """How many of these recordings anything can be heard of."""
    count = 0
    for name in (name for call in calls for name in vault.of_call(call)):
        with contextlib.suppress(Exception):
            count += any(True for _ in vault.open(name).pcm())
    return count


async def destroyed(site, before, call, retention, place):
    """What is left of a recording that was withdrawn, and what the ledger proves of that."""
    [directory] = site.vault.glob(f"??/{call}-*")
    left = [path for path in directory.iterdir() if path.name != "certificate.json"]
    left += (site.key.parent / "recordings").rglob(f"{call}-*")
    certificate = (directory / "certificate.json").read_bytes()
    # Somebody kept the blocks; the site's own key and its locked keys of today do not open them.
    kept = opened(vault_at(before / "vault", site.key.parent / "recordings", site.key), [call])
    proof, public = place / "proof.json", next(site.directory.glob("ledger*.pub"))
    await typed(site.config, "ledger", "prove", str(retention["n"]), "-o", str(proof))
    process = await asyncio.create_subprocess_exec(
        *(*site.callguard, "ledger", "verify-proof", str(proof), "--public-key", str(public), "--json"),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    [proven] = json.loads(out)["proofs"]
    holds = proven["ok"] and sha256(certificate).hexdigest() in json.dumps(proven)
    return [
        exactly("withdrawn: files left but the certificate", len(left), 0, "files"),
        exactly("withdrawn: recordings that open from blocks that somebody kept", kept, 0, "of 1"),
        exactly("withdrawn: certificates that the ledger proves offline", int(holds), 1, "of 1"),
    ]


async def control(tell):
    """The same eyes on a site that keeps speech in the clear on a disk: they have to see it."""
    tell("The same on a site that is told to keep speech in the clear on a disk")
    with tempfile.TemporaryDirectory(dir=Path.home()) as directory:
        spool = {"directory": directory, "allow_persistent_disk": "yes"}
        async with sealing_house({**SETTINGS, "spool": spool}) as house:
            async with traced(house.lab.pbx.pid, house.site.pid) as traces, talking(house) as talk:
                await asyncio.sleep(3)
                await talk.over()
                await house.site.recording(talk.call)
            speech = Speech.of(house.site.opened(), talk.call)
            found = sum(leaks(traces[0], speech, house.site.spool).values())
    return [at_least("control: pieces of speech found where it is kept on a disk", found, 1000, "pieces")]


async def full_disk(tell):
    """The vault's disk is full in the middle of a call: the call goes on, and nothing captured is lost."""
    if os.geteuid() != 0:
        tell("A full disk is not tried: only root can mount a small one")
        return []
    tell("The vault's disk becomes full while somebody talks")
    vault = {"look_back_seconds": "3", "block_seconds": "1", "spool_seconds": "30"}
    async with contextlib.AsyncExitStack() as stack:
        house = await stack.enter_async_context(sealing_house({**SETTINGS, "vault": vault}))
        site = house.site
        mount(site.vault, SMALL)
        stack.callback(subprocess.run, ["umount", "-l", str(site.vault)], check=False)
        async with talking(house) as talk:
            await site.until_entry("capture.stopped", talk.call, timeout=120)
            most = max(path.stat().st_blocks * 512 for path in site.spool.glob(f"{talk.call}-*.sln"))
            await asyncio.sleep(2)
            up = talk.caller.is_up and talk.agent.is_up
            mount(site.vault, SMALL * 20, "remount")
            await talk.over()
        caller, agent, rate = await site.recording(talk.call)
        at_agent, _ = await talk.agent.heard()
        at_caller, ear = await talk.caller.heard()
        faults = {entry["body"]["where"] for entry in site.entries(talk.call) if entry["kind"] == "fault"}
        lost = [missing(CALLER, caller, at_agent), missing(AGENT, agent, at_caller)]
        on = up and len(AGENT.read(at_caller[-2 * ear :]).numbers) > 50
    return [
        exactly("full disk: the call goes on, and both hear each other", int(on), 1, ""),
        at_least("full disk: kinds of alerts in the ledger", len(faults), 1, ""),
        at_most(
            "full disk: most memory of one direction (30 s may wait)", most / 1024, 36 * 16000 / 1024, "KiB"
        ),
        at_most(
            "full disk: longest stretch missing of what was captured, once there was room",
            max(map(stretch, lost)),
            STRETCH,
            "s",
        ),
        at_least("full disk: captured until it was stopped", len(caller) / rate, 30, "s"),
    ]


def mount(place, size, *more):
    """A disk of that size."""
    option = ",".join((*more, f"size={size}", "mode=0750"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", option, "tmpfs", str(place)], check=True)
