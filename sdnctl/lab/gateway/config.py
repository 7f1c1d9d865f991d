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

    ``label`` is what the gateway announces for every IPv4 prefix of ``announce``, and
    ``label_ipv6`` for the IPv6 ones: under a label the switch must know which it is. Behind
    ``interface`` is one router, ``next_hop_mac``, to which all of these lead; ``addresses``
    are the gateway's own there, answered by ARP and ND.
    """

    name: str
    interface: str
    rd: RouteDistinguisher
    label: int
    label_ipv6: int = 0
    import_targets: tuple[RouteTarget, ...]
    export_targets: tuple[RouteTarget, ...]
    addresses: tuple[Ip, ...]
    next_hop_mac: Mac
    announce: tuple[str, ...]

    def __post_init__(self) -> None:
        for version in sorted({p.version for p in self.prefixes}):
            label = self.label_of(version)
            if not MIN_LABEL <= label <= MAX_LABEL:
                raise ValueError(f"vrf {self.name}: label {label} of IPv{version} (RFC 3032)")

    @property
    def prefixes(self) -> tuple[Prefix, ...]:
        """What is announced."""
        return tuple(map(Prefix.parse, self.announce))

    def label_of(self, version: int) -> int:
        """The label that is announced for IP version 4 or 6; 0 if there is none."""
        return self.label if version == 4 else self.label_ipv6


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
    _apart(path, gateway)
    return gateway


def _apart(path: Path, gateway: Gateway) -> None:
    """What finds a VRF must find one: a target or a label of two would join two tenants."""
    owner: dict[tuple[str, object], str] = {}
    for vrf in gateway.vrf:
        labels = (label for label in (vrf.label, vrf.label_ipv6) if label)
        for kind, values in (
            ("name", (vrf.name,)),
            ("interface", (vrf.interface,)),
            ("rd", (vrf.rd,)),
            ("label", labels),
            ("import target", set(vrf.import_targets)),
        ):
            for value in values:
                if (kind, value) in owner:
                    taken = owner[kind, value]
                    raise LabError(f"{path}: vrf {vrf.name}: {kind} {value} is already {taken}'s")
                owner[kind, value] = vrf.name


def _parse(kind: type, text: object) -> object:
    if kind in _PARSERS and isinstance(text, str):
        return kind.parse(text)
    raise NotImplementedError
