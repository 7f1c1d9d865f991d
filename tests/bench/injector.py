"""The peer of the benchmark of bulk routes: a gobgpd that is given routes over its gRPC API.

As a controller in Python would give them: packed and written as they are asked for, a thousand
in a message; those with the same attributes follow each other.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

import grpc

from sdnctl.routes import IpPrefixRoute, Nlri, Path, by_path
from sdnctl.types import Encapsulation
from tests.interop.base import run
from tests.interop.router_gobgp import Gobgp

pb: Any = grpc.protos("tests/bench/gobgp.proto")

METHOD: Final = "/apipb.GobgpApi/AddPathStream"
PATHS_PER_MESSAGE: Final = 1000
ROUTE_TARGET: Final = 2
VPN_IPV4: Final = {"afi": 1, "safi": 128}


class Injector(Gobgp):
    """It serves its API on a Unix socket too: the benchmark is in another namespace."""

    def run(self, *, again: bool) -> None:
        del again
        self.socket = self.directory / "api.sock"
        hosts = f":50051,unix://{self.socket}"
        self.spawn("gobgpd", "-f", f"{self.directory}/gobgpd.toml", "--api-hosts", hosts)
        gobgp = ("ip", "netns", "exec", self.namespace, "gobgp")
        self.answers(lambda: run(*gobgp, "neighbor", self.neighbor, check=False))
        # Its routes say themselves what they are encapsulated with.
        self.gobgp("global", "policy", "import", "del", "encapsulation")

    def inject(self, routes: Iterable[tuple[Nlri, Path]]) -> float:
        """Have it announce these VPNv4 routes; gives the CPU seconds of doing so, its own aside."""
        began = time.process_time()
        with grpc.insecure_channel(f"unix:{self.socket}") as channel:
            channel.stream_unary(METHOD)(_messages(routes), timeout=120)
        return time.process_time() - began


def _messages(routes: Iterable[tuple[Nlri, Path]]) -> Iterator[bytes]:
    paths: list[Any] = []
    for nlri, path in by_path(routes):
        assert isinstance(nlri, IpPrefixRoute)
        paths.append(_path(nlri, path))
        if len(paths) == PATHS_PER_MESSAGE:
            yield pb.AddPathStreamRequest(paths=paths).SerializeToString()
            paths = []
    if paths:
        yield pb.AddPathStreamRequest(paths=paths).SerializeToString()


def _path(nlri: IpPrefixRoute, path: Path) -> Any:
    address, _colon, number = str(nlri.rd).rpartition(":")
    made = pb.Path(family=pb.Family(**VPN_IPV4))
    prefix = pb.LabeledVPNIPAddressPrefix(
        labels=[path.label], prefix_len=nlri.prefix.length, prefix=str(nlri.prefix.ip)
    )
    prefix.rd.Pack(pb.RouteDistinguisherIPAddress(admin=address, assigned=int(number)))
    made.nlri.Pack(prefix)
    made.pattrs.add().Pack(pb.OriginAttribute(origin=path.origin))
    made.pattrs.add().Pack(pb.NextHopAttribute(next_hop=str(path.next_hop)))
    communities = pb.ExtendedCommunitiesAttribute()
    for target in path.route_targets:
        asn, _colon, value = str(target).rpartition(":")
        communities.communities.add().Pack(
            pb.TwoOctetAsSpecificExtended(
                is_transitive=True, sub_type=ROUTE_TARGET, asn=int(asn), local_admin=int(value)
            )
        )
    for encapsulation in path.encapsulations:
        if encapsulation is not Encapsulation.VXLAN:
            communities.communities.add().Pack(pb.EncapExtended(tunnel_type=encapsulation))
    made.pattrs.add().Pack(communities)
    return made
