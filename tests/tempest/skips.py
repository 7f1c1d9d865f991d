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
)
