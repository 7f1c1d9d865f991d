"""One packet of each encapsulation, from the underlay's cable."""

from __future__ import annotations

import re
import subprocess
from typing import Final

from sdnctl.lab import netns
from sdnctl.lab.demo.tenants import Station
from sdnctl.lab.errors import LabError
from sdnctl.lab.lab import Lab
from sdnctl.lab.process import wait_for

FILTERS: Final = {"vxlan": "udp port 4789", "mpls-gre": "ip proto 47"}


def packet(lab: Lab, cable: str, encapsulation: str, *, source: Station, address: str) -> list[str]:
    """What tcpdump says of the first such packet on a cable while ``source`` pings, by header.

    Args:
        lab: the lab.
        cable: interface of the underlay's node.
        encapsulation: one of ``FILTERS``.
        source: who pings.
        address: whom.

    Raises:
        LabError: no such packet within 5 s.
    """
    command = ["tcpdump", "-i", cable, "-nn", "-t", "-c", "1", "-l", FILTERS[encapsulation]]
    argv = netns.inside(lab.namespace("underlay"), command)
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as tcpdump:
        try:
            assert tcpdump.stderr is not None  # noqa: S101 - it is a pipe
            while "listening" not in (line := tcpdump.stderr.readline()):
                if not line:
                    raise LabError("tcpdump does not start")
            namespace = lab.namespace(source.node)
            wait_for(
                f"a packet in {encapsulation} on the cable of {cable}",
                lambda: netns.ping(namespace, address) and tcpdump.poll() is not None,
                timeout=5,
            )
            text = tcpdump.communicate()[0]
        finally:
            tcpdump.kill()
    return layers(text)


def layers(text: str) -> list[str]:
    """The headers of a packet as tcpdump prints it, the outermost first."""
    # Under an EVI's label is a whole frame, which tcpdump takes for no protocol and dumps.
    head, dump, _ = text.partition("\n\t0x")
    line = " ".join(head.split())
    found = re.split(r"(?:: | )(?=VXLAN,|GREv0,|MPLS \(|(?<!^)IP6? )", line)
    return [*found, "Ethernet frame"] if dump else found
