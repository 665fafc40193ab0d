"""Counsel corrects one state's law: check, compare, reload; calls go on; a broken file is refused."""

import asyncio
import json

from callguard.config.dialplan import shipped_dialplan
from callguard.lab import Lab
from callguard.lab.site import Site

HOUSTON = "+17135550188"
STRICTER = "overrides:\n  US-TX:\n    form: explicit\n"
MILDER = "overrides:\n  US-TX:\n    rule: one-party\n    form: none\n"
BROKEN = "overrides:\n  US-TX:\n    form: notise\n"


async def outcome_of(house, caller, *, waits_for, agent):
    phone = await house.lab.world.call("100", caller_id=caller)
    await phone.answered()
    await house.site.until(caller, *waits_for)
    if "asking" in waits_for:
        await phone.press("2")
    await house.lab.world.agent(agent).next_call(30, number=caller)
    await phone.hang_up()
    entry = await house.site.until_entry("consent", house.site.call_of(caller))
    return entry["body"]["outcome"], entry["body"]["form"]


async def test_a_lawyer_changes_one_state_without_touching_code(tmp_path):
    overrides = tmp_path / "overrides.yaml"
    overrides.write_text("overrides: {}\n")
    settings = {
        "site": {"jurisdiction": "US-TX"},
        "queues": {"sales": {"purposes": ["quality"]}},
        "law": {"files": [str(overrides)]},
    }
    async with Lab(shipped_dialplan()) as lab:
        site = Site(lab, settings=settings)
        house = type("House", (), {"lab": lab, "site": site})
        await lab.pbx.load_dialplan(dialplan=site.dialplan())
        async with site:
            told = await outcome_of(house, HOUSTON, waits_for=("announcing",), agent="sales-agent")
            assert told == ("notified", "notice")

            # Stricter: no approval is owed.
            overrides.write_text(STRICTER)
            status, out = await law(site, "check", overrides)
            assert (status, json.loads(out)["ok"]) == (0, True)
            _, out = await law(site, "diff", overrides)
            assert [(each["code"], each["after"]) for each in json.loads(out)] == [("US-TX", "explicit")]
            under_way = await lab.world.call("100", caller_id="+17135550189")
            await under_way.answered()
            await site.until("+17135550189", "announcing")
            await site.reload()
            await lab.world.agent("sales-agent").next_call(30, number="+17135550189")
            asked = await outcome_of(house, HOUSTON, waits_for=("asking",), agent="open-agent")
            assert asked == ("refused", "explicit")

            # Milder: somebody has to answer for it, so it is refused and the stricter law stays.
            overrides.write_text(MILDER)
            status, out = await law(site, "check", overrides)
            assert (status, json.loads(out)["ok"]) == (1, False)
            assert "approved_by" in await site.reload(taken_over=False)
            # Broken: refused with the line.
            overrides.write_text(BROKEN)
            assert f"{overrides}:3" in await site.reload(taken_over=False)
            asked = await outcome_of(house, HOUSTON, waits_for=("asking",), agent="open-agent")
            assert asked == ("refused", "explicit")

            # With a name under it, it is taken over, and the ledger says whose.
            overrides.write_text(MILDER + "    approved_by: Counsel\n    reason: tested here\n")
            await site.reload()
            async with asyncio.timeout(5):
                while not answered_for(site):
                    await asyncio.sleep(0.05)
            assert all("tested here" in each["detail"] for each in answered_for(site))


def answered_for(site):
    changes = [each["body"] for each in site.entries() if each["kind"] == "table.changed"]
    return [each for each in changes if each.get("by") == "Counsel"]


async def law(site, what, overrides):
    process = await asyncio.create_subprocess_exec(
        *(*site.callguard, "law", what, "--override", str(overrides), "--json"),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()
