"""Labs: a containerlab topology brought up in network namespaces, where there is no Docker.

Promise: ``up`` gives the topology of the file with every node's services running, or an
error and nothing left; ``down`` ends exactly what ``up`` started. Knows the controller and
the agents only as programs with options and a REST API, never as modules.
"""
