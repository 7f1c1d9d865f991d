"""What the controller says about itself in one look."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from sdnctl.api.values import Json
from sdnctl.api.work import Context
from sdnctl.intent import KINDS, Hypervisor


def status(context: Context) -> Json:
    """Version, the store's revision, how many rows of each kind, how many hypervisors live.

    And, where Nova is told of its servers' ports, how that stands.
    """
    hypervisors = context.store.rows(Hypervisor)
    nova = context.observed.nova_state()
    return {
        "version": _version(),
        "revision": context.store.revision,
        "rows": {kind: len(context.store.rows(row)) for kind, row in KINDS.items()},
        "hypervisors_alive": sum(context.observed.hypervisor(h.id).alive for h in hypervisors),
    } | ({"nova": nova} if nova is not None else {})


def _version() -> str:
    try:
        return version("sdnctl")
    except PackageNotFoundError:
        return "unknown"
