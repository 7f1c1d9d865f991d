"""Secondary indexes: declared here, kept by the tables, read through ``find``.

Promise: every lookup that the API or an allocation makes by something else than an id is
listed here, so that none of them scans a table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from typing import Any, Final

from sdnctl.intent import (
    EVERYBODY,
    FLOATING_IP_OWNER,
    ROUTER_GATEWAY_OWNER,
    ROUTER_INTERFACE_OWNER,
    SNAT_OWNER,
    DefaultRule,
    FloatingIp,
    Network,
    Port,
    QosPolicy,
    Router,
    Row,
    SecurityGroup,
    Shareable,
    Subnet,
    SubnetPool,
)

Extract = Callable[[Any], tuple[Hashable, ...]]


def _field(name: str) -> Extract:
    def extract(row: Row) -> tuple[Hashable, ...]:
        return (getattr(row, name),)

    return extract


def _port_ips(port: Port) -> tuple[Hashable, ...]:
    return tuple({f.ip for f in port.fixed_ips})


def _port_subnets(port: Port) -> tuple[Hashable, ...]:
    return tuple({f.subnet_id for f in port.fixed_ips})


def _qos_policy(row: Network | Port | FloatingIp) -> tuple[Hashable, ...]:
    return () if row.qos_policy_id is None else (row.qos_policy_id,)


def _gateway_policy(row: Router) -> tuple[Hashable, ...]:
    policy = row.gateway.qos_policy_id if row.gateway is not None else None
    return () if policy is None else (policy,)


def _default_qos(policy: QosPolicy) -> tuple[Hashable, ...]:
    return (policy.project_id,) if policy.is_default else ()


def _subport(port: Port) -> tuple[Hashable, ...]:
    return () if port.subport is None else (port.subport.trunk_id,)


def _port_groups(port: Port) -> tuple[Hashable, ...]:
    return port.security_groups


def _also_at(port: Port) -> tuple[Hashable, ...]:
    return tuple(dict.fromkeys(b.host for b in port.bindings)) if port.bindings else ()


def _default_of(group: SecurityGroup) -> tuple[Hashable, ...]:
    return (group.project_id,) if group.is_default else ()


def _another_address(port: Port) -> tuple[Hashable, ...]:
    """For a port's second, third... address of a subnet, that and which it is."""
    if len(port.fixed_ips) < 2:
        return ()
    counts = Counter(fixed.subnet_id for fixed in port.fixed_ips)
    return tuple((id_, n) for id_, most in counts.items() for n in range(2, most + 1))


def _interface_network(port: Port) -> tuple[Hashable, ...]:
    return (port.network_id,) if port.device_owner == ROUTER_INTERFACE_OWNER else ()


_OUTSIDE: Final = frozenset({ROUTER_GATEWAY_OWNER, FLOATING_IP_OWNER, SNAT_OWNER})


def _outside(port: Port) -> tuple[Hashable, ...]:
    owner = port.device_owner
    return ((owner, port.network_id),) if owner in _OUTSIDE else ()


def _subnetpool(subnet: Subnet) -> tuple[Hashable, ...]:
    return () if subnet.subnetpool_id is None else (subnet.subnetpool_id,)


def _default_pool(pool: SubnetPool) -> tuple[Hashable, ...]:
    return (pool.version,) if pool.is_default else ()


def _used_in(rule: DefaultRule) -> tuple[Hashable, ...]:
    used = {"default": rule.used_in_default_sg, "other": rule.used_in_non_default_sg}
    return tuple(groups for groups, so in used.items() if so)


def _external(network: Network) -> tuple[Hashable, ...]:
    return (True,) if network.external else ()


def _open(row: Shareable) -> tuple[Hashable, ...]:
    everybodys = isinstance(row, Network) and EVERYBODY in row.external_to
    return (True,) if row.shared or everybodys else ()


def _granted(row: Shareable) -> tuple[Hashable, ...]:
    external_to = row.external_to if isinstance(row, Network) else ()
    return tuple({*row.shared_with, *external_to} - {EVERYBODY})


def _tags(row: Row) -> tuple[Hashable, ...]:
    return row.tags


def _rare_owner(port: Port) -> tuple[Hashable, ...]:
    """Guests' ports are most of them: who asks for those looks at few others."""
    owner = port.device_owner
    return () if not owner or owner.startswith(GUESTS) else (owner,)


GUESTS: Final = "compute:"
"""What the ``device_owner`` of a guest's port begins with."""

_COMMON: Final = {name: _field(name) for name in ("name", "project_id")} | {"tag": _tags}
_SHAREABLE: Final = _COMMON | {"open": _open, "granted": _granted}


def _joined(to: str) -> dict[str, Extract]:
    """Of an association: by either end."""
    return {"bgpvpn_id": _field("bgpvpn_id"), to: _field(to)}


