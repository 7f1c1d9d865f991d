"""Which OpenFlow port a port's VIF is on, and whose packets go through it.

Promise: a lookup either way costs one look. A subport of a trunk has a VIF of its own, one of its
patch ports, and depends on two others: its trunk's VIF, and the patch port on that side.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sdnctl_vrouter.drivers.ovs.patches import TRUNK_SIDE


class Vifs:
    """See the module. Ports are named by their ids, units as in the model."""

    def __init__(self) -> None:
        self._ofports: dict[str, int] = {}
        self._ports: dict[int, str] = {}
        self._through: dict[str, set[str]] = {}
        """By VIF: subports behind it."""
        self._parents: dict[str, str] = {}
        """By subport: its trunk's own port."""

    @property
    def ofports(self) -> Mapping[str, int]:
        """The OpenFlow ports of all VIFs, by port."""
        return self._ofports

    def ofport(self, port_id: str) -> int:
        """Where a port's VIF is, 0 for nowhere."""
        return self._ofports.get(port_id, 0)

    def port(self, ofport: int) -> str:
        """Whose VIF is there, "" for nobody's."""
        return self._ports.get(ofport, "")

    def set(self, port_id: str, ofport: int) -> Iterable[str]:
        """The VIF is there from now on (0: nowhere); the units that this matters to."""
        if self._ofports.get(port_id, 0) == ofport:
            return ()
        old = self._ofports.pop(port_id, 0)
        if self._ports.get(old) == port_id:
            del self._ports[old]
        if ofport:
            self._ofports[port_id] = ofport
            self._ports[ofport] = port_id
        return (f"port/{port_id}", *self._through.get(port_id, ()))

    def put_behind(self, unit: str, parent: str) -> None:
        """The port ``unit`` is a subport of that trunk from now on, or ("") of none."""
        old = self._parents.get(unit, "")
        if old == parent:
            return
        for vif in _ways(unit, old):
            self._through[vif].discard(unit)
            if not self._through[vif]:
                del self._through[vif]
        for vif in _ways(unit, parent):
            self._through.setdefault(vif, set()).add(unit)
        if parent:
            self._parents[unit] = parent
        else:
            del self._parents[unit]

    def trunk(self, unit: str) -> tuple[int, ...]:
        """For a subport: where its trunk's VIF is, and the patch port on that side."""
        return tuple(map(self.ofport, _ways(unit, self._parents.get(unit, ""))))


def _ways(unit: str, parent: str) -> tuple[str, ...]:
    return (parent, TRUNK_SIDE + unit.removeprefix("port/")) if parent else ()
