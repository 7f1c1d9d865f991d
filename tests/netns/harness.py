"""Hypervisors and guests in network namespaces: real Open vSwitch, userspace data path.

Promise: ``Lab.close`` leaves nothing behind, whatever happened. Namespaces are named after the
process, so that two labs never meet.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sdnctl.types import Ip, Mac

SCHEMA: Final = "/usr/share/openvswitch/vswitch.ovsschema"
DATAPATH: Final = os.environ.get("SDNCTL_TEST_DATAPATH", "netdev")
"""``system`` where the kernel has Open vSwitch, GRE and MPLS; few test machines do."""

UNDERLAY_PREFIX: Final = "192.0.2."

_serial = itertools.count()


def run(*argv: str, check: bool = True, timeout: float = 30) -> str:
    """Run to the end; its output, or an AssertionError with its errors."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(argv)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def wait_for(condition: Callable[[], bool], timeout: float = 10, what: str = "") -> None:
    """Poll until it holds."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what or condition}")
        time.sleep(0.02)


@dataclass
class Namespace:
    """A network namespace."""

    name: str

    def run(self, *argv: str, check: bool = True, timeout: float = 30) -> str:
        """Run inside."""
        return run("ip", "netns", "exec", self.name, *argv, check=check, timeout=timeout)

    def popen(self, *argv: str) -> subprocess.Popen[str]:
        """Start inside; the caller ends it."""
        return subprocess.Popen(
            ["ip", "netns", "exec", self.name, *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


class Machine(Namespace):
    """A namespace with a folder, and daemons that keep their files there."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name)
        self.rundir = folder
        folder.mkdir(parents=True)
        run("ip", "netns", "add", name)
        run("ip", "-n", name, "link", "set", "lo", "up")

    def daemon(self, *argv: str, nice: int = 0) -> None:
        """Start a daemon of Open vSwitch or OVN."""
        folder = self.rundir
        name = argv[0]
        # ovn-controller has no such option: its socket is in the folder, named after its process.
        control = () if name == "ovn-controller" else (f"--unixctl={folder}/{name}.ctl",)
        self.run(
            "env",
            f"OVS_RUNDIR={folder}",
            f"OVS_LOGDIR={folder}",
            f"OVS_DBDIR={folder}",
            f"OVN_RUNDIR={folder}",
            *(("nice", "-n", str(nice)) if nice else ()),
            *argv,
            "--detach",
            "--no-chdir",
            f"--pidfile={folder}/{name}.pid",
            *control,
            f"--log-file={folder}/{name}.log",
            "-vconsole:off",
        )

    def pid(self, name: str) -> int | None:
        """The process of a daemon."""
        try:
            return int((self.rundir / f"{name}.pid").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """End a daemon, and wait until it is gone."""
        pid = self.pid(name)
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        wait_for(lambda: not _alive(pid), what=f"end of {name}")
        (self.rundir / f"{name}.pid").unlink(missing_ok=True)


class Switch(Machine):
    """A hypervisor: ovsdb-server and ovs-vswitchd of its own, ``br-phys`` on the underlay."""

    def __init__(self, name: str, folder: Path, vtep: Ip) -> None:
        super().__init__(name, folder)
        self.vtep = vtep
        run("ovsdb-tool", "create", f"{folder}/conf.db", SCHEMA)

    @property
    def database(self) -> str:
        """Its OVSDB socket."""
        return f"{self.rundir}/db.sock"

    def start_database(self) -> None:
        """Start ovsdb-server."""
        self.daemon("ovsdb-server", f"{self.rundir}/conf.db", f"--remote=punix:{self.database}")

    def start_switch(self) -> None:
        """Start ovs-vswitchd."""
        self.daemon("ovs-vswitchd", f"unix:{self.database}")

    def vsctl(self, *argv: str) -> str:
        """ovs-vsctl on its database."""
        return run("ovs-vsctl", f"--db=unix:{self.database}", *argv)

    def ofctl(self, command: str, *argv: str, check: bool = True) -> str:
        """ovs-ofctl on the integration bridge."""
        target = f"unix:{self.rundir}/br-int.mgmt"
        return run("ovs-ofctl", "-O", "OpenFlow14", command, target, *argv, check=check)

    def settle(self) -> None:
        """Wait until the data path's cache follows the tables.

        Open vSwitch confirms a change of its tables a moment before its revalidators have gone
        over what packets left in the cache; who pinged before the change could meet that.
        """
        self.appctl("revalidator/wait")

    def appctl(self, *argv: str) -> str:
        """ovs-appctl to ovs-vswitchd."""
        return run("ovs-appctl", "-t", f"{self.rundir}/ovs-vswitchd.ctl", *argv)


@dataclass
class Guest(Namespace):
    """A guest: one interface ``eth0``, plugged into a switch as os-vif does it."""

    switch: Switch
    port_id: str
    mac: Mac
    tap: str
    addresses: list[str] = field(default_factory=list)

    def plug(self) -> None:
        """Put its interface on the integration bridge."""
        self.switch.vsctl(
            *("--may-exist", "add-port", "br-int", self.tap),
            *("--", "set", "Interface", self.tap),
            f"external_ids:iface-id={self.port_id}",
            f'external_ids:attached-mac="{self.mac}"',
            "external_ids:iface-status=active",
        )

    def unplug(self) -> None:
        """Take it off."""
        self.switch.vsctl("--if-exists", "del-port", "br-int", self.tap)

    def ping(self, target: str, count: int = 3, *options: str) -> int:
        """How many of ``count`` pings were answered, the first included."""
        out = self.run(
            *("ping", "-c", str(count), "-i", "0.1", "-W", "1", *options, target), check=False
        )
        return out.count("bytes from")

    def flush_neighbors(self) -> None:
        """Forget all that ARP and ND taught."""
        self.run("ip", "neigh", "flush", "all")


class Lab:
    """An underlay with hypervisors and guests.

    ``quiet`` keeps IPv6 off the cables and the hypervisors: without it the kernels of some twenty
    interfaces solicit routers for half a minute, and each such packet is a flow that a switch goes
    over again whenever its tables change. That is nothing to measure.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self.prefix = f"sv{os.getpid()}x{next(_serial)}"
        self.folder = Path(tempfile.mkdtemp(prefix="sv-"))  # short: a unix socket's path is 107
        self.switches: list[Switch] = []
        self.machines: list[Machine] = []
        self.guests: list[Guest] = []
        self._underlay = Namespace(f"{self.prefix}u")
        try:
            run("ip", "netns", "add", self._underlay.name)
            self._hush(self._underlay)
            self._underlay.run("ip", "link", "add", "br0", "type", "bridge")
            self._underlay.run("ip", "link", "set", "br0", "up")
        except BaseException:
            self.close()
            raise

    def hypervisor(self) -> Switch:
        """One more, on the underlay, with Open vSwitch running."""
        number = len(self.switches) + 1
        vtep = f"{UNDERLAY_PREFIX}{number}"
        switch = Switch(f"{self.prefix}h{number}", self.folder / f"h{number}", Ip.parse(vtep))
        self.switches.append(switch)
        self._hush(switch)
        switch.start_database()
        switch.vsctl("--no-wait", "init")
        switch.start_switch()
        self._link(switch.name, "eth0", self._underlay.name, f"h{number}")
        self._underlay.run("ip", "link", "set", f"h{number}", "master", "br0", "up")
        # The kernel sees what a packet socket sees: it must not answer ARP and ND on eth0 too.
        switch.run("sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1")
        switch.run("sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
        if DATAPATH == "netdev":
            # The userspace data path tunnels by itself, and only over a bridge of its own.
            switch.vsctl(
                *("add-br", "br-phys", "--", "set", "Bridge", "br-phys", "datapath_type=netdev"),
                *("--", "add-port", "br-phys", "eth0"),
            )
            switch.run("ip", "link", "set", "br-phys", "up")
        underlay = "br-phys" if DATAPATH == "netdev" else "eth0"
        switch.run("ip", "addr", "add", f"{vtep}/24", "dev", underlay)
        return switch

    def machine(self) -> Machine:
        """One for what is on no hypervisor; it has no cable."""
        number = len(self.machines) + 1
        machine = Machine(f"{self.prefix}m{number}", self.folder / f"m{number}")
        self.machines.append(machine)
        return machine

    def guest(
        self,
        switch: Switch,
        port_id: str,
        mac: Mac,
        *addresses: str,
        gateways: tuple[str, ...] = (),
    ) -> Guest:
        """One more on a hypervisor, not plugged yet; ``addresses`` with prefix lengths."""
        number = len(self.guests) + 1
        tap = f"tap{number}"
        guest = Guest(f"{self.prefix}g{number}", switch, port_id, mac, tap, list(addresses))
        self.guests.append(guest)
        run("ip", "netns", "add", guest.name)
        self._link(guest.name, "eth0", switch.name, tap)
        guest.run("ip", "link", "set", "eth0", "down")
        guest.run("ip", "link", "set", "lo", "up")
        guest.run("ip", "link", "set", "eth0", "address", str(mac), "mtu", "1400")
        guest.run("ip", "link", "set", "eth0", "up")
        for address in addresses:
            options = ("nodad",) if ":" in address else ()
            guest.run("ip", "addr", "add", address, "dev", "eth0", *options)
        for gateway in gateways:
            family = "-6" if ":" in gateway else "-4"
            guest.run("ip", family, "route", "add", "default", "via", gateway)
        return guest

    def close(self) -> None:
        """End every process and delete every namespace."""
        for switch in self.switches:
            for daemon in ("ovs-vswitchd", "ovsdb-server"):
                with contextlib.suppress(AssertionError):
                    switch.kill(daemon)
        # Found by their names: what was being made when a signal came is in no list. A test may
        # have added its own behind the name of one of ours.
        ours = re.compile(rf"^{self.prefix}[a-z]\S*", re.MULTILINE)
        names = ours.findall(run("ip", "netns", "list", check=False))
        run("ip", "link", "del", f"{self.prefix}a"[-15:], check=False)
        for name in names:
            for pid in run("ip", "netns", "pids", name, check=False).split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            run("ip", "netns", "del", name, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _hush(self, namespace: Namespace) -> None:
        """No IPv6 on the interfaces to come, if that is wanted."""
        if self._quiet:
            namespace.run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")

    def _link(self, one: str, one_name: str, other: str, other_name: str) -> None:
        """A veth pair; no checksum offload, or a userspace switch gets wrong sums."""
        a, b = f"{self.prefix}a"[-15:], f"{self.prefix}b"[-15:]
        run("ip", "link", "add", a, "type", "veth", "peer", "name", b)
        for end, namespace, name in ((a, one, one_name), (b, other, other_name)):
            run("ip", "link", "set", end, "netns", namespace, "name", name)
            inside = ("ip", "netns", "exec", namespace)
            run(*inside, "ethtool", "-K", name, "tx", "off")
            run(*inside, "ip", "link", "set", name, "up")


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
