"""What the controller has seen of the world, as far as the API shows it.

The API asks; whoever hears from the agents answers. In a process without agents
``NothingObserved`` says honestly that nothing was seen.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from sdnctl.types import Ip


class HypervisorState(NamedTuple):
    """``last_seen`` is seconds since the epoch, 0 if never; versions are texts as reported."""

    alive: bool = False
    last_seen: int = 0
    agent_version: str = ""


class Reach(NamedTuple):
    """The hypervisors that probe an address: those that it answers, and those that it does not."""

    answered: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()


class Observed(Protocol):
    """What was seen; every call must be cheap, lists make one for each row."""

    def port_status(self, port_id: str) -> str:
        """``ACTIVE`` once the port is programmed on its hypervisor, else ``DOWN``."""
        ...

    def hypervisor(self, hypervisor_id: str) -> HypervisorState:
        """What is known of a hypervisor's agent."""
        ...

    def reach(self, address: Ip) -> Reach:
        """Which hypervisors see a next hop, of those that probe it and whose agents are there."""
        ...

    def nova_state(self) -> dict[str, Any] | None:
        """How it stands with what Nova is told; None where nobody tells it."""
        ...


class NothingObserved:
    """No agent was ever heard of."""

    def port_status(self, port_id: str) -> str:
        """Always ``DOWN``."""
        del port_id
        return "DOWN"

    def hypervisor(self, hypervisor_id: str) -> HypervisorState:
        """Never seen."""
        del hypervisor_id
        return HypervisorState()

    def reach(self, address: Ip) -> Reach:
        """None probes it."""
        del address
        return Reach()

    def nova_state(self) -> dict[str, Any] | None:
        """Nobody is told."""
        return None
