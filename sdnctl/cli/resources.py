"""The nouns: where each kind lives in the API, what a list shows, what may be set.

Promise: a kind is one row here; its commands (list, show, and for those that are ours create,
set, delete) follow from it.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sdnctl.cli.client import Item
from sdnctl.cli.command import Argument, Command, Context, argument
from sdnctl.cli.errors import UsageError


@dataclass(frozen=True, slots=True)
class Setting:
    """An attribute that create and set take, as an option ``--ATTRIBUTE``."""

    attribute: str
    help: str
    kind: type = str
    required: bool = False
    repeated: bool = False
    choices: tuple[str, ...] = ()
    complete: str = ""
    flag: str = ""

    def option(self, *, create: bool) -> Argument:
        """The option; what ``create`` requires ``set`` may leave."""
        flag = self.flag or f"--{self.attribute.replace('_', '-')}"
        options: dict[str, Any] = {"dest": self.attribute, "default": None}
        if self.kind is bool:
            options["action"] = argparse.BooleanOptionalAction
        else:
            options["type"] = self.kind
            options["required"] = create and self.required
            options["metavar"] = "N" if self.kind is int else self.attribute.upper()
        if self.repeated:
            options["action"] = "append"
        if self.choices:
            options["choices"] = self.choices
            del options["metavar"]
        return argument(flag, help=self.help, complete=self.complete, **options)


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of thing in the API.

    ``columns`` are those of a list, by headings; a dot leads into an attribute. ``called`` is the
    attribute by which people name one.
    """

    noun: str
    path: str
    columns: Mapping[str, str]
    help: str
    settings: tuple[Setting, ...] = ()
    filters: tuple[Setting, ...] = ()
    called: str = "name"
    singular: str = field(init=False)
    plural: str = field(init=False)

    def __post_init__(self) -> None:
        singular = self.noun.replace(" ", "_")
        object.__setattr__(self, "singular", singular)
        object.__setattr__(self, "plural", f"{singular}s")

    def find(self, context: Context, name: str) -> Item:
        """By id or name."""
        return context.client.find(self.path, self.singular, self.plural, name, self.called)

    def commands(self) -> list[Command]:
        """What can be done with it here."""
        noun = self.noun.split()
        name = argument(
            "name",
            help=f"{self.called} or id".replace("_", " "),
            metavar="NAME",
            complete=self.noun,
        )
        made = [
            Command(
                (*noun, "list"),
                f"list {self.help}",
                self._list,
                tuple(f.option(create=False) for f in self.filters),
            ),
            Command((*noun, "show"), "show one with all that is known of it", self._show, (name,)),
        ]
        if self.settings:
            options = tuple(s.option(create=True) for s in self.settings)
            changes = tuple(s.option(create=False) for s in self.settings)
            fresh = argument("name", help="its name", metavar="NAME")
            made += [
                Command((*noun, "create"), "make one", self._create, (fresh, *options)),
                Command((*noun, "set"), "change one", self._set, (name, *changes)),
                Command((*noun, "delete"), "delete one", self._delete, (name,)),
            ]
        return made

    def _list(self, context: Context, args: argparse.Namespace) -> None:
        params = {}
        for one in self.filters:
            value = getattr(args, one.attribute)
            if value is not None and one.complete:
                value = BY_NOUN[one.complete].find(context, value)["id"]
            if value is not None:
                params[one.attribute] = str(value)
        items = context.client.list(self.path, self.plural, params)
        items.sort(key=lambda i: (str(i.get(self.called) or ""), str(i.get("id"))))
        context.output.items(items, self.columns)

    def _show(self, context: Context, args: argparse.Namespace) -> None:
        context.output.item(self.find(context, args.name))

    def _create(self, context: Context, args: argparse.Namespace) -> None:
        body = {self.singular: {"id": args.name, **self._given(args)}}
        context.output.item(context.client.post(self.path, body)[self.singular])

    def _set(self, context: Context, args: argparse.Namespace) -> None:
        given = self._given(args)
        if not given:
            raise UsageError(f"nothing to change: see sdnctl {self.noun} set --help")
        path = self._path_of(self.find(context, args.name))
        context.output.item(context.client.put(path, {self.singular: given})[self.singular])

    def _delete(self, context: Context, args: argparse.Namespace) -> None:
        context.client.delete(self._path_of(self.find(context, args.name)))
        context.output.done(f"{self.noun} {args.name} is deleted")

    def _path_of(self, item: Item) -> str:
        return f"{self.path}/{quote(str(item['id']), safe='')}"

    def _given(self, args: argparse.Namespace) -> Item:
        given = {s.attribute: getattr(args, s.attribute) for s in self.settings}
        password = given.pop("password_file", None)
        if password is not None:
            given["password"] = _first_line(Path(password))
        return {k: v for k, v in given.items() if v is not None}


