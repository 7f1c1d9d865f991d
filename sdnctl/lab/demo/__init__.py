"""The demo: two tenants with the same addresses, on three hypervisors and a gateway.

Promise: it uses the REST API and the lab's runner and nothing else, believes the packets and
not the controller, and says by its exit code whether all was as it should be.
"""
