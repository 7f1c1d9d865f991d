"""The network API: Neutron v2.0, and our own beside it under /sdn/v1.

``make_app`` gives the ASGI application; ``Observed`` is what it wants to know of the world.
"""

from sdnctl.api.app import make_app
from sdnctl.api.errors import ApiError
from sdnctl.api.http import JsonResponse
from sdnctl.api.observed import HypervisorState, NothingObserved, Observed, Reach
from sdnctl.api.server import make_server
from sdnctl.api.settings import Settings, read_token

__all__ = [
    "ApiError",
    "HypervisorState",
    "JsonResponse",
    "NothingObserved",
    "Observed",
    "Reach",
    "Settings",
    "make_app",
    "make_server",
    "read_token",
]
