"""What the operator of a gateway configures: its VRFs.

Promise: a ``Gateway`` is consistent (labels, interfaces and targets are the VRFs' own), or
loading it raises a LabError that names the VRF and the key.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from sdnctl.lab.errors import LabError
from sdnctl.types import MAX_LABEL, MIN_LABEL, Ip, Mac, Prefix, RouteDistinguisher, RouteTarget

_PARSERS: Final = (Ip, Mac, RouteDistinguisher, RouteTarget)


class Vrf(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tenant's routing instance on the gateway.

    ``label`` is what the gateway announces for every prefix of ``announce``. Behind
    ``interface`` is one router, ``next_hop_mac``, to which all of these lead; ``address`` is
    the gateway's own there, answered by ARP.
    """

    name: str
    interface: str
    rd: RouteDistinguisher
    label: int
    import_targets: tuple[RouteTarget, ...]
    export_targets: tuple[RouteTarget, ...]
    address: Ip
    next_hop_mac: Mac
    announce: tuple[str, ...]

    def __post_init__(self) -> None:
        for prefix in self.announce:
            Prefix.parse(prefix)

    @property
    def prefixes(self) -> tuple[Prefix, ...]:
        """What is announced."""
        return tuple(map(Prefix.parse, self.announce))


class Gateway(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A gateway: ``address`` is its end of every tunnel and the next hop that it announces."""

    address: Ip
    vrf: tuple[Vrf, ...]


def load(path: Path) -> Gateway:
    """Read the TOML file; LabError says what is wrong in it."""
    try:
        gateway = msgspec.toml.decode(path.read_bytes(), type=Gateway, dec_hook=_parse)
    except OSError as error:
        raise LabError(f"{path}: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise LabError(f"{path}: {error}") from None
    seen: dict[object, str] = {}
    for vrf in gateway.vrf:
        if not MIN_LABEL <= vrf.label <= MAX_LABEL:
            raise LabError(f"{path}: vrf {vrf.name}: label {vrf.label} is not usable (RFC 3032)")
        # An import target of two VRFs would join two tenants.
        for value in (vrf.name, vrf.interface, vrf.label, vrf.rd, *vrf.import_targets):
            if seen.setdefault((type(value), value), vrf.name) != vrf.name:
                raise LabError(
                    f"{path}: vrf {vrf.name}: {value} is already {seen[type(value), value]}'s"
                )
    return gateway


def _parse(kind: type, text: object) -> object:
    if kind in _PARSERS and isinstance(text, str):
        return kind.parse(text)
    raise NotImplementedError
