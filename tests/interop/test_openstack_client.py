"""The real ``openstack`` client against a real server: what tenants and operators do with it."""

from __future__ import annotations

from pathlib import Path

import openstack as sdk
import pytest
from openstack import exceptions

from tests.interop.client import Client
from tests.server import running

pytestmark = pytest.mark.interop


def test_networks_and_subnets(openstack: Client) -> None:
    blue, after, external, tagged, extra = openstack(
        "network create --description hello --tag blue -f json o-net",
        "network set --name o-blue --mtu 1400 --tag navy o-net",
        "network show -f json o-blue",
        "network create --external -f json o-ext",
        "network list --long --tags blue,navy -f json",
        "network create -f json --extra-property type=list,name=sdn:import_targets,value=64512:1"
        " --extra-property name=sdn:encapsulation,value=mpls-gre o-pinned",
    )
    assert (blue["name"], blue["description"], blue["tags"]) == ("o-net", "hello", ["blue"])
    assert (after["name"], after["mtu"], after["tags"]) == ("o-blue", 1400, ["blue", "navy"])
    assert after["provider:network_type"] == "vxlan"
    assert external["router:external"] is True
    assert [row["Name"] for row in tagged] == ["o-blue"]
    assert extra["sdn:import_targets"] == ["64512:1"]
    assert extra["sdn:encapsulation"] == "mpls-gre"

    four, six, listed, changed, found = openstack(
        "subnet create --network o-blue --subnet-range 10.1.0.0/24 --gateway 10.1.0.1"
        " --dns-nameserver 9.9.9.9 --allocation-pool start=10.1.0.10,end=10.1.0.99"
        " --host-route destination=10.9.0.0/16,gateway=10.1.0.254 -f json o-sub",
        "subnet create --network o-blue --ip-version 6 --ipv6-ra-mode slaac"
        " --ipv6-address-mode slaac --subnet-range fd00:1::/64 -f json o-sub6",
        "subnet list --network o-blue --ip-version 4 -f json",
        "subnet set --dns-nameserver 1.1.1.1 --name o-sub4 o-sub",
        "subnet show -f json o-sub4",
        "network list --external -f json",
        "subnet unset --dns-nameserver 9.9.9.9 o-sub4",
    )
    assert four["allocation_pools"] == [{"start": "10.1.0.10", "end": "10.1.0.99"}]
    assert four["host_routes"] == [{"destination": "10.9.0.0/16", "nexthop": "10.1.0.254"}]
    assert (six["gateway_ip"], six["ipv6_address_mode"]) == ("fd00:1::", "slaac")
    assert [(row["ID"], row["Subnet"]) for row in listed] == [(four["id"], "10.1.0.0/24")]
    assert sorted(changed["dns_nameservers"]) == ["1.1.1.1", "9.9.9.9"]
    assert [row["Name"] for row in found] == ["o-ext"]

    assert "overlaps" in openstack.fails(
        "subnet create --network o-blue --subnet-range 10.1.0.128/25 o-clash"
    )
    [rest] = openstack(
        "subnet delete o-sub4 o-sub6",
        "network delete o-blue o-ext o-pinned",
        "network list -f json",
    )
    assert rest == []
    assert "No Network found for o-blue" in openstack.fails("network show o-blue")


