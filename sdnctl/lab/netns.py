"""Network namespaces and cables.

Promise: each call does one thing to namespaces that the caller named, by netlink, ``ip`` and
``ethtool``; nothing outside of these namespaces changes. Knows nothing of labs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from pyroute2 import IPRoute, NetlinkError

from sdnctl.lab.errors import LabError
from sdnctl.lab.process import attempt, run

_FOLDER: Final = Path("/run/netns")
_DAD: Final = "/proc/sys/net/ipv6/conf/default/accept_dad"


class End(NamedTuple):
    """One end of a cable; an empty ``mac`` leaves it to the kernel."""

    namespace: str
    interface: str
    mac: str = ""


def exists(namespace: str) -> bool:
    """There is a namespace of that name."""
    return (_FOLDER / namespace).exists()


def inside(namespace: str, argv: Sequence[str]) -> list[str]:
    """The command line that runs ``argv`` in a namespace, as the same process."""
    return ["ip", "netns", "exec", namespace, *argv]


def create(namespace: str) -> None:
    """A namespace with its loopback up.

    Without duplicate address detection (RFC 4862 section 5.4): both ends of every cable are
    the caller's, and it holds an IPv6 address back for a second.
    """
    # Not pyroute2's: its forked helper would hold the runner's lock were the runner killed now.
    run(["ip", "netns", "add", namespace])
    configure(namespace, ["link set dev lo up"])
    run(inside(namespace, ["sh", "-c", f"[ ! -e {_DAD} ] || echo 0 >{_DAD}"]))


def delete(namespace: str) -> None:
    """Delete a namespace and with it every interface in it; no error if there is none."""
    if exists(namespace):
        run(["ip", "netns", "delete", namespace])


def pids(namespace: str) -> list[int]:
    """The processes inside."""
    if not exists(namespace):
        return []
    return [int(pid) for pid in run(["ip", "netns", "pids", namespace]).split()]


def configure(namespace: str, commands: Iterable[str]) -> None:
    """Run ``ip`` commands inside a namespace, in one batch; the first failure ends it."""
    script = "".join(f"{c}\n" for c in commands)
    if script:
        run(["ip", "-n", namespace, "-batch", "-"], stdin=script)


def cable(a: End, b: End, mtu: int) -> None:
    """A veth pair, both ends up; ``mtu`` in octets.

    Checksums are computed by the sender: a userspace datapath at the other end would hand on
    what was left to a network card that does not exist.
    """
    try:
        with IPRoute() as netlink:
            netlink.link("add", kind="veth", **_end(a, mtu), peer=_end(b, mtu))
    except (NetlinkError, OSError) as error:
        raise LabError(f"{a.interface} to {b.interface}: {error}") from None
    for end in (a, b):
        run(inside(end.namespace, ["ethtool", "-K", end.interface, "tx", "off"]))
        configure(end.namespace, [f"link set dev {end.interface} up"])


def _end(end: End, mtu: int) -> dict[str, object]:
    address = {"address": end.mac} if end.mac else {}
    return {"ifname": end.interface, "net_ns_fd": end.namespace, "mtu": mtu, **address}


def ping(namespace: str, address: str, *, wait_s: int = 1) -> bool:
    """One echo request is answered within ``wait_s`` seconds."""
    command = ["ping", "-n", "-q", "-c", "1", "-W", str(wait_s), address]
    return attempt(inside(namespace, command)).returncode == 0
