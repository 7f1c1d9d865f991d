"""Nova's API, as far as it takes events: ``POST /os-server-external-events``.

Promise: one call is one batch, and it ends: with Nova's answer for each event, with RefusedError
where Nova will never take the batch as it is, with AwayError where it may take it later. A token
that Nova does not take is renewed once; after anything else that fails the next call logs in anew,
and so finds a Nova that has moved. Keeps a token and an address; nothing of events. No secret is
in what it says.

The account is to be an administrator's: to one that has the role ``service`` alone, which its
policy lets in, Nova 34 answers 404 for the servers of all other projects.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import httpx

from sdnctl.keystone import Account, KeystoneError, log_in, make_client, read_account
from sdnctl.nova.events import Event

SECTION: Final = "nova"
INTERFACES: Final = ("public", "internal", "admin")
TIMEOUT_S: Final = 30.0
"""For an answer: Nova looks every server up in its cell's database first."""


class AwayError(Exception):
    """Nova does not take events now; the text says why."""


class RefusedError(Exception):
    """Nova does not take this batch, and never will."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """As whom Nova is told, and where it is: ``endpoint``, or in Keystone's catalogue."""

    account: Account
    region: str = ""
    interface: str = "public"
    endpoint: str = ""


class Answers(NamedTuple):
    """How many events Nova took on, and those that it knew no server for, with its code."""

    taken: int
    unknown: list[tuple[Event, int]]


def read_options(text: str) -> Options:
    """The section ``[nova]`` as Neutron has it; ValueError if it is not whole."""
    account, section = read_account(text, SECTION)
    interface = section.get("endpoint_type", "public").removesuffix("URL")
    if interface not in INTERFACES:
        raise ValueError("has an endpoint_type in [nova] that is not public, internal or admin")
    return Options(
        account=account,
        region=section.get("region_name", ""),
        interface=interface,
        endpoint=section.get("endpoint_override", "").rstrip("/"),
    )


class Compute:
    """See the module. ``close`` when done."""

    def __init__(self, options: Options, timeout: float = TIMEOUT_S) -> None:
        self._options = options
        self._http = make_client(options.account, timeout)
        self._token = ""
        self._endpoint = ""

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()

    async def tell(self, events: Sequence[Event]) -> Answers:
        """Nova's answers to a batch; AwayError and RefusedError as the module says."""
        try:
            answer = await self._post(events)
            if answer.status_code == httpx.codes.UNAUTHORIZED:
                self._token = ""
                answer = await self._post(events)
            return _read(answer, events)
        except AwayError:
            self._token = ""
            raise

    async def _post(self, events: Sequence[Event]) -> httpx.Response:
        options = self._options
        try:
            if not self._token:
                login = await log_in(self._http, options.account)
                self._endpoint = options.endpoint or login.endpoint(
                    "compute", options.interface, options.region
                )
                self._token = login.token
            return await self._http.post(
                f"{self._endpoint}/os-server-external-events",
                json={"events": [event._asdict() for event in events]},
                headers={"X-Auth-Token": self._token},
            )
        except KeystoneError as error:
            raise AwayError(str(error)) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise AwayError(f"Nova does not answer: {type(error).__name__}") from None


def _read(answer: httpx.Response, events: Sequence[Event]) -> Answers:
    match answer.status_code:
        case 200 | 207:  # all taken, or some
            rows = _rows(answer, "events")
            if not isinstance(rows, list) or len(rows) != len(events):
                raise AwayError("Nova's answer makes no sense")
            codes = [row.get("code") if isinstance(row, dict) else None for row in rows]
            found = [(e, code) for e, code in zip(events, codes, strict=True) if code != 200]
            unknown = [(event, code if isinstance(code, int) else 0) for event, code in found]
            return Answers(len(events) - len(unknown), unknown)
        case 404 if _rows(answer, "itemNotFound") is not None:
            # So it says of a batch of which it knows no server (Nova before 21.0, bug 1855752);
            # a wrong address says something else.
            return Answers(0, [(event, 404) for event in events])
        case 400 | 413:
            raise RefusedError(f"Nova refuses: {answer.status_code}")
        case status:
            raise AwayError(f"Nova answers {status}")


def _rows(answer: httpx.Response, name: str) -> Any:
    try:
        body = answer.json()
    except ValueError:
        return None
    return body.get(name) if isinstance(body, dict) else None
