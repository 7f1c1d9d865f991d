"""Open vSwitch as a data plane: keeps the switch's flows equal to the model's.

Promise: ``drivers.base.Driver``. State is the model's alone; of the switch it remembers
nothing, and asks (cookies, OVSDB) whenever it connects. A restarted agent finds its flows by
their cookies and changes only what differs; a restarted switch gets everything in one bundle.
While the switch is away changes collapse in the model, and their ``done`` wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from sdnctl.delta import Change
from sdnctl.desired import Desired, LocalPort
from sdnctl_vrouter.drivers.base import Failure, VifStatus
from sdnctl_vrouter.drivers.ovs import templates
from sdnctl_vrouter.drivers.ovs.bridge import Bridge
from sdnctl_vrouter.drivers.ovs.model import Difference, Flow, Model
from sdnctl_vrouter.drivers.ovs.peers import Peers
from sdnctl_vrouter.drivers.ovs.pipeline import (
    BRIDGE,
    COOKIE_OWNER,
    COOKIE_OWNER_MASK,
    GROUP_OWNER,
    GROUP_OWNER_MASK,
)
from sdnctl_vrouter.drivers.ovs.translate import Tunnels
from sdnctl_vrouter.platform.openflow import (
    FLOW_MOD,
    GROUP_MOD,
    Connection,
    Message,
    Outcome,
    delete_by_cookie,
)

log = logging.getLogger(__name__)

RETRY_FIRST: Final = 0.05
RETRY_MOST: Final = 1.0

Done = Callable[[Sequence[Failure]], None]


class _Waiting(NamedTuple):
    """An ``apply`` that was not answered yet."""

    keys: tuple[str, ...]
    done: Done
