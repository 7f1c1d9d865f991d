"""A data plane in memory: what it was told, and failures and waits on demand.

For tests of what stands above a driver, and for agents in number without switches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sdnctl.delta import Change
from sdnctl.desired import Desired, LocalPort
from sdnctl_vrouter.drivers.base import Failure, Reachability, VifStatus, unheard


class FakeDriver:
    """Programs at once; every local port has a VIF.

    ``broken`` maps keys to the reason why they fail; ``held`` keeps ``done`` until ``release``.
    """

    def __init__(self) -> None:
        self.programmed: dict[str, Desired] = {}
        self.broken: dict[str, str] = {}
        self.dropped: dict[str, int] = {}
        self.held = False
        self.synced = False
        self._waiting: list[Callable[[], None]] = []

    async def start(
        self,
        on_vif: Callable[[VifStatus], None],
        on_failure: Callable[[Failure], None],
        on_reachability: Callable[[Reachability], None] = unheard,
    ) -> None:
        """See ``Driver``."""
        self._on_vif, self._on_failure = on_vif, on_failure
        self.on_reachability = on_reachability

    def apply(
        self,
        changes: Sequence[Change[str, Desired]],
        done: Callable[[Sequence[Failure]], None],
    ) -> None:
        """See ``Driver``."""
        failures = []
        for key, _, new in changes:
            if new is None:
                self.programmed.pop(key, None)
            elif key in self.broken:
                failures.append(Failure(key, self.broken[key]))
            else:
                self.programmed[key] = new

        def answer() -> None:
            done(failures)
            for key, _, new in changes:
                if isinstance(new, LocalPort):
                    up = key in self.programmed and new.admin_state_up
                    self._on_vif(VifStatus(new.port_id, up))

        if self.held:
            self._waiting.append(answer)
        else:
            answer()

    def release(self) -> None:
        """Answer what waits, in order, and hold no longer."""
        self.held = False
        waiting, self._waiting = self._waiting, []
        for answer in waiting:
            answer()

    def in_sync(self) -> None:
        """See ``Driver``."""
        self.synced = True

    async def audit(self) -> list[str]:
        """See ``Driver``."""
        return []

    async def drops(self) -> dict[str, int]:
        """See ``Driver``."""
        return dict(self.dropped)

    async def stop(self) -> None:
        """See ``Driver``."""
        self._waiting.clear()
