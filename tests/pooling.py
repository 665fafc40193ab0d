"""Several controllers beside one laboratory PBX, out of one ledger, one spool and one vault."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from yarl import URL

from callguard.config.dialplan import shipped_dialplan
from callguard.lab import Lab
from callguard.lab.line import Line
from callguard.lab.site import Site

#: Seconds that a controller of a test may say nothing.
LEASE = 3.0


@dataclass
class PoolHouse:
    """A laboratory with several controllers in it; ``site``, the first, has ledger, spool and vault."""

    lab: Lab
    sites: dict[str, Site] = field(default_factory=dict)
    lines: dict[str, list[Line]] = field(default_factory=dict)  #: to ARI and to AMI, where they are to fail

    @property
    def site(self) -> Site:
        return next(iter(self.sites.values()))

    async def where(self, caller: str) -> str:
        """Which running controller has a call from this number; empty: none."""
        for name, site in self.sites.items():
            with contextlib.suppress(Exception):
                if any(each["caller"] == caller for each in await site.calls()):
                    return name
        return ""


def shared(first: Site) -> dict[str, Any]:
    """The settings by which another controller works with what the first one has."""
    return {
        "ledger": {"url": f"sqlite:///{first.directory}/ledger.db"},
        "law": {"register_url": f"sqlite:///{first.directory}/register.db"},
        "spool": {"directory": str(first.spool)},
        "prompts": {"directory": str(first.prompts)},
        "vault": first.vault_settings(),
    }


@contextlib.asynccontextmanager
async def pool_house(
    settings: Mapping[str, Any],
    names: Iterable[str] = ("a", "b"),
    *,
    lease: float = LEASE,
    lines: bool = False,
    **lab: Any,
) -> AsyncIterator[PoolHouse]:
    """A laboratory whose controllers run; with ``lines``, over lines of their own that a test can break."""
    members = list(names)
    async with Lab(shipped_dialplan(), **lab) as laboratory, contextlib.AsyncExitStack() as stack:
        house = PoolHouse(laboratory)
        common: dict[str, Any] = {}
        for name in members:
            pool = {"name": name, "members": members, "lease_seconds": str(lease)}
            own = {section: dict(values) for section, values in settings.items()}
            for section, values in common.items():
                own[section] = values | own.get(section, {})
            ari, ami = laboratory.ari_settings, laboratory.ami_settings
            house.lines[name] = [Line(URL(ari.url).port or 0), Line(ami.port)] if lines else []
            for line in house.lines[name]:
                await line.open()
                stack.push_async_callback(line.close)
            ways: dict[str, Any] = {}
            if lines:
                to_ari, to_ami = (line.port for line in house.lines[name])
                ways = {"ari_url": str(URL(ari.url).with_port(to_ari)), "ami_port": to_ami}
            site = Site(laboratory, settings=own | {"pool": pool}, **ways)
            stack.push_async_callback(site.close)
            if not house.sites:
                common = shared(site)
            state = str(next(iter(house.sites.values()), site).directory / "state")
            site.configure("control", {"socket": str(site.directory / "control.sock"), "state": state})
            house.sites[name] = site
        await laboratory.pbx.load_dialplan(dialplan=house.site.dialplan())
        await house.site.build_prompts()
        for site in house.sites.values():
            await site.start()
        yield house
