"""BGP VPNs as what is in them takes them over, and what is said with exported routes.

Knows nothing of the instances that import and export.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from sdnctl.graph.engine import Relation
from sdnctl.types import Prefix, RouteTarget


class Policy(NamedTuple):
    """What is said with routes that are exported; a preference of None leaves it as it is."""

    targets: tuple[RouteTarget, ...] = ()
    local_preference: int | None = None
    communities: tuple[int, ...] = ()


def joined(policies: Iterable[Policy]) -> Policy:
    """All that several policies say of a route, with the highest preference."""
    policies = list(policies)
    return Policy(
        tuple(sorted({target for policy in policies for target in policy.targets})),
        max((p.local_preference for p in policies if p.local_preference is not None), default=None),
        tuple(sorted({number for policy in policies for number in policy.communities})),
    )


class Terms(NamedTuple):
    """A BGP VPN as its members take it over; ``kind`` is ``l2`` or ``l3``."""

    kind: str
    imports: tuple[RouteTarget, ...]
    policy: Policy


class PortVpn(NamedTuple):
    """A port in a BGP VPN: what is said with its addresses, if anything, and the prefixes behind.

    ``network_id`` is that of the port, whose VRF imports.
    """

    port_id: str
    network_id: str
    imports: tuple[RouteTarget, ...]
    fixed: Policy | None
    behind: tuple[tuple[Prefix, Policy], ...]

    @property
    def exports(self) -> set[RouteTarget]:
        """All targets that the port's routes carry because of it."""
        policies = [policy for _prefix, policy in self.behind]
        policies += [self.fixed] if self.fixed is not None else []
        return {target for policy in policies for target in policy.targets}


TERMS: Final[Relation[str, Terms]] = Relation("terms")
PORT_VPN: Final[Relation[str, PortVpn]] = Relation(
    "port_vpn",
    port=lambda _k, row: (row.port_id,),
    network=lambda _k, row: (row.network_id,),
)
