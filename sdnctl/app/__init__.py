"""The composition root: the one place that knows everything."""

import os

# gRPC's event engine hands every message over one thread more than its older poller does: a tenth
# of the CPU of a change (make bench-latency). Read when grpc is first imported, which is after
# this; a gRPC that no longer knows the names says so once and goes on.
os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_client,-event_engine_listener")
