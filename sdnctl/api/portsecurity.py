"""A port's security: its groups, and what it may send as besides its own.

Promise: a port with port security has groups that are there, the project's default one if it was
not told; one without has neither groups nor address pairs. Defaults and errors are Neutron's.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from sdnctl.api import values
from sdnctl.api.errors import ApiError, conflict
from sdnctl.api.schema import Attribute, Lookup
from sdnctl.api.security import check_groups, ensure_default
from sdnctl.api.values import Json
from sdnctl.api.work import Context, Work
from sdnctl.intent import AddressPair, Port
from sdnctl.types import Mac, Prefix

MOST_PAIRS: Final = 10
"""Neutron's default of ``max_allowed_address_pair``."""


class PairWish(NamedTuple):
    """One entry of ``allowed_address_pairs`` as given; no MAC is the port's."""

    ip_address: Prefix
    mac_address: Mac | None = None


_PAIRS: Final = values.sequence(
    values.record(
        lambda fields: PairWish(**fields),
        {
            "ip_address": values.ADDRESS_OR_PREFIX,
            "mac_address": values.optional(values.MAC),
        },
        need=1,
    ),
    unique=False,
)


def _show_pairs(_context: Context, port: Port) -> Json:
    return [
        {
            "mac_address": str(pair.mac),
            "ip_address": str(
                pair.prefix.ip if pair.prefix.length == pair.prefix.ip.bits else pair.prefix
            ),
        }
        for pair in port.allowed_address_pairs
    ]


def settle(
    work: Work, row: dict[str, Any], given: dict[str, Any], mac: Mac, old: Port | None = None
) -> None:
    """Fill in ``row`` what a request says of a port's security; ApiError if it cannot be."""
    secure = row.get("port_security_enabled", True if old is None else old.port_security_enabled)
    if given.get("allowed_address_pairs") is not None:
        row["allowed_address_pairs"] = _pairs(given["allowed_address_pairs"], mac)
    pairs = row.get("allowed_address_pairs", () if old is None else old.allowed_address_pairs)
    if pairs and not secure:
        raise conflict(
            "AddressPairAndPortSecurityRequired",
            "Port Security must be enabled in order to have allowed address pairs on a port.",
        )
    if "security_groups" in given:
        row["security_groups"] = tuple(dict.fromkeys(given["security_groups"]))
    elif old is None:
        owner = row.get("device_owner", "")
        wanted = secure and not owner.startswith("network:")
        row["security_groups"] = (ensure_default(work, row["project_id"]),) if wanted else ()
    groups = row.get("security_groups", () if old is None else old.security_groups)
    if "security_groups" in given:
        check_groups(work, groups)
    if not groups or secure:
        return
    if "security_groups" in given:
        raise ApiError(
            400,
            "PortSecurityAndIPRequiredForSecurityGroups",
            "Port security must be enabled and port must have an IP address in order to use "
            "security groups.",
        )
    raise conflict(
        "PortSecurityPortHasSecurityGroup",
        "Port has security group associated. Cannot disable port security or IP address until "
        "security group is removed.",
    )


def _pairs(wishes: tuple[PairWish, ...], mac: Mac) -> tuple[AddressPair, ...]:
    if len(wishes) > MOST_PAIRS:
        raise ApiError(
            400,
            "AddressPairsExhausted",
            f"The number of allowed address pair exceeds the maximum {MOST_PAIRS}.",
        )
    pairs: dict[AddressPair, None] = {}
    for wish in wishes:
        pair = AddressPair(wish.mac_address or mac, wish.ip_address)
        if pair in pairs:
            raise ApiError(
                400,
                "DuplicateAddressPairInRequest",
                f"Request contains duplicate address pair: mac_address {pair.mac} "
                f"ip_address {wish.ip_address}.",
            )
        pairs[pair] = None
    return tuple(pairs)


ATTRIBUTES: Final = (
    Attribute(
        name="security_groups",
        type=values.UUIDS,
        post=True,
        put=True,
        filter=True,
        read=lambda _c, port: list(port.security_groups),
        of=(),
        match=lambda _c, port, text: text in port.security_groups,
        lookup=lambda text: Lookup("security_group", text),
    ),
    Attribute(
        name="allowed_address_pairs", type=_PAIRS, post=True, put=True, read=_show_pairs, of=()
    ),
)
"""Those of ports that are kept here."""
