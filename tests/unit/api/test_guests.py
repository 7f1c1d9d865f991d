from __future__ import annotations

from typing import Any

import pytest

from tests.unit.api.client import Api


def option(name: str, value: str | None, version: int = 4) -> dict[str, Any]:
    return {"opt_name": name, "opt_value": value, "ip_version": version}


async def test_options_are_merged_as_neutron_does(api: Api) -> None:
    network, _ = await api.network("10.1.0.0/24")
    port = await api.create(
        "ports",
        network_id=network["id"],
        extra_dhcp_opts=[
            {"opt_name": "tftp-server", "opt_value": "1.2.3.4"},
            option("bootfile-name", "a.0"),
        ],
    )
    assert port["extra_dhcp_opts"] == [
        option("tftp-server", "1.2.3.4"),
        option("bootfile-name", "a.0"),
    ]
    port = await api.update(
        "ports",
        port["id"],
        extra_dhcp_opts=[
            option("tftp-server", None),
            option("bootfile-name", "b.0"),
            option("bootfile-url", "http://[2001:db8::1]/", 6),
            option("router", ""),
        ],
    )
    wanted = [
        option("bootfile-name", "b.0"),
        option("bootfile-url", "http://[2001:db8::1]/", 6),
        option("router", ""),
    ]
    assert port["extra_dhcp_opts"] == wanted
    port = await api.update("ports", port["id"], extra_dhcp_opts=[])
    assert port["extra_dhcp_opts"] == wanted, "an empty list says nothing"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (option("", "x"), "must not be empty"),
        (option("tftp-server", ""), "must not be empty"),
        (option("no-such-option", "x"), "is not the name or number"),
        (option("mtu", "much"), "is not a number"),
        (option("53", "1"), "cannot be chosen"),
        (option("router", "2001:db8::1"), "IPv4"),
        (option("dns-server", "192.0.2.1", 6), "IPv6"),
        (option("tftp-server", "x", 5), "5"),
        ({"opt_name": "mtu"}, "opt_value"),
        (option("x" * 65, "1"), "64"),
        (option("tftp-server", "x" * 256), "255"),
        (option("255", "x"), "is not the name or number"),
        (option("²", "x"), "is not the name or number"),
    ],
)
async def test_what_cannot_be_sent_is_refused(api: Api, given: dict[str, Any], reason: str) -> None:
    network, _ = await api.network("10.1.0.0/24")
    body = {"port": {"network_id": network["id"], "extra_dhcp_opts": [given]}}
    await api.refused("POST", "ports", body, 400, "HTTPBadRequest", reason)


async def test_names_of_ports(api: Api) -> None:
    network, _ = await api.network("10.1.0.0/24", dns_domain="Red.Example.")
    assert network["dns_domain"] == "red.example."
    port = await api.create("ports", network_id=network["id"], dns_name="Web1")
    assert port["dns_name"] == "web1"
    assert port["dns_assignment"] == [
        {"ip_address": "10.1.0.2", "hostname": "web1", "fqdn": "web1.red.example."}
    ]
    assert [p["id"] for p in await api.rows("ports?dns_name=web1")] == [port["id"]]
    for field, value in (("dns_name", "a_b"), ("dns_name", "-a"), ("dns_name", "a" * 64)):
        body = {"port": {"network_id": network["id"], field: value}}
        await api.refused("POST", "ports", body, 400, "HTTPBadRequest", "is not a host name")
    body = {"network": {"dns_domain": "no-dot"}}
    await api.refused("POST", "networks", body, 400, "HTTPBadRequest", "ends in a dot")
