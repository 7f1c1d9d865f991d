"""The controller's REST API over the lab's unix socket, in as few words as the demo needs."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from sdnctl.lab.errors import LabError

Item = dict[str, Any]


class Api:
    """A connection; a context manager."""

    def __init__(self, socket: Path) -> None:
        self._http = httpx.Client(
            base_url="http://controller",
            transport=httpx.HTTPTransport(uds=str(socket)),
            timeout=30,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def create(self, path: str, kind: str, **attributes: object) -> Item:
        """POST one; what was made."""
        made: Item = self.send("POST", path, {kind: attributes})[kind]
        return made

    def list(self, path: str, plural: str) -> list[Item]:
        """Every item of a collection."""
        items: list[Item] = self.send("GET", path)[plural]
        return items

    def send(self, method: str, path: str, body: Item | None = None) -> Any:
        """Any request; the body of the answer, None if it has none."""
        try:
            answer = self._http.request(method, path, json=body)
        except httpx.TransportError as error:
            raise LabError(f"{method} {path}: {error}") from None
        if not answer.is_success:
            raise LabError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None
