"""What a switch holds against what it should, and what it dropped.

Promise: nothing is changed. Knows only a switch that is there and has been sent everything.
"""

from __future__ import annotations

import asyncio
import contextlib

from sdnctl_vrouter.drivers.ovs import templates
from sdnctl_vrouter.drivers.ovs.flows import Flow
from sdnctl_vrouter.drivers.ovs.meters import Installed
from sdnctl_vrouter.drivers.ovs.model import Model
from sdnctl_vrouter.drivers.ovs.pipeline import (
    COOKIE_OWNER,
    COOKIE_OWNER_MASK,
    GROUP_OWNER,
    GROUP_OWNER_MASK,
    Reason,
    Table,
)
from sdnctl_vrouter.platform.openflow import Connection


def ours(groups: set[int]) -> set[int]:
    """Those that an agent made."""
    return {number for number in groups if number & GROUP_OWNER_MASK == GROUP_OWNER}


async def differences(connection: Connection, model: Model, meters: Installed) -> list[str]:
    """A line for each flow, group and meter that is missing or too much."""
    # The switch answers in order: the dump comes after every bundle sent so far.
    desired = {flow.cookie: unit for unit, flow in model.flows}
    numbers = model.groups.numbers
    installed, found, metered = await asyncio.gather(
        connection.cookies(COOKIE_OWNER, COOKIE_OWNER_MASK),
        connection.groups(),
        meters.differences(connection),
    )
    groups = ours(found)
    lines = [f"{desired[cookie]}: a flow is missing" for cookie in desired.keys() - installed]
    lines += [f"a flow of nothing: cookie {c:#x}" for c in installed - desired.keys()]
    lines += [f"group {number:#x} is missing" for number in numbers - groups]
    lines += [f"a group of nothing: {number:#x}" for number in groups - numbers]
    lines += metered
    return sorted(lines)


async def drops(connection: Connection) -> dict[str, int]:
    """Packets by reason; nothing of a switch that hangs up meanwhile."""
    owner = (COOKIE_OWNER, COOKIE_OWNER_MASK)
    with contextlib.suppress(OSError):
        packets = await connection.packets(Table.DROPPED, *owner)
        return {
            reason.name.lower(): count
            for reason in Reason
            if (count := packets.get(Flow.of(templates.dropped(reason)).cookie, 0))
        }
    return {}
