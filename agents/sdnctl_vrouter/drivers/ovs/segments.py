"""What guests meet on their network's segment: its subnets' options and its routers' interfaces.

Promise: as they are at present, in the order of their keys; and which networks have others since
the last call. Knows no guest and no flow.
"""

from __future__ import annotations

from sdnctl.desired import Desired, Irb, SubnetOptions
from sdnctl.types import Vni


class Segments:
    """See the module."""

    def __init__(self) -> None:
        self._rows: dict[Vni, dict[str, Irb | SubnetOptions]] = {}
        self._changed: set[Vni] = set()

    def put(self, vni: Vni, key: str, new: Desired | None) -> None:
        """The resource ``key`` of a network is ``new`` from now on."""
        self._changed.add(vni)
        segment = self._rows.setdefault(vni, {})
        if isinstance(new, Irb | SubnetOptions):
            segment[key] = new
            return
        segment.pop(key, None)
        if not segment:
            del self._rows[vni]

    def touch(self, vni: Vni) -> None:
        """A guest of the network is told otherwise for a reason of its own."""
        self._changed.add(vni)

    def changed(self) -> set[Vni]:
        """Networks of which guests are told otherwise since the last call."""
        changed, self._changed = self._changed, set()
        return changed

    def of(self, vni: Vni) -> tuple[tuple[SubnetOptions, ...], tuple[Irb, ...]]:
        """A network's subnets and routers' interfaces."""
        rows = [row for _, row in sorted(self._rows.get(vni, {}).items())]
        return (
            tuple(row for row in rows if isinstance(row, SubnetOptions)),
            tuple(row for row in rows if isinstance(row, Irb)),
        )
