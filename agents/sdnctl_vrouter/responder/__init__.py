"""What the agent says to guests in place of servers: DHCP, DHCPv6, router advertisements.

Promise: pure functions of a frame and of what the agent was told; no socket, no clock, no state,
so an answer is the same on every hypervisor and after any restart. Leases are not kept: an
address is a port's for as long as the controller says so.
"""
