"""The data plane of a gateway whose kernel has no VRF, MPLS or GRE.

Promise: Open vSwitch forwards as the gateway's own BGP daemon says, and as nothing else says.
The VPNv4 and VPNv6 routes in the daemon's table, imported by route target into the gateway's
VRFs, go out as MPLS over GRE; what comes in with a VRF's label goes to that VRF's outside
alone. The gateway announces its VRFs' outside prefixes through the same daemon. It stands for
any router with L3VPN over GRE (RFC 4364, RFC 4659, RFC 4023) and knows no controller.

The daemon is GoBGP: it originates VPN routes with a chosen label, route targets and the
encapsulation community (RFC 9012) and needs no VRF device. FRR 8.4 takes a VRF for each, and
its route maps set route targets, site of origin and bandwidth, but no encapsulation.
"""
