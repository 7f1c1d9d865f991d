"""What a guest asks the agent: DHCP, DHCPv6, router solicitations.

A network's flow says what is a question there, a port's flow lets it pass: so a port that asks too
much is cut off by one flow for a while, and nothing else of it is.
"""

from __future__ import annotations

from typing import Any, Final

from os_ken.ofproto import ofproto_v1_4 as of
from os_ken.ofproto import ofproto_v1_4_parser as p

from sdnctl_vrouter.drivers.ovs.pipeline import PAUSE_SECONDS, Priority, Table
from sdnctl_vrouter.drivers.ovs.shapes.words import (
    DATAPATH,
    IPV4,
    IPV6,
    ND_ADVERT,
    Match,
    flow,
    nd_match,
    reg,
    resubmit,
    shape,
)

UDP: Final = 17
ROUTER_SOLICIT: Final = 133
TO_AGENT: Final = p.OFPActionOutput(of.OFPP_CONTROLLER, of.OFPCML_NO_BUFFER)


def question(vni: Any, match: Match) -> Any:
    """Not forwarded, whoever it is addressed to: it does not leave the host."""
    return flow(Table.RESPOND, Priority.ROUTER, {**reg(evi=vni), **match}, [resubmit(Table.ASK)])


@shape
def question_dhcp(vni: Any) -> Any:
    """To a DHCP server (RFC 2131 section 4.1)."""
    return question(vni, {"eth_type": IPV4, "ip_proto": UDP, "udp_dst": 67})


@shape
def question_dhcpv6(vni: Any) -> Any:
    """To a DHCPv6 server (RFC 8415 section 7.2)."""
    return question(vni, {"eth_type": IPV6, "ip_proto": UDP, "udp_dst": 547})


@shape
def question_router(vni: Any) -> Any:
    """For a router (RFC 4861 section 4.1)."""
    return question(vni, nd_match(ROUTER_SOLICIT))


ARP: Final = 0x0806


def taking(ofport: Any, match: Match) -> Any:
    """A guest says that it has an address: to the agent, and to whom it is said."""
    actions = [resubmit(Table.ASK), resubmit(Table.L2)]
    return flow(Table.RESPOND, Priority.REFUSE, {"in_port": ofport, **match}, actions)


@shape
def respond_taken_4(ofport: Any, ip: Any) -> Any:
    """Gratuitous ARP, request or reply (RFC 5227 section 3)."""
    return taking(ofport, {"eth_type": ARP, "arp_spa": ip, "arp_tpa": ip})


@shape
def respond_taken_6(ofport: Any, ip: Any) -> Any:
    """An advertisement (RFC 4861 section 7.2.6)."""
    return taking(ofport, {**nd_match(ND_ADVERT), "ipv6_nd_target": ip})


@shape
def ask(ofport: Any) -> Any:
    """A port's question to the agent."""
    return flow(Table.ASK, Priority.DEFAULT, {"in_port": ofport}, [TO_AGENT])


@shape
def ask_paused(ofport: Any) -> Any:
    """A port that asked too much; the switch forgets it by itself."""
    return p.OFPFlowMod(
        DATAPATH,
        table_id=Table.ASK,
        priority=Priority.REFUSE,
        hard_timeout=PAUSE_SECONDS,
        match=p.OFPMatch(in_port=ofport),
        out_port=of.OFPP_ANY,
        out_group=of.OFPG_ANY,
    )


@shape
def service_refused(mac: Any) -> Any:
    """The agent's own MAC address is no station: what else is sent to it is dropped."""
    return flow(Table.L2, Priority.REFUSE, {"eth_dst": mac}, [])
