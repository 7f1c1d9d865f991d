"""How long VPN routes take from the controller to a router's table, and from a peer to us.

``python -m tests.bench.bgp [ROUTES]``, as root. ROUTES prefixes of 100 VRFs on 100 hypervisors,
each with a label of its own, in one call of ``SpeakerLink.update``:

- to FRR, until FRR counts them all;
- to a second speaker, until its own link has learned them all.

The last line is a JSON object.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path as FilePath

from sdnctl.bgp.link import SpeakerLink, speaker_command
from sdnctl.bgp.peer import Peer
from sdnctl.delta import Change
from sdnctl.routes import IpPrefixRoute, Nlri, Path
from sdnctl.types import Encapsulation, Ip, Label, Prefix, RouteDistinguisher, RouteTarget
from tests.interop.routers import Frr, Lab
from tests.waiting import until

LIMIT_SECONDS = 120.0


def routes(count: int) -> list[tuple[Nlri, Path]]:
    """``count`` host routes."""
    made: list[tuple[Nlri, Path]] = []
    for n in range(count):
        vrf, host = n * 100 // count, n // 10 % 100
        path = Path(
            next_hop=Ip.from_number((10 << 24) + (100 << 16) + host + 1, 4),
            route_targets=(RouteTarget.of(64512, 1000 + vrf),),
            encapsulations=(Encapsulation.MPLS_GRE,),
            label=Label(16 + n),
        )
        rd = RouteDistinguisher.of(path.next_hop, vrf)
        made.append((IpPrefixRoute(rd, Prefix(Ip.from_number((11 << 24) + n, 4), 32)), path))
    return made


def usage(pid: int) -> tuple[float, float]:
    """CPU seconds and resident MiB of a process."""
    fields = FilePath(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    return (int(fields[11]) + int(fields[12])) / ticks, int(fields[21]) * 4096 / (1 << 20)


def frr_count(frr: Frr) -> int:
    """How many routes FRR accepted from the speaker."""
    shown = json.loads(frr.vtysh("show bgp ipv4 vpn summary json"))
    peers = shown.get("peers", shown.get("default", {}).get("peers", {}))
    return int(peers[frr.speaker_address].get("pfxRcd", 0))


async def measure(count: int, lab: Lab) -> dict[str, object]:
    """Run both directions."""
    frr = lab.frr("frr")
    frr.start()
    conf = frr.directory / "frr.conf"
    conf.write_text(conf.read_text().replace("debug bgp updates in\n", ""))
    frr.kill()
    frr.restart()
    other = lab.socket.with_name("other.sock")
    command = ("ip", "netns", "exec", lab.namespace, *speaker_command(other))
    sender = SpeakerLink(lab.socket, lambda _: None, lambda _: None, command=lab.command)
    receiver = SpeakerLink(other, lambda _: None, lambda _: None, command=command)
    loop = [Ip.parse("127.0.0.1"), Ip.parse("127.0.0.2")]

    def end(me: int, *, passive: bool) -> Peer:
        return Peer(
            name="other", address=loop[1 - me], local_address=loop[me], asn=64512,
            local_asn=64512, router_id=loop[me], passive=passive, port=1790,
        )  # fmt: skip

    made = routes(count)
    await sender.start()
    await receiver.start()
    try:
        sender.set_peers([frr.peer(), end(0, passive=False)])
        receiver.set_peers([end(1, passive=True)])
        await until(lambda: all(s.up for s in (*sender.sessions, *receiver.sessions)))
        ours, theirs = sorted(lab.speakers())[:2]
        result: dict[str, object] = {"name": "bgp", "routes": count}
        for name in ("frr", "other"):
            cpu, _ = usage(ours)
            began = time.perf_counter()
            sender.update(Change((name, nlri), None, path) for nlri, path in made)
            asked = time.perf_counter() - began
            await until(lambda: sender.settled, LIMIT_SECONDS)
            settled = time.perf_counter() - began
            if name == "frr":
                await until(lambda: frr_count(frr) == count, LIMIT_SECONDS)
            else:
                await until(lambda: len(receiver.learned) == count, LIMIT_SECONDS)
            result[f"{name}_s"] = round(time.perf_counter() - began, 2)
            result[f"{name}_update_s"] = round(asked, 2)
            result[f"{name}_settled_s"] = round(settled, 2)
            result[f"{name}_cpu_s"] = round(usage(ours)[0] - cpu, 2)
        result["sender_rss_mib"] = round(usage(ours)[1])
        result["receiver_rss_mib"] = round(usage(theirs)[1])
        result["receiver_cpu_s"] = round(usage(theirs)[0], 2)
        result["controller_rss_mib"] = round(usage(os.getpid())[1])
        return result
    finally:
        await sender.stop()
        await receiver.stop()


def main() -> None:
    """Run and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as directory:
        lab = Lab(FilePath(directory))
        try:
            print(json.dumps(asyncio.run(measure(count, lab))))
        finally:
            lab.close()


if __name__ == "__main__":
    main()
