"""Looking into a running PBX from outside, as its own console would, without callguard."""

from __future__ import annotations

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


async def variable(instance: Instance, channel: str, name: str) -> str:
    """A channel's variable; empty when it is not set."""
    try:
        return str((await get(instance, f"/channels/{channel}/variable", variable=name))["value"])
    except LabError as error:
        if "variable was not found" in str(error).lower():
            return ""
        raise
