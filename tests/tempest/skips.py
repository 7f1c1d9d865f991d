"""What of tempest's network tests does not run, and why. A skip that is not here fails the run."""

from __future__ import annotations

import dataclasses
import re
from typing import Final


@dataclasses.dataclass(frozen=True, slots=True)
class Skip:
    """``pattern`` is searched in tempest's own reason for it; ``why`` is ours."""

    pattern: str
    why: str


@dataclasses.dataclass(frozen=True, slots=True)
class Wait:
    """Tests, by a pattern of their names, of an extension that tempest does not ask for.

    They run as soon as ``extension`` is listed.
    """

    pattern: str
    extension: str


SKIPS: Final = (
    Skip("metering extension", "metering: the switches count what each guest sends"),
    Skip("dhcp_agent_scheduler", "every hypervisor answers its own guests: nothing to schedule"),
    Skip("service-type extension", "there is one provider of each service"),
    Skip("^tag extension", "the extension `tag` is called `standard-attr-tag` since 2017"),
    Skip("compute service", "asks Nova for a hypervisor's name: runs with --keystone"),
    Skip("extraroute", "routers have no routes of their own yet"),
    Skip("(?i)floating ips are not available", "floating IPs are not served yet"),
    Skip("(?i)dvr extension", "routers have no choice of where they are yet"),
    Skip("(?i)extension: l3-ha", "routers have no choice of where they are yet"),
    Skip("(?i)ext-gw-mode", "routers have no external gateway yet"),
)

WAITS: Final = (
    Wait(r"test_create_port_with_precreated_floatingip_as_fixed_ip", "ext-gw-mode"),
    Wait(r"\.test_update_router_(set|unset)_gateway$", "ext-gw-mode"),
    Wait(r"\.test_create_show_list_update_delete_router$", "ext-gw-mode"),
    Wait(r"\.test_router_add_gateway_invalid_network_returns_404$", "ext-gw-mode"),
)


def waits_for(test: str, extensions: set[str]) -> str:
    """The extension that the test waits for; empty if there is none."""
    for wait in WAITS:
        if wait.extension not in extensions and re.search(wait.pattern, test):
            return wait.extension
    return ""
