"""A router that nobody here wrote: FRR's zebra and bgpd in a node, on the node's own kernel.

Promise: both daemons run with what ``/etc/frr/frr.conf`` of the node says (``binds``), which is
the file that containerlab's image of FRR reads; their sockets are the node's own.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from sdnctl.lab.lab import Lab
from sdnctl.lab.process import wait_for
from sdnctl.lab.topology import Node

DAEMONS: Final = ("zebra", "bgpd")
CONFIG: Final = "/etc/frr/frr.conf"
_BINARIES: Final = Path("/usr/lib/frr")
_USER: Final = "frr"


def start(lab: Lab, node: Node) -> None:
    """Start both daemons and configure them; returns when they have understood it."""
    node.file(CONFIG)
    folder = lab.router(node.name)
    folder.mkdir(parents=True, exist_ok=True)
    # The daemons give up root; they must get here, so SDNCTL_LAB_DIR must be open to all.
    shutil.chown(folder, _USER, _USER)
    for daemon in DAEMONS:
        process = lab.start(
            node.name,
            daemon,
            [
                *(str(_BINARIES / daemon), "-A", "127.0.0.1", "-P", "0"),
                *("-i", str(folder / f"{daemon}.pid"), "-z", str(folder / "zserv")),
                *("--vty_socket", str(folder), "--log", f"file:{folder / 'log'}"),
            ],
        )
        socket = folder / f"{daemon}.vty"
        wait_for(f"node {node.name}: {daemon}", socket.exists, process=process)
    configure(lab, node)


def configure(lab: Lab, node: Node) -> None:
    """Give the daemons the node's configuration, each its part."""
    lab.exec(
        node.name,
        ["vtysh", "--vty_socket", str(lab.router(node.name)), "-f", str(node.file(CONFIG))],
    )