def test_ports(openstack: Client) -> None:
    fixed, bound, listed, by_ip, by_host, tagged = openstack(
        "network create -f json p-net",
        "subnet create --network p-net --subnet-range 10.2.0.0/24 -f json p-sub",
        "port create --network p-net --fixed-ip subnet=p-sub,ip-address=10.2.0.50"
        " --mac-address fa:16:3e:00:00:50 -f json p-1",
        "port create --network p-net --host cn1 --vnic-type normal --device vm1"
        " --device-owner compute:nova --tag t0 -f json p-2",
        "port list --network p-net -f json",
        "port list --long --fixed-ip ip-address=10.2.0.50 -f json",
        "port list --host cn1 --device-owner compute:nova -f json",
        "port set --tag t1 --name p-one --fixed-ip subnet=p-sub,ip-address=10.2.0.51 p-1",
        "port list --tags t1 -f json",
        "port unset --tag t1 --fixed-ip subnet=p-sub,ip-address=10.2.0.50 p-one",
        "port set --disable --disable-port-security --no-security-group --host cn2 p-2",
    )[2:]
    assert fixed["fixed_ips"][0]["ip_address"] == "10.2.0.50"
    assert (fixed["mac_address"], fixed["status"]) == ("fa:16:3e:00:00:50", "DOWN")
    assert fixed["binding_vif_type"] == "unbound"
    assert (bound["binding_host_id"], bound["binding_vif_type"]) == ("cn1", "binding_failed")
    assert (bound["device_id"], bound["tags"]) == ("vm1", ["t0"])
    assert {row["Name"] for row in listed} == {"p-1", "p-2"}
    assert [row["Name"] for row in by_ip] == ["p-1"]
    assert [row["ID"] for row in by_host] == [bound["id"]]
    assert [row["Name"] for row in tagged] == ["p-one"]
    one, two = openstack("port show -f json p-one", "port show -f json p-2")
    assert [fixed["ip_address"] for fixed in one["fixed_ips"]] == ["10.2.0.51"]
    assert one["tags"] == []
    assert (two["admin_state_up"], two["port_security_enabled"]) == (False, False)
    assert two["binding_host_id"] == "cn2"
    assert "already allocated" in openstack.fails(
        "port create --network p-net --fixed-ip ip-address=10.2.0.51 p-3"
    )
    assert "is in use" in openstack.fails(
        "port create --network p-net --mac-address fa:16:3e:00:00:50 p-3"
    )
    assert "still in use" in openstack.fails("network delete p-net")
    openstack("port delete p-one p-2", "network delete p-net")


def test_routers(openstack: Client) -> None:
    made, subnet, shown, long, ports = openstack(
        "network create -f json r-net",
        "router create -f json r-r",
        "subnet create --network r-net --subnet-range 10.3.0.0/24 -f json r-sub",
        "router add subnet r-r r-sub",
        "router show -f json r-r",
        "router set --disable --name r-2 --tag edge r-r",
        "router list --long -f json",
        "port list --router r-2 -f json",
    )[1:]
    assert made["status"] == "ACTIVE"
    assert [i["ip_address"] for i in shown["interfaces_info"]] == ["10.3.0.1"]
    assert [(row["Name"], row["State"], row["Tags"]) for row in long] == [("r-2", False, ["edge"])]
    assert [row["Fixed IP Addresses"][0]["subnet_id"] for row in ports] == [subnet["id"]]
    assert "ports still attached" in openstack.fails("router delete r-2")
    assert "already has a port" in openstack.fails("router add subnet r-2 r-sub")
    [third] = openstack(
        "router remove subnet r-2 r-sub",
        "port create --network r-net -f json r-port",
        "router add port r-2 r-port",
        "router remove port r-2 r-port",
        "router unset --all-tag r-2",
        "router delete r-2",
        "network delete r-net",
    )
    assert third["fixed_ips"][0]["ip_address"] == "10.3.0.2"


