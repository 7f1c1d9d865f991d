"""The shapes of all flows, written with os-ken and compiled to ``templates.py``.

Promise: ``python -m sdnctl_vrouter.drivers.ovs.shapes`` prints ``templates.py``, whose bytes
are os-ken's for any value of the fields. The agent never imports this package: os-ken costs
22 MiB, and 60 us for what a template does in 0.4.
"""

from sdnctl_vrouter.drivers.ovs.shapes import (
    answer,
    ask,
    classify,
    forward,
    guard,
    metadata,
    nat,
    parts,
    security,
    standby,
)
from sdnctl_vrouter.drivers.ovs.shapes.words import SHAPES

__all__ = [
    "SHAPES",
    "answer",
    "ask",
    "classify",
    "forward",
    "guard",
    "metadata",
    "nat",
    "parts",
    "security",
    "standby",
]
