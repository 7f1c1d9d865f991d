"""Metadata for instances (169.254.169.254 and fe80::a9fe:a9fe), served on their host.

The switch rewrites a guest's address to one that names its port, and puts the packet out to an
interface of the host, where the agent's own TCP stack takes it. So there is no namespace and no
connection tracking, tenants with equal addresses never meet, and who asks is what the switch
says, not what the guest does. What is asked goes on to Nova's metadata service.
"""
