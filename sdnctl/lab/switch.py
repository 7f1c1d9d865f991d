"""An Open vSwitch of its own in a node's namespace, userspace datapath.

Promise: its database, sockets, logs and processes are the node's alone, so that several live
beside each other and beside the machine's own. The kernel of the machine needs no module: the
userspace datapath does VXLAN, GRE and MPLS by itself. Flows are not its business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sdnctl.lab.process import run

UNDERLAY_BRIDGE: Final = "br-phy"
"""Holds the cables of the underlay and the node's address on it: a userspace tunnel looks up
its route in the namespace and must find a bridge of its own datapath at its end."""
INTEGRATION_BRIDGE: Final = "br-int"

_SCHEMA: Final = "/usr/share/openvswitch/vswitch.ovsschema"


@dataclass(frozen=True, slots=True)
class Switch:
    """An Open vSwitch whose sockets are in ``rundir``."""

    rundir: Path

    @property
    def env(self) -> dict[str, str]:
        """What every tool of Open vSwitch needs to find this one."""
        folder = str(self.rundir)
        return {"OVS_RUNDIR": folder, "OVS_LOGDIR": folder, "OVS_DBDIR": folder}

    @property
    def database(self) -> Path:
        """The database server's socket."""
        return self.rundir / "db.sock"

    def prepare(self) -> list[str]:
        """Create the database; the command line of its server."""
        self.rundir.mkdir(parents=True, exist_ok=True)
        file = str(self.rundir / "conf.db")
        run(["ovsdb-tool", "create", file, _SCHEMA])
        return [
            *("ovsdb-server", file, f"--remote=punix:{self.database}"),
            *("--pidfile", "-vconsole:warn", "-vsyslog:off"),
        ]

    def daemon(self) -> list[str]:
        """The command line of ovs-vswitchd.

        One handler and one revalidator: a lab has many switches and few processors.
        """
        self.vsctl("--no-wait", "init")
        self.vsctl(
            *("--no-wait", "set", "Open_vSwitch", "."),
            *("other_config:n-handler-threads=1", "other_config:n-revalidator-threads=1"),
        )
        return [
            *("ovs-vswitchd", f"unix:{self.database}"),
            *("--pidfile", "-vconsole:warn", "-vsyslog:off"),
        ]

    def vsctl(self, *argv: str) -> str:
        """Change the database; returns when the switch has done it, 15 s at most."""
        return run(["ovs-vsctl", "--timeout=15", *argv], env=self.env)

    def ofctl(self, *argv: str, stdin: str | None = None) -> str:
        """Speak OpenFlow to a bridge of this switch."""
        return run(["ovs-ofctl", "-O", "OpenFlow14", *argv], env=self.env, stdin=stdin)

    def appctl(self, *argv: str) -> str:
        """Speak to the running ovs-vswitchd."""
        return run(["ovs-appctl", "--timeout=5", *argv], env=self.env)

    def add_bridge(self, bridge: str, ports: Sequence[str] = (), *, standalone: bool) -> None:
        """A bridge of the userspace datapath; ``standalone`` makes it a learning switch."""
        mode = "standalone" if standalone else "secure"
        argv = ["--may-exist", "add-br", bridge, "--"]
        argv += ["set", "bridge", bridge, "datapath_type=netdev", f"fail_mode={mode}"]
        for port in ports:
            argv += ["--", "--may-exist", "add-port", bridge, port]
        self.vsctl(*argv)
