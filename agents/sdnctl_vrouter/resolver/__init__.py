"""A resolver for each network, on the host: names of its ports here, the rest forwarded.

It is reached as the metadata service is, so the network that a question is of is what the switch
says. What it knows is what the agent was told; nothing is cached.
"""
