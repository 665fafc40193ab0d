"""Looking into a running PBX from outside, as its own console would, without callguard."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from callguard.errors import LabError
from callguard.lab.instance import Instance


async def get(instance: Instance, path: str, **query: str) -> Any:
    """Ask an instance's ARI.

    Raises:
        LabError: it refused or did not answer.
    """
    settings = instance.ari
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{settings.url}{path}", params=query, headers=settings.headers) as answer,
        ):
            if answer.status >= 400:
                raise LabError(f"{path}: {answer.status} {await answer.text()}")
            return await answer.json()
    except aiohttp.ClientError as error:
        raise LabError(f"{path}: {error!r}") from error


async def channel_of(instance: Instance, caller: str) -> str:
    """The id of the channel of whoever calls from a number.

    Raises:
        LabError: nobody does.
    """
    for channel in await get(instance, "/channels"):
        if channel["caller"]["number"] == caller and "-agent" not in channel["name"]:
            return str(channel["id"])
    raise LabError(f"no channel of {caller} on the {instance.kind}")


async def leg_of(instance: Instance, number: str, name: str, timeout: float = 5.0) -> dict[str, Any]:
    """The channel of this name on one side of a call with this number, as soon as the instance says so.

    What ARI says of channels is a copy that follows the call: a phone that has answered may not be in it yet.

    Raises:
        LabError: there is none within so many seconds.
    """
    seen: set[str] = set()
    try:
        async with asyncio.timeout(timeout):
            while True:
                for each in await get(instance, "/channels"):
                    parties = (each["caller"]["number"], each["connected"]["number"])
                    if number in parties and each["name"].startswith(name):
                        return dict(each)
                    seen.add(f"{each['name']} ({' with '.join(parties)})")
                await asyncio.sleep(0.05)
    except TimeoutError:
        told = ", ".join(sorted(seen)) or "none at all"
        raise LabError(f"no channel {name} of {number} on the {instance.kind}; there were {told}") from None


async def variable(instance: Instance, channel: str, name: str) -> str:
    """A channel's variable; empty when it is not set."""
    try:
        return str((await get(instance, f"/channels/{channel}/variable", variable=name))["value"])
    except LabError as error:
        if "variable was not found" in str(error).lower():
            return ""
        raise
