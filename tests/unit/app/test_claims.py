"""Who has an address that several may have: who said so last, whatever order that is heard in."""

from __future__ import annotations

from sdnctl.app.claims import Claims
from sdnctl.graph.model import make_engine
from sdnctl.graph.relations.inputs import CLAIM, HYPERVISOR, NETWORK, PORT, Claim
from sdnctl.intent import AddressPair, Hypervisor, Network, Port
from sdnctl.types import Ip, Label, Mac, Prefix, Vni

VIP, OTHER = Ip.parse("10.0.0.200"), Ip.parse("10.0.0.201")
VIRTUAL = Mac.parse("00:00:5e:00:01:07")


def mac(n: int) -> Mac:
    return Mac(bytes((0xFA, 0x16, 0x3E, 0, 0, n)))


class House:
    """Two guests on two hypervisors that may have the address, by their own MACs or one more."""

    def __init__(self) -> None:
        self.engine = make_engine(64512)
        self.claims = Claims(self.engine)
        network = Network(id="n", vni=Vni(100), label=Label(100), number=1)
        self.engine.commit([(NETWORK, "n", network)])
        for n in (1, 2):
            host = Hypervisor(id=f"h{n}", vtep=Ip.parse(f"192.0.2.{n}"))
            pairs = tuple(AddressPair(m, Prefix.host(VIP)) for m in (mac(n), VIRTUAL))
            port = Port(
                id=f"p{n}",
                network_id="n",
                mac=mac(n),
                host=host.id,
                allowed_address_pairs=pairs,
            )
            self.engine.commit([(HYPERVISOR, host.id, host), (PORT, port.id, port)])

    def says(self, n: int, at: float, by: Mac | None = None, ip: Ip = VIP, host: int = 0) -> bool:
        """Guest ``n`` says that it has the address; whether that changes anything."""
        said = self.claims.said(f"h{host or n}", f"p{n}", by or mac(n), ip, at)
        if said is not None:
            self.engine.commit([(CLAIM, *said)])
        return said is not None

    @property
    def holder(self) -> Claim | None:
        return self.engine.rows(CLAIM).get(("n", VIP))


def test_the_last_has_it() -> None:
    house = House()
    assert house.says(1, 10.0)
    assert not house.says(1, 11.0), "nothing new"
    assert house.says(2, 12.0)
    assert house.holder == Claim("p2", mac(2), 1)
    assert house.says(2, 13.0, by=VIRTUAL)
    assert house.holder == Claim("p2", VIRTUAL, 2)


def test_what_was_said_before_counts_as_of_then() -> None:
    """After a restart agents say again what their guests said, in any order."""
    for order in ((1, 2), (2, 1)):
        house = House()
        for n in order:
            house.says(n, {1: 50.0, 2: 40.0}[n])
        assert house.holder is not None
        assert house.holder.port_id == "p1"
    house.says(1, 60.0)  # again, which keeps it from what comes late
    assert not house.says(2, 55.0)


def test_only_what_a_port_may_have_and_only_from_its_hypervisor() -> None:
    house = House()
    assert not house.says(1, 1.0, ip=OTHER)
    assert not house.says(1, 1.0, by=mac(2))
    assert not house.says(1, 1.0, host=2)
    assert not house.says(3, 1.0, by=mac(1), host=1)
    assert house.holder is None


def test_a_port_that_is_gone_has_nothing() -> None:
    house = House()
    house.says(1, 10.0)
    assert house.claims.forget("p2") == []
    assert house.claims.forget("p1") == [("n", VIP)]
    house.engine.commit([(CLAIM, ("n", VIP), None)])
    assert house.says(2, 1.0), "whenever it was said"
