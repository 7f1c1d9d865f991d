"""Every relation of the graph: the schema that the rule families share.

A module for each stage, in the order in which rules run: what is given, what it makes (VPNs, ways
out, instances, attachments), routes, and what agents are told of all that.
"""