def test_subnet_pools_and_address_scopes(openstack: Client) -> None:
    scope, pool, _, first, second, grown, renamed, pools, scopes, network = openstack(
        "address scope create --ip-version 4 -f json s-scope",
        "subnet pool create --address-scope s-scope --pool-prefix 10.64.0.0/12"
        " --default-prefix-length 24 --min-prefix-length 20 --tag t -f json s-pool",
        "network create -f json s-net",
        "subnet create --network s-net --subnet-pool s-pool --prefix-length 26 -f json s-sub",
        "subnet create --network s-net --subnet-pool s-pool --subnet-range 10.65.0.0/24 -f json"
        " s-sub2",
        "subnet pool set --pool-prefix 10.128.0.0/16 --description more s-pool",
        "subnet pool show -f json s-pool",
        "subnet pool set --name s-p2 --default-prefix-length 25 s-pool",
        "subnet pool show -f json s-p2",
        "subnet pool list --long --address-scope s-scope -f json",
        "address scope list --ip-version 4 -f json",
        "network show -f json s-net",
    )
    assert (pool["default_prefixlen"], pool["tags"]) == (24, ["t"])
    assert (first["cidr"], first["subnetpool_id"]) == ("10.64.0.0/26", pool["id"])
    assert second["cidr"] == "10.65.0.0/24"
    assert grown["prefixes"] == ["10.64.0.0/12", "10.128.0.0/16"]
    assert renamed["default_prefixlen"] == 25
    assert [row["ID"] for row in pools] == [pool["id"]]
    assert [row["ID"] for row in scopes] == [scope["id"]]
    assert network["ipv4_address_scope"] == scope["id"]
    assert "existing allocations" in openstack.fails("subnet pool delete s-p2")
    assert "in use" in openstack.fails("address scope delete s-scope")
    assert "minimum allowed prefix" in openstack.fails(
        "subnet create --network s-net --subnet-pool s-p2 --prefix-length 19 s-sub3"
    )
    [rest] = openstack(
        "network delete s-net",
        "subnet pool unset --tag t s-p2",
        "subnet pool delete s-p2",
        "address scope set --name s-s2 s-scope",
        "address scope delete s-s2",
        "subnet pool list -f json",
    )
    assert rest == []


def test_rbac_policies(openstack: Client) -> None:
    _, made, shown, listed, external, networks, pools = openstack(
        "network create -f json b-net",
        "network rbac create --type network --action access_as_shared --target-all-projects"
        " -f json b-net",
        "network show -f json b-net",
        "network rbac list --type network --action access_as_shared --long -f json",
        "network rbac create --type network --action access_as_external --target-all-projects"
        " -f json b-net",
        "network list --external --share -f json",
        "subnet pool create --share --pool-prefix 10.64.0.0/12 -f json b-pool",
    )
    assert (made["action"], made["target_project_id"]) == ("access_as_shared", "*")
    assert shown["shared"] is True
    assert [row["ID"] for row in listed] == [made["id"]]
    assert [row["Name"] for row in networks] == ["b-net"]
    [pool] = openstack("network rbac list --type subnetpool -f json")
    assert [row["Object ID"] for row in pool] == [pools["id"]]
    assert "already exists" in openstack.fails(
        "network rbac create --type network --action access_as_shared --target-all-projects b-net"
    )
    shown, after, rest = openstack(
        f"network rbac show -f json {made['id']}",
        f"network rbac delete {made['id']} {external['id']}",
        "network show -f json b-net",
        "network delete b-net",
        "subnet pool delete b-pool",
        "network rbac list -f json",
    )
    assert shown["object_id"] == made["object_id"]
    assert after["shared"] is False
    assert rest == []
    for kind, named in (("security_group", "security group"), ("address_group", "address group")):
        _, made, shown = openstack(
            f"{named} create -f json b-group",
            f"network rbac create --type {kind} --action access_as_shared --target-all-projects"
            " -f json b-group",
            f"{named} show -f json b-group",
        )
        assert made["object_type"] == kind, shown
        openstack(f"network rbac delete {made['id']}", f"{named} delete b-group")


def test_what_operators_look_at(openstack: Client) -> None:
    network, _, agents, zones, availabilities, availability, segments = openstack(
        "network create -f json v-net",
        "subnet create --network v-net --subnet-range 10.8.0.0/29 -f json v-sub",
        "network agent list -f json",
        "availability zone list --network -f json",
        "ip availability list -f json",
        "ip availability show -f json v-net",
        "network segment list --network v-net --long -f json",
    )
    assert agents == zones == []
    assert [row["Total IPs"] for row in availabilities if row["Network Name"] == "v-net"] == [5]
    assert (availability["total_ips"], availability["used_ips"]) == (5, 0)
    assert [row["Network"] for row in segments] == [network["id"]]
    [segment] = openstack(f"network segment show -f json {network['id']}", "network delete v-net")
    assert segment["segmentation_id"] == network["provider:segmentation_id"]