INDEXES: Final[dict[str, dict[str, Extract]]] = {
    "hypervisor": _COMMON,
    "link": _COMMON,
    "bgp_peer": _COMMON,
    "gateway": _COMMON,
    "network": _SHAREABLE | {"external": _external, "qos_policy_id": _qos_policy},
    "rbac_policy": _COMMON | {"object_id": _field("object_id")},
    "qos_policy": _SHAREABLE | {"default_of": _default_qos},
    "bandwidth_limit_rule": _COMMON | {"qos_policy_id": _field("qos_policy_id")},
    "dscp_marking_rule": _COMMON | {"qos_policy_id": _field("qos_policy_id")},
    "minimum_bandwidth_rule": _COMMON | {"qos_policy_id": _field("qos_policy_id")},
    "address_scope": _SHAREABLE,
    "subnetpool": _SHAREABLE
    | {"address_scope_id": _field("address_scope_id"), "default": _default_pool},
    "subnet": _COMMON | {"network_id": _field("network_id"), "subnetpool_id": _subnetpool},
    "port": _COMMON
    | {name: _field(name) for name in ("network_id", "device_id", "host", "mac")}
    | {"also_at": _also_at}
    | {"ip": _port_ips, "subnet_id": _port_subnets, "another_address": _another_address}
    | {"interface_network": _interface_network, "security_group": _port_groups}
    | {"outside": _outside, "rare_owner": _rare_owner}
    | {"trunk_id": _subport, "qos_policy_id": _qos_policy},
    "trunk": _COMMON | {"port_id": _field("port_id")},
    "router": _COMMON | {"qos_policy_id": _gateway_policy},
    "floatingip": _COMMON
    | {
        name: _field(name)
        for name in ("network_id", "port_id", "router_id", "floating_port_id", "ip")
    }
    | {"qos_policy_id": _qos_policy},
    "port_forwarding": _COMMON | {name: _field(name) for name in ("floatingip_id", "port_id")},
    "quota": {},
    "security_group": _SHAREABLE | {"default_of": _default_of},
    "security_group_rule": _COMMON
    | {
        name: _field(name)
        for name in ("security_group_id", "remote_group_id", "remote_address_group_id")
    },
    "default_rule": _COMMON
    | {name: _field(name) for name in ("remote_group_id", "remote_address_group_id")}
    | {"used_in": _used_in},
    "seeded": {},
    "address_group": _SHAREABLE,
    "bgpvpn": _COMMON,
    "bgpvpn_network": _COMMON | _joined("network_id"),
    "bgpvpn_router": _COMMON | _joined("router_id"),
    "bgpvpn_port": _COMMON | _joined("port_id"),
    "project": _COMMON,
    "user": _COMMON,
    "role_assignment": {
        "user_id": _field("user_id"),
        "target": _field("target"),
        "user_target": lambda row: ((row.user_id, row.target),),
    },
    "application_credential": {name: _field(name) for name in ("user_id", "target")},
    "revoked_token": {},
    "token_key": {},
}
"""By kind and name: the values under which a row is found. ``interface_network`` finds the
router interfaces of a network, ``also_at`` the ports of which a host has another binding,
``outside`` the controller's own ports on an external network by their owner, ``external`` the
networks that they may be on, ``open`` what is not its owner's alone, ``granted`` what is shared
with a project, ``default`` the default subnet pool of an IP version, ``default_of`` a project's
default security group or QoS policy, ``trunk_id`` a trunk's subports, ``tag`` what bears a tag,
``used_in`` the rules of new security groups, ``default`` ones or ``other``, ``rare_owner`` the
ports of a ``device_owner`` that is no guest's."""


class Index:
    """Ids by value. A value with one id, the usual case, costs no container."""

    __slots__ = ("_buckets",)

    def __init__(self) -> None:
        self._buckets: dict[Hashable, str | dict[str, None]] = {}

    def add(self, value: Hashable, id_: str) -> None:
        """Put ``id_`` under ``value``."""
        bucket = self._buckets.get(value)
        if bucket is None:
            self._buckets[value] = id_
        elif isinstance(bucket, str):
            self._buckets[value] = {bucket: None, id_: None}
        else:
            bucket[id_] = None

    def remove(self, value: Hashable, id_: str) -> None:
        """Take ``id_`` away from under ``value``, where it must be."""
        bucket = self._buckets[value]
        if isinstance(bucket, str):
            del self._buckets[value]
            return
        del bucket[id_]
        if len(bucket) == 1:
            self._buckets[value] = next(iter(bucket))

    def ids(self, value: Hashable) -> Iterator[str]:
        """The ids under ``value``, oldest first."""
        bucket = self._buckets.get(value)
        if bucket is None:
            return iter(())
        return iter((bucket,)) if isinstance(bucket, str) else iter(bucket)

    def count(self, value: Hashable) -> int:
        """How many ids are under ``value``."""
        bucket = self._buckets.get(value)
        if bucket is None:
            return 0
        return 1 if isinstance(bucket, str) else len(bucket)

    def holds(self, value: Hashable, id_: str) -> bool:
        """Whether ``id_`` is under ``value``."""
        bucket = self._buckets.get(value)
        if bucket is None:
            return False
        return bucket == id_ if isinstance(bucket, str) else id_ in bucket
