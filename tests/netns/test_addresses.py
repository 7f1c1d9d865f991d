"""Guests with real clients get their addresses from their host's agent, and from no one else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from sdnctl.desired import LocalPort, SubnetOptions
from sdnctl.types import Ip, Prefix
from tests.netns.harness import Guest
from tests.netns.world import Cloud, Place, Tenant

pytestmark = pytest.mark.netns

MakeCloud = Callable[[int], Awaitable[Cloud]]

A, B = Place(0, 0, 1), Place(0, 0, 2)

REPORT = """#!/bin/sh
[ "$1" = deconfig ] && exit 0
{ echo "event=$1"; env; } > "$REPORT"
case $1 in bound|renew)
  ip addr flush dev eth0 scope global
  ip addr add "$ip/$mask" dev eth0
  [ -z "$router" ] || ip route add default via "${router%% *}"
esac
exit 0
"""


def subnet_4(tenant: Tenant, network: int = 0, **more: object) -> SubnetOptions:
    fields: dict[str, object] = {
        "gateway": Ip.parse(f"10.0.{network}.254"),
        "dhcp": True,
        "dns_servers": (Ip.parse("192.0.2.53"), Ip.parse("192.0.2.54")),
    }
    vni = tenant.evi(network).vni
    prefix = Prefix.parse(f"10.0.{network}.0/24")
    return SubnetOptions(vni, f"four{network}", prefix, **fields | more)  # type: ignore[arg-type]


def bare(guest: Guest) -> Guest:
    """A guest that knows nothing yet."""
    guest.run("ip", "addr", "flush", "dev", "eth0", "scope", "global")
    guest.run("ip", "route", "flush", "table", "main", check=False)
    return guest


def udhcpc(guest: Guest, folder: Path, *options: str) -> dict[str, str]:
    """Run Debian's udhcpc once; what it tells its script."""
    script, report = folder / "script", folder / "report"
    script.write_text(REPORT)
    script.chmod(0o755)
    report.unlink(missing_ok=True)
    guest.run(
        *("env", f"REPORT={report}", "udhcpc", "-i", "eth0", "-n", "-q", "-f"),
        *("-t", "5", "-T", "1", "-s", str(script), *options),
        check=False,
    )
    if not report.exists():
        return {}
    return dict(line.split("=", 1) for line in report.read_text().splitlines() if "=" in line)


def addresses(guest: Guest, version: int) -> set[str]:
    """The addresses of a scope that others can reach."""
    (link,) = json.loads(guest.run("ip", "-j", f"-{version}", "addr", "show", "dev", "eth0"))
    return {a["local"] for a in link["addr_info"] if a["scope"] == "global"}


async def test_a_client_gets_its_address_and_all_that_goes_with_it(
    cloud: MakeCloud, tmp_path: Path
) -> None:
    made = await cloud(1)
    tenant = made.tenant(A, B)
    other = made.tenant(A)
    await made.program()
    agent = made.agents[0]
    route = (Prefix.parse("198.51.100.0/24"), Ip.parse("10.0.0.77"))
    port: LocalPort = msgspec.structs.replace(tenant.port(A), host_name="web1", mtu=1372)
    subnet = subnet_4(tenant, routes=(route,), domain="tenant.example.", lease_time=1200)
    assert not await agent.put(port, subnet, subnet_4(other, dhcp=False))
    await agent.settle()
    told = await asyncio.to_thread(udhcpc, bare(made.guests[0, A]), tmp_path, "-O", "mtu")
    assert told["event"] == "bound"
    assert told["ip"] == "10.0.0.1"
    assert told["mask"] == "24"
    assert told["router"] == "10.0.0.254"
    assert told["dns"] == "192.0.2.53 192.0.2.54"
    assert told["hostname"] == "web1"
    assert told["domain"] == "tenant.example"
    assert told["lease"] == "1200"
    assert told["mtu"] == "1372"
    assert told["serverid"] == "10.0.0.254"
    assert told["staticroutes"] == "198.51.100.0/24 10.0.0.77 0.0.0.0/0 10.0.0.254"
    assert await asyncio.to_thread(made.guests[0, A].ping, "10.0.0.2") == 3
    # Where DHCP is off nobody answers.
    told = await asyncio.to_thread(udhcpc, bare(made.guests[1, A]), tmp_path, "-t", "2")
    assert told["event"] == "leasefail"
    assert await agent.reconciler.audit() == []