def test_quotas(openstack: Client) -> None:
    [made] = openstack("network create -f json q-net")
    project = made["project_id"]
    if not project:
        pytest.skip("nobody is in a project without identity")
    shown, usage = openstack(
        f"quota set --networks 1 --router-routes 30 --no-force {project}",
        f"quota show --network -f json {project}",
        f"quota show --network --usage -f json {project}",
    )
    limits = {row["Resource"]: row["Limit"] for row in shown}
    assert (limits["networks"], limits["router_routes"]) == (1, 30)
    [networks] = [row for row in usage if row["Resource"] == "networks"]
    assert (networks["Limit"], networks["In Use"], networks["Reserved"]) == (1, 1, 0)
    assert "Quota exceeded for resources: ['network']" in openstack.fails("network create q-more")
    [rest] = openstack(
        f"quota delete --network {project}",
        "network create -f json q-more",
        "network delete q-net q-more",
    )
    assert rest["name"] == "q-more"


def test_what_is_served_beside(openstack: Client) -> None:
    [extensions] = openstack("extension list --network -f json")
    assert {"router", "standard-attr-tag"} <= {row["Alias"] for row in extensions}


# The SDK warns of itself.
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_the_sdk_walks_pages_and_guards_by_revision(tmp_path: Path) -> None:
    with running(tmp_path / "db") as server:
        cloud = sdk.connect(auth_type="none", auth={"endpoint": f"http://127.0.0.1:{server.port}"})
        made = [cloud.network.create_network(name=f"n{number}") for number in range(7)]
        assert [n.id for n in cloud.network.networks(limit=3)] == sorted(n.id for n in made)
        assert [n.name for n in cloud.network.networks(name="n3")] == ["n3"]
        assert cloud.network.find_network("n9") is None
        with pytest.raises(exceptions.HttpException, match="current revision is 1") as raised:
            cloud.network.update_network(made[0], if_revision=7, name="x")
        assert raised.value.status_code == 412
        cloud.network.update_network(made[0], if_revision=1, name="x")
        with pytest.raises(exceptions.NotFoundException):
            cloud.network.get_network("n9")
        cloud.close()


