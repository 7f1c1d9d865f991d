"""The way out of a router's VRF and back: what addresses become, and what must have become of them.

The tracker translates, in the router's zone; a connection that it knows keeps the addresses that
it began with. So what comes out of it is looked at once more: only what is translated as it is
today goes on. Translated addresses that are no more thus end their connections, without a flush.
What ct() found in one zone is cleared before the next: it translates a packet only once a zone.
"""

from sdnctl_vrouter.drivers.ovs.shapes.nat import exits, floating, forwardings, tracker

__all__ = ["exits", "floating", "forwardings", "tracker"]
