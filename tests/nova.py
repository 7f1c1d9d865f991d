"""What Nova and Keystone answer, as their API references say, for who tells Nova of events.

It checks requests by Nova's own schema of them, and its behaviour is the test's to choose.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import jsonschema

from sdnctl.nova.events import Event

PASSWORD = "nobody else's"

SCHEMA = {
    "type": "object",
    "required": ["events"],
    "additionalProperties": False,
    "properties": {
        "events": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["name", "server_uuid"],
                "additionalProperties": False,
                "properties": {
                    "name": {
                        "enum": [
                            "network-changed",
                            "network-vif-plugged",
                            "network-vif-unplugged",
                            "network-vif-deleted",
                        ]
                    },
                    "server_uuid": {"type": "string"},
                    "status": {"enum": ["failed", "completed", "in-progress"]},
                    "tag": {"type": "string", "maxLength": 255},
                },
            },
        }
    },
}
"""Of microversion 2.1."""


class Nova:
    """A Nova that knows ``servers``, or with None every one, and the Keystone before it.

    ``behave`` answers a call instead, with a status and a body; None leaves it to Nova, and
    HangUp closes the connection without a word.
    """

    def __init__(self, servers: set[str] | None = None) -> None:
        self.servers = servers
        self.without_host: set[str] = set()
        self.behave: Callable[[], tuple[int, Any] | None] = lambda: None
        self.old = False
        """It answers 404 where it knows no server of a batch (before 21.0)."""
        self.calls: list[list[Event]] = []
        """Batches that were taken, in part at least."""
        self.tries = 0
        self.logins = 0
        self.login_status = 201
        self.tokens: set[str] = set()
        self.interface, self.region, self.service = "public", "RegionOne", "compute"
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.port: int = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def told(self) -> list[Event]:
        """All events that it was told."""
        return [event for call in self.calls for event in call]

    def options(self, **more: str) -> str:
        """The section for a controller that is to tell it."""
        given = {
            "auth_url": self.url,
            "username": "neutron",
            "password": PASSWORD,
            "project_domain_id": "default",
            "user_domain_id": "default",
            "project_name": "service",
            "region_name": self.region,
        }
        lines = [f"{name} = {value}" for name, value in (given | more).items()]
        return "\n".join(["[nova]", *lines, ""])

    # ---- answers

    def log_in(self, body: Any) -> tuple[int, Any, str]:
        self.logins += 1
        identity = body["auth"]["identity"]
        user = identity["password"]["user"]
        assert user["domain"] == {"id": "default"}, user
        if user["password"] != PASSWORD or self.login_status != 201:
            return (401 if self.login_status == 201 else self.login_status), {}, ""
        token = uuid.uuid4().hex
        self.tokens.add(token)
        endpoint = {
            "interface": self.interface,
            "region_id": self.region,
            "url": f"{self.url}/v2.1",
        }
        catalog = [{"type": self.service, "endpoints": [endpoint]}]
        return 201, {"token": {"catalog": catalog}}, token

    def take(self, token: str, body: Any) -> tuple[int, Any]:
        self.tries += 1
        if token not in self.tokens:
            return 401, {"error": {"code": 401}}
        if (answer := self.behave()) is not None:
            return answer
        try:
            jsonschema.validate(body, SCHEMA)
            for event in body["events"]:
                uuid.UUID(event["server_uuid"])
        except (jsonschema.ValidationError, ValueError) as error:
            return 400, {"badRequest": {"code": 400, "message": str(error)}}
        rows = [row | self._code(row["server_uuid"]) for row in body["events"]]
        if self.old and all(row["code"] != 200 for row in rows):
            message = "No instances found for any event"
            return 404, {"itemNotFound": {"code": 404, "message": message}}
        self.calls.append([Event(**event) for event in body["events"]])
        return (200 if all(row["code"] == 200 for row in rows) else 207), {"events": rows}

    def _code(self, server: str) -> dict[str, Any]:
        if self.servers is not None and server not in self.servers:
            return {"code": 404, "status": "failed"}
        if server in self.without_host:
            return {"code": 422, "status": "failed"}
        return {"code": 200, "status": "completed"}


class HangUp(Exception):
    """Close the connection."""


def slow(seconds: float) -> Callable[[], None]:
    """Nova takes its time."""
    return lambda: time.sleep(seconds)


def _handler(nova: Nova) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):  # a controller that is killed
                super().handle()

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

        def do_POST(self) -> None:
            body: Any = json.loads(self.rfile.read(int(self.headers["content-length"])))
            token = ""
            try:
                match self.path:
                    case "/v3/auth/tokens":
                        status, answer, token = nova.log_in(body)
                    case "/v2.1/os-server-external-events":
                        status, answer = nova.take(self.headers["x-auth-token"], body)
                    case _:
                        status, answer = 404, {"message": "no such place"}
            except HangUp:
                self.close_connection = True
                return
            text = json.dumps(answer).encode() if not isinstance(answer, bytes) else answer
            self.send_response(status)
            self.send_header("content-length", str(len(text)))
            if token:
                self.send_header("x-subject-token", token)
            self.end_headers()
            self.wfile.write(text)

    return Handler