def test_a_static_token(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text("sesame")
    with running(tmp_path / "db", token) as server:
        url = f"http://127.0.0.1:{server.port}"
        client = Client(OS_AUTH_TYPE="admin_token", OS_ENDPOINT=url, OS_TOKEN="sesame")
        made, listed = client("network create -f json t-net", "network list -f json")
        assert [row["ID"] for row in listed] == [made["id"]]
        stranger = Client(OS_AUTH_TYPE="admin_token", OS_ENDPOINT=url, OS_TOKEN="guess")
        assert "401" in stranger.fails("network list")


def test_security_groups(openstack: Client) -> None:
    group, rule, remote, rules, listed, default, shown = openstack(
        "security group create --description web -f json s-web",
        "security group rule create --ingress --protocol tcp --dst-port 22:23"
        " --remote-ip 10.0.0.0/8 -f json s-web",
        "security group rule create --ingress --ethertype IPv6 --protocol icmp"
        " --icmp-type 128 --remote-group s-web -f json s-web",
        "security group rule list -f json s-web",
        "security group list -f json",
        "security group show -f json default",
        "security group set --name s-www s-web",
        "security group show -f json s-www",
    )
    assert (group["name"], group["stateful"]) == ("s-web", True)
    assert (rule["port_range_min"], rule["port_range_max"]) == (22, 23)
    assert (rule["protocol"], rule["normalized_cidr"]) == ("tcp", "10.0.0.0/8")
    assert (remote["protocol"], remote["remote_group_id"]) == ("ipv6-icmp", group["id"])
    assert {(r["Direction"], r["IP Protocol"], r["Port Range"]) for r in rules} == {
        ("egress", None, ""),
        ("ingress", "tcp", "22:23"),
        ("ingress", "ipv6-icmp", "type=128"),
    }
    assert {row["Name"] for row in listed} == {"default", "s-web"}
    assert len(default["rules"]) == 4
    assert shown["id"] == group["id"]
    assert "already exists" in openstack.fails(
        "security group rule create --ingress --protocol tcp --dst-port 22:23"
        " --remote-ip 10.0.0.0/8 s-www"
    )

    _network, _subnet, made, less, off = openstack(
        "network create -f json s-net",
        "subnet create --network s-net --subnet-range 10.3.0.0/24 -f json s-sub",
        "port create --network s-net --security-group s-www"
        " --allowed-address ip-address=10.3.0.200,mac-address=00:00:5e:00:01:01 -f json s-p1",
        "port set --security-group default s-p1",
        "port unset --security-group s-www"
        " --allowed-address ip-address=10.3.0.200,mac-address=00:00:5e:00:01:01 s-p1",
        "port show -f json s-p1",
        "port set --disable-port-security --no-security-group s-p1",
        "port show -f json s-p1",
    )
    assert made["security_group_ids"] == [group["id"]]
    pair = {"ip_address": "10.3.0.200", "mac_address": "00:00:5e:00:01:01"}
    assert made["allowed_address_pairs"] == [pair]
    assert (less["security_group_ids"], less["allowed_address_pairs"]) == ([default["id"]], [])
    assert (off["security_group_ids"], off["port_security_enabled"]) == ([], False)
    openstack("port set --enable-port-security --security-group s-www s-p1")
    assert "in use" in openstack.fails("security group delete s-www")

    addresses, user, more, fewer = openstack(
        "address group create --address 10.4.0.0/24 -f json s-far",
        "security group rule create --egress --remote-address-group s-far -f json s-www",
        "address group set --address 10.5.0.0/24 s-far",
        "address group show -f json s-far",
        "address group unset --address 10.4.0.0/24 s-far",
        "address group show -f json s-far",
    )
    assert user["remote_address_group_id"] == addresses["id"]
    assert more["addresses"] == ["10.4.0.0/24", "10.5.0.0/24"]
    assert fewer["addresses"] == ["10.5.0.0/24"]
    assert "in use" in openstack.fails("address group delete s-far")
    [left, groups] = openstack(
        f"security group rule delete {user['id']}",
        "address group delete s-far",
        "port delete s-p1",
        "network delete s-net",
        "security group delete s-www",
        "address group list -f json",
        "security group list -f json",
    )
    assert (left, [row["Name"] for row in groups]) == ([], ["default"])


def test_what_guests_are_told(openstack: Client) -> None:
    network, _subnet, made, after = openstack(
        "network create --dns-domain red.example. -f json o-told",
        "subnet create --network o-told --subnet-range 10.9.0.0/24 --dns-nameserver 192.0.2.53"
        " --host-route destination=10.8.0.0/16,gateway=10.9.0.9 -f json o-told-4",
        "port create --network o-told --dns-name web1 -f json"
        " --extra-dhcp-option name=tftp-server,value=192.0.2.7"
        " --extra-dhcp-option name=bootfile-url,value=http://boot/x,ip-version=6 o-told-p",
        "port set --extra-dhcp-option name=tftp-server,value=192.0.2.8 o-told-p",
        "port show -f json o-told-p",
    )
    assert network["dns_domain"] == "red.example."
    assert made["extra_dhcp_opts"] == [
        {"opt_name": "tftp-server", "opt_value": "192.0.2.7", "ip_version": 4},
        {"opt_name": "bootfile-url", "opt_value": "http://boot/x", "ip_version": 6},
    ]
    assert made["dns_assignment"] == [
        {"ip_address": "10.9.0.2", "hostname": "web1", "fqdn": "web1.red.example."}
    ]
    assert after["extra_dhcp_opts"][0]["opt_value"] == "192.0.2.8"
    refused = openstack.fails("port create --network o-told --extra-dhcp-option name=x,value=y z")
    assert "'x' is not the name or number of an option of DHCPv4" in refused
