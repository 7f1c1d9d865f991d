"""The API on a socket: uvicorn, set up as the measurements want it, with a bound on heads."""

from __future__ import annotations

from typing import Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD: Final = 1 << 16
"""Octets of a request line and headers that may come without being complete."""


def make_server(app: ASGIApp, host: str = "127.0.0.1", port: int = 9696) -> uvicorn.Server:
    """A server for ``await server.serve()`` in the caller's event loop; 9696 is Neutron's port.

    Run it in uvloop's: there a header and a body written in one turn leave in one segment.
    Apart they cost clients that delay acknowledgements 44 ms a call.
    """
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=_BoundedHttp,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_keep_alive=75,
            # Who follows or waits for something would hold up the end for as long.
            timeout_graceful_shutdown=2,
        )
    )


class _BoundedHttp(HttpToolsProtocol):
    """uvicorn's protocol collects a head of any length; the application bounds bodies only."""

    _in_head = False
    _pending = 0

    def data_received(self, data: bytes) -> None:
        """Feed the parser unless the head has grown too long."""
        if self._in_head:
            self._pending += len(data)
            if self._pending > MAX_HEAD:
                self.send_400_response("The head of the request is too long.")
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head, self._pending = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """It is complete."""
        self._in_head = False
        super().on_headers_complete()
