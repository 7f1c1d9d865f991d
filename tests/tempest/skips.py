"""What of tempest's network tests does not run, and why. A skip that is not here fails the run."""

from __future__ import annotations

import dataclasses
from typing import Final


@dataclasses.dataclass(frozen=True, slots=True)
class Skip:
    """``pattern`` is searched in tempest's own reason for it; ``why`` is ours."""

    pattern: str
    why: str


SKIPS: Final = (
    Skip("metering extension", "metering: the switches count what each guest sends"),
    Skip("dhcp_agent_scheduler", "every hypervisor answers its own guests: nothing to schedule"),
    Skip("compute service", "asks Nova for a hypervisor's name: runs with --keystone"),
    Skip("flavors extension", "flavors: of routers there is one kind"),
    Skip("port-resource-request", "resource requests: no placement service is told of bandwidth"),
    Skip("minimum_bandwidth rule type", "minimum bandwidth is kept, and not carried out"),
    Skip("pvlan|ovn-bgp|evpn ext", "extensions of Neutron's OVN driver; here it is bgpvpn"),
    Skip("external-gateway-multihoming", "a router has one gateway"),
    Skip("network-segment-range|type.driver|provider VLAN", "networks are VXLAN's, all of them"),
    Skip("standard-attr-segment", "the one segment of a network is made with it"),
    Skip("l3-ndp-proxy|router-interface-fip", "IPv6 goes out as it is"),
    Skip("logging extension", "logging of packets is not there yet"),
    Skip("local_ip", "local IPs are not there yet"),
    Skip("l3-conntrack-helper", "connection tracking helpers are nobody's to choose"),
    Skip("auto-allocated-topology", "topologies are not guessed"),
    Skip("router-admin-state-down|floating-ip-router-writable", "of Neutron's agents alone"),
    Skip("l3_agent_scheduler|supported agent|DHCP agent", "there is no agent to schedule to"),
    Skip("port-trusted-vif", "of SR-IOV"),
    Skip("quota-check-limit-default|dns-domain-ports", "is not there yet"),
    Skip("outdated", "the plugin's own: of a release that is gone"),
)

LEFT: Final = (
    Skip("test_network_attached_with_two_routers", "a network is in one VRF, its one router's"),
    Skip(
        r"RbacSharedQosPoliciesTest\.test_policy_sharing_with_wildcard$",
        "its owner's own use of a policy does not keep it shared with everybody",
    ),
    Skip(
        "test_rule_create_forbidden_for_regular_projects",
        "another project's policy is not there, whatever is asked of it: 404, not 403",
    ),
    Skip(
        "RbacSharedAddressGroupTest.test_regular_client_blocked_from_updating",
        "what is seen and not the caller's to change is refused with 403, whatever it is",
    ),
    Skip(r"test_update_network_mtu$", "what fits the underlay is told to guests, not refused"),
    Skip("RoutersTestHA", "routers are everywhere: no network is made to watch them"),
    Skip("test_wildcard_policy_delete_blocked_on_default_ext", "no external network is default"),
    Skip(
        "QosSearchCriteriaTest.test_list_pagination_with_href_links",
        "no page begins after what the caller does not see",
    ),
    Skip(
        "RbacSharedQosPoliciesTest.test_network_presence_prevents_policy_rbac",
        "what is everybody's may become that project's which uses it",
    ),
    Skip("test_allocate_ips_are_from_correct_subnet", "names owners of ports that there are none"),
)
"""Tests that are not run, by their names: they want what is otherwise here, on purpose."""
