"""The agent on a hypervisor: makes the local switch do what the controller tells."""

import os

# As in sdnctl.app: one thread hand-over less a message. Before grpc is first imported.
os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_client,-event_engine_listener")
