"""What flows of variable length are made of, and messages that are not flows."""

from __future__ import annotations

from typing import Any

from os_ken.ofproto import ofproto_v1_4 as of
from os_ken.ofproto import ofproto_v1_4_parser as p

from sdnctl_vrouter.drivers.ovs.pipeline import Table
from sdnctl_vrouter.drivers.ovs.shapes.words import (
    DATAPATH,
    DEC_TTL,
    load,
    output,
    per_family,
    put,
    resubmit,
    shape,
    tunnel,
)

# ---- lists of actions, to be put behind a match or into a bucket


@per_family
def via_vxlan(family: int, vtep: Any, tun_id: Any) -> Any:
    """Bridge over VXLAN."""
    return [tunnel(family, vtep), put(tunnel_id=tun_id), resubmit(Table.TO_VXLAN)]


@per_family
def via_mpls(family: int, vtep: Any, label: Any) -> Any:
    """Bridge over MPLS."""
    return [tunnel(family, vtep), load(label=label), resubmit(Table.TO_MPLS)]


@per_family
def routed_vxlan(family: int, nexthop_mac: Any, vtep: Any, tun_id: Any) -> Any:
    """Route over VXLAN (RFC 9135 section 5)."""
    return [
        put(eth_dst=nexthop_mac),
        tunnel(family, vtep),
        put(tunnel_id=tun_id),
        resubmit(Table.TO_VXLAN_ROUTED),
    ]


@per_family
def routed_mpls(family: int, vtep: Any, label: Any) -> Any:
    """Route over MPLS (RFC 4364)."""
    return [tunnel(family, vtep), load(label=label), resubmit(Table.TO_MPLS_ROUTED)]


@shape
def send(ofport: Any) -> Any:
    """Straight out to a port."""
    return [output(ofport)]


@shape
def deliver(ofport: Any) -> Any:
    """One more copy to a local port, if its policy lets it in."""
    return [load(output=ofport), resubmit(Table.DELIVER)]


@shape
def next_chunk(chunk: Any) -> Any:
    """Go on with the flood list."""
    return [load(chunk=chunk), resubmit(Table.FLOOD_REMOTE)]


@shape
def dec_ttl() -> Any:
    """One hop."""
    return [DEC_TTL]


@shape
def choose(group: Any) -> Any:
    """One path of several, by a hash over the 5-tuple."""
    return [p.OFPActionGroup(group)]


@per_family
def probe(family: int, vtep: Any, ofport: Any) -> Any:
    """A VXLAN packet that nobody takes."""
    return [tunnel(family, vtep), put(tunnel_id=0), output(ofport)]


# ---- other messages


def meter(command: int, number: Any, *bands: Any) -> Any:
    """Kilobits a second, counted."""
    flags = of.OFPMF_KBPS | of.OFPMF_BURST | of.OFPMF_STATS
    return p.OFPMeterMod(DATAPATH, command, flags, number, list(bands))


@shape
def meter_add(meter_id: Any, rate: Any, burst: Any) -> Any:
    """A meter that drops what is too much."""
    return meter(of.OFPMC_ADD, meter_id, p.OFPMeterBandDrop(rate, burst))


@shape
def meter_modify(meter_id: Any, rate: Any, burst: Any) -> Any:
    """The same in the place of one."""
    return meter(of.OFPMC_MODIFY, meter_id, p.OFPMeterBandDrop(rate, burst))


@shape
def meter_delete(meter_id: Any) -> Any:
    """Remove a meter, and the flows that go through it."""
    return meter(of.OFPMC_DELETE, meter_id)


@shape
def group_select(group: Any) -> Any:
    """A select group, replaced if there; the buckets follow (OFPGC_ADD_OR_MOD of OVS)."""
    return p.OFPGroupMod(DATAPATH, 0x8000, of.OFPGT_SELECT, group, [])


@shape
def group_delete(group: Any) -> Any:
    """Remove a group."""
    return p.OFPGroupMod(DATAPATH, of.OFPGC_DELETE, of.OFPGT_SELECT, group, [])
