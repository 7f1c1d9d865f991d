"""What a network's resolver knows by itself: its ports, by name and by address."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sdnctl.desired import Desired, HostName
from sdnctl.types import Ip, Vni
from sdnctl_vrouter.resolver import dns
from sdnctl_vrouter.resolver.dns import Question
from sdnctl_vrouter.responder.guest import Guest


class Names(NamedTuple):
    """The names of one network.

    ``by_name`` gives the addresses of a host name, ``by_ip`` the host name of an address that
    has one, ``exists`` whether the network has the address at all.
    """

    by_name: Callable[[str], Sequence[Ip]]
    by_ip: Callable[[Ip], str]
    exists: Callable[[Ip], bool]


class NameTable:
    """The named ports of all networks, by name and by address."""

    def __init__(self) -> None:
        self._rows: dict[tuple[Vni, str | Ip], dict[str, HostName]] = {}

    def put(self, old: Desired | None, new: Desired | None) -> None:
        """One port's name changes."""
        if isinstance(old, HostName):
            for found in _found_by(old):
                rows = self._rows.get(found, {})
                rows.pop(old.key, None)
                if not rows:
                    self._rows.pop(found, None)
        if isinstance(new, HostName):
            for found in _found_by(new):
                self._rows.setdefault(found, {})[new.key] = new

    def of(self, vni: Vni, exists: Callable[[Ip], bool]) -> Names:
        """One network's; of two ports with one name both answer."""

        def by_name(name: str) -> list[Ip]:
            rows = self._rows.get((vni, name), {})
            return [ip for key in sorted(rows) for ip in rows[key].addresses]

        def by_ip(ip: Ip) -> str:
            rows = self._rows.get((vni, ip), {})
            return rows[min(rows)].name if rows else ""

        return Names(by_name, by_ip, exists)


def _found_by(row: HostName) -> list[tuple[Vni, str | Ip]]:
    return [(row.vni, row.name), *((row.vni, ip) for ip in row.addresses)]


def answer(question: Question, guest: Guest, names: Names) -> bytes | None:
    """What the network knows; None for what is to be asked elsewhere."""
    ip = dns.reversed_ip(question.name)
    if ip is not None:
        return _reverse(question, ip, guest, names)
    host, domain = _host(question.name, guest)
    if host is None:
        return None
    found = names.by_name(host)
    if not found:
        by_address = address_of(host)
        found = [by_address] if by_address is not None and names.exists(by_address) else []
    if found:
        return dns.addresses(question, found)
    # A domain may have more names than those of its ports; a bare name is nobody else's.
    return None if domain else dns.answer(question, dns.NO_SUCH_NAME)


def _host(name: str, guest: Guest) -> tuple[str | None, str]:
    """The name without the network's domain, and the domain if there was one."""
    for subnet in guest.subnets:
        domain = subnet.domain.rstrip(".").lower()
        if domain and name.endswith("." + domain):
            return name[: -len(domain) - 1], domain
    return (name, "") if name and "." not in name else (None, "")


def _reverse(question: Question, ip: Ip, guest: Guest, names: Names) -> bytes | None:
    for subnet in guest.subnets:
        if ip in subnet.prefix:
            if not names.exists(ip):
                return dns.answer(question, dns.NO_SUCH_NAME)
            name = names.by_ip(ip) or f"host-{str(ip).replace('.', '-').replace(':', '-')}"
            return dns.pointer(question, f"{name}.{subnet.domain}")
    return None


def address_of(host: str) -> Ip | None:
    """The address that a name like host-10-0-0-1 is made of."""
    if not host.startswith("host-"):
        return None
    digits = host.removeprefix("host-")
    for separator in ".:":
        for text in (digits.replace("-", separator), digits.replace("-", separator)[:-1]):
            try:
                return Ip.parse(text)
            except ValueError:
                continue
    return None
