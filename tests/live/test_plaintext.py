"""Speech in the clear is in memory only: what Asterisk and callguard write, and what a stolen vault tells."""

import asyncio
import json
import shutil
from pathlib import Path

from callguard.vault import KeyFile
from tests.sealed import sealing_house, talking, typed
from tests.tracing import Speech, evenness, leaks, patterns, traced


async def test_no_sample_is_written_outside_of_memory_and_a_stolen_vault_tells_nothing(tmp_path):
    async with sealing_house() as house:
        site = house.site
        async with traced(house.lab.pbx.pid, site.pid) as traces:
            async with talking(house) as talk:
                # Longer than what stays back: some of it is sealed while they talk, some at the end.
                await asyncio.sleep(6)
                await talk.over()
            await site.recording(talk.call)
        [trace] = traces
        speech = Speech.of(site.opened(), talk.call)
        # The trace saw everything that the recording holds, and speech in it is recognised.
        assert speech.seen_in(trace.inside(site.spool)) > 0.99
        assert leaks(trace, speech, Path("/nowhere"))
        assert leaks(trace, speech, site.spool) == {}
        assert trace.blind == ()
        sealed = [one for one in trace.outside(site.spool) if one.path.startswith(str(site.vault))]
        assert len(sealed) > 5

        await stolen(house, talk.call, speech, tmp_path)


async def stolen(house, call, speech, place):
    """A copy of the vault, first alone, then with the locked keys of its recordings as well."""
    copy, keys = place / "vault", place / "keys/recordings"
    shutil.copytree(house.site.vault, copy)
    assert patterns(copy, speech) == {}
    assert evenness(copy) < 1.5
    settings = json.loads(house.site.config.read_text())
    settings["vault"] |= {"directory": str(copy), "keys": str(keys), "key": {"file": str(place / "my.key")}}
    thief = place / "config.yaml"
    thief.touch(mode=0o600)
    thief.write_text(json.dumps(settings))
    KeyFile.create(place / "my.key")
    for more in ("nothing else", "the locked keys"):
        if more == "the locked keys":
            shutil.copytree(house.site.key.parent / "recordings", keys)
        words = ("vault", "export", call, "-o", str(place / "out.wav"), "--purpose", "curiosity")
        result = await typed(thief, *words)
        assert result.exit_code != 0 and not (place / "out.wav").exists()
        result = await typed(thief, "vault", "verify", "--json")
        assert json.loads(result.stdout)["ok"] is False
        assert patterns(place, speech) == {}
