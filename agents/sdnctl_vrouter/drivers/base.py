"""The door between what an agent was told and a data plane.

Promise of a driver: after ``apply`` has called ``done``, the packets go as the resources say,
confirmed by the data plane itself. It knows nothing of streams, groups or controllers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from sdnctl.delta import Change
from sdnctl.desired import Desired
from sdnctl.types import Ip


class Failure(NamedTuple):
    """A resource that could not be programmed, and why; an empty reason takes it back."""

    key: str
    reason: str


class VifStatus(NamedTuple):
    """A local port's VIF is there with its flows in the switch, or is not, and why.

    ``awaited``: it is on the bridge, and its device is still to come. ``failed``: the switch does
    not take its flows.
    """

    port_id: str
    up: bool
    reason: str = ""
    awaited: bool = False
    failed: bool = False


class Reachability(NamedTuple):
    """A probed next hop stopped answering, or answers again."""

    vtep: Ip
    up: bool


def unheard(_reachability: Reachability) -> None:
    """For who does not ask."""


class Driver(Protocol):
    """A data plane that can be programmed resource by resource."""

    async def start(
        self,
        on_vif: Callable[[VifStatus], None],
        on_failure: Callable[[Failure], None],
        on_reachability: Callable[[Reachability], None] = unheard,
    ) -> None:
        """Connect, and keep connected: a restarted switch is brought back to what is desired.

        What is found on the switch stays untouched until ``in_sync``. ``on_failure`` tells
        of keys that fail, or recover, outside of an ``apply``. ``on_reachability`` tells of
        probed next hops; packets take another way already, where there is one.
        """

    def apply(
        self,
        changes: Sequence[Change[str, Desired]],
        done: Callable[[Sequence[Failure]], None],
    ) -> None:
        """Program changes keyed by ``Desired.key``; never raises, never blocks.

        ``done`` is called exactly once, in the order of the calls, after the data plane's
        barrier, with the keys that failed; the others of the same call are programmed.
        """

    def in_sync(self) -> None:
        """All that is desired was applied: what else this driver owns on the switch may go."""

    async def audit(self) -> list[str]:
        """Differences between desired and installed, a readable line each; empty is well."""

    async def drops(self) -> dict[str, int]:
        """Packets that port security and security groups refused so far, by reason."""

    async def stop(self) -> None:
        """Disconnect and leave the data plane as it is."""