def _first_line(path: Path) -> str:
    try:
        return path.read_text().partition("\n")[0]
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None


FAMILIES = ("ipv4-vpn", "ipv6-vpn", "l2vpn-evpn", "route-target")
_ENCAPSULATIONS = ("vxlan", "mpls-gre", "mpls-udp")
_NETWORK = Setting("network_id", "only those of this network", complete="network", flag="--network")

RESOURCES: tuple[Resource, ...] = (
    Resource(
        "hypervisor",
        "/sdn/v1/hypervisors",
        {
            "NAME": "id",
            "VTEP": "vtep",
            "ENCAPSULATIONS": "encapsulations",
            "MTU": "mtu",
            "ALIVE": "alive",
            "LAST SEEN": "last_seen",
        },
        "compute nodes",
        (
            Setting("vtep", "its address on the underlay", required=True),
            Setting(
                "encapsulations",
                "that it accepts and sends, best first; repeat",
                flag="--encapsulation",
                repeated=True,
                choices=_ENCAPSULATIONS,
            ),
            Setting("mtu", "of the underlay, octets", int),
            Setting("datapath_type", "of its Open vSwitch bridge", choices=("system", "netdev")),
            Setting("description", "for people"),
        ),
    ),
    Resource(
        "network",
        "/v2.0/networks",
        {
            "ID": "id",
            "NAME": "name",
            "VNI": "provider:segmentation_id",
            "LABEL": "sdn:label",
            "ENCAPSULATION": "sdn:encapsulation",
            "MTU": "mtu",
        },
        "networks (EVIs)",
    ),
    Resource(
        "subnet",
        "/v2.0/subnets",
        {
            "ID": "id",
            "NAME": "name",
            "NETWORK": "network_id",
            "CIDR": "cidr",
            "GATEWAY": "gateway_ip",
        },
        "subnets",
        filters=(_NETWORK,),
    ),
    Resource(
        "port",
        "/v2.0/ports",
        {
            "ID": "id",
            "NAME": "name",
            "MAC": "mac_address",
            "ADDRESSES": "fixed_ips",
            "HOST": "binding:host_id",
            "STATUS": "status",
        },
        "ports",
        filters=(
            _NETWORK,
            Setting("device_id", "only those of this device", flag="--device"),
            Setting("status", "only those in this state", choices=("ACTIVE", "DOWN", "BUILD")),
        ),
    ),
    Resource(
        "router",
        "/v2.0/routers",
        {
            "ID": "id",
            "NAME": "name",
            "VNI": "sdn:vni",
            "LABEL": "sdn:label",
            "EXTERNAL NETWORK": "external_gateway_info.network_id",
            "EXTERNAL ADDRESSES": "external_gateway_info.external_fixed_ips",
            "SNAT": "external_gateway_info.enable_snat",
            "DISTRIBUTED": "distributed",
            "IMPORTS": "sdn:import_targets",
            "EXPORTS": "sdn:export_targets",
        },
        "routers (VRFs), and their ways out",
    ),
    Resource(
        "floatingip",
        "/v2.0/floatingips",
        {
            "ADDRESS": "floating_ip_address",
            "ID": "id",
            "NETWORK": "floating_network_id",
            "FIXED ADDRESS": "fixed_ip_address",
            "PORT": "port_id",
            "ROUTER": "router_id",
            "FORWARDS": "port_forwardings",
            "STATUS": "status",
            "PROJECT": "project_id",
        },
        "floating IPs",
        filters=(
            dataclasses.replace(
                _NETWORK,
                attribute="floating_network_id",
                help="only those of this external network",
            ),
            Setting(
                "router_id", "only those behind this router", complete="router", flag="--router"
            ),
            Setting("port_id", "only those of this port", complete="port", flag="--port"),
            Setting("status", "only those in this state", choices=("ACTIVE", "DOWN")),
        ),
        called="floating_ip_address",
    ),
    Resource(
        "bgpvpn",
        "/v2.0/bgpvpn/bgpvpns",
        {
            "ID": "id",
            "NAME": "name",
            "TYPE": "type",
            "TARGETS": "route_targets",
            "IMPORTS": "import_targets",
            "EXPORTS": "export_targets",
            "NETWORKS": "networks",
            "ROUTERS": "routers",
            "PORTS": "ports",
        },
        "BGP VPNs",
    ),
    Resource(
        "gateway",
        "/sdn/v1/gateways",
        {
            "NAME": "id",
            "ADDRESS": "address",
            "ENCAPSULATIONS": "encapsulations",
            "PREFERENCE": "local_preference",
            "PROBE MS": "probe_interval",
            "REACHABLE FROM": "reachable_from",
            "UNREACHABLE FROM": "unreachable_from",
        },
        "data-centre gateways",
        (
            Setting("address", "its end of tunnels", required=True),
            Setting(
                "encapsulations",
                "to send to it, whatever it advertises; repeat",
                flag="--encapsulation",
                repeated=True,
                choices=_ENCAPSULATIONS,
            ),
            Setting("local_preference", "of the routes by it, whatever they say", int),
            Setting("probe_interval", "milliseconds between two probes of it; 0 for none", int),
            Setting("probe_multiplier", "probes unanswered that take it out of use", int),
            Setting("description", "for people"),
        ),
    ),
    Resource(
        "bgp peer",
        "/sdn/v1/bgp-peers",
        {
            "NAME": "id",
            "ADDRESS": "address",
            "ASN": "asn",
            "FAMILIES": "families",
            "GROUP": "group",
            "ADMIN UP": "admin_state_up",
        },
        "the routers and route reflectors to have sessions with",
        (
            Setting("address", "of the peer", required=True),
            Setting("asn", "of the peer", int, required=True),
            Setting(
                "families",
                "to exchange; repeat",
                flag="--family",
                repeated=True,
                choices=FAMILIES,
            ),
            Setting("group", "peers of one share a speaker process"),
            Setting("port", "TCP, of the peer; or to listen on, if passive", int),
            Setting("hold_time", "seconds; 0 for no keepalives", int),
            Setting("graceful_restart", "seconds (RFC 4724); 0 for off", int),
            Setting("long_lived_stale", "seconds (RFC 9494); 0 for off", int),
            Setting("passive", "wait for the peer's call", bool),
            Setting("ttl_security", "hops allowed (RFC 5082); 0 for off", int),
            Setting("max_prefixes", "received that end the session; 0 for no limit", int),
            Setting("add_path", "several paths to a prefix, both ways (RFC 7911)", bool),
            Setting("admin_state_up", "the session is wanted", bool),
            Setting("password_file", "holds the MD5 password (RFC 2385) in its first line"),
            Setting("description", "for people"),
        ),
    ),
    Resource(
        "link",
        "/sdn/v1/links",
        {"NAME": "id", "A": "a", "B": "b", "COST": "cost"},
        "cables of the underlay",
        (
            Setting("a", "a node: hypervisor, switch or gateway", required=True),
            Setting("b", "the other", required=True),
            Setting("cost", "of the underlay's routing", int),
            Setting("description", "for people"),
        ),
    ),
)

BY_NOUN = {r.noun: r for r in RESOURCES}
