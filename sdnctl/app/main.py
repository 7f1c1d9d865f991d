"""``sdnctl-controller``: run a controller, or make the certificates of its agents."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import ipaddress
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Final

import uvicorn
import uvloop

from sdnctl import interpreter
from sdnctl.api import ApiError, Settings, make_app, make_server
from sdnctl.api.app import NEUTRON
from sdnctl.api.identity import Directory, bootstrap
from sdnctl.api.keystone import Keystone, read_account
from sdnctl.api.quotas import parse_default
from sdnctl.api.settings import new_password, read_token
from sdnctl.app.controller import Controller
from sdnctl.bgp.peer import families_of
from sdnctl.bgp.speakers import Speakers
from sdnctl.inspect.rest import make_routes
from sdnctl.intent import Link, User
from sdnctl.logs import set_up_logs
from sdnctl.nova import Compute, Notifier, read_options
from sdnctl.southbound.pki import PkiError, enrol, init_ca, server_credentials
from sdnctl.southbound.server import AgentServer
from sdnctl.store import Ranges, Store, StoreError
from sdnctl.types import Ip

STATE_DIR: Final = Path("/var/lib/sdnctl")
BACKLOG: Final = 2048
LOOK_SECONDS: Final = 1.0
"""Between two looks at which agents are there."""

DEFERRAL_SECONDS: Final = 10.0
"""How long agents wait for the routes of gateways after a start; they lose nothing meanwhile."""

_log = logging.getLogger("sdnctl.app")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    root = argparse.ArgumentParser(prog="sdnctl-controller", description=__doc__)
    root.add_argument(
        "--state-dir",
        type=Path,
        default=STATE_DIR,
        metavar="DIR",
        help="store, sockets and certificates (default: %(default)s)",
    )
    root.add_argument(
        "--api",
        type=_address,
        default="127.0.0.1:9696",
        metavar="HOST:PORT",
        help="network API; DIR/api.sock always (default: %(default)s)",
    )
    root.add_argument("--token-file", type=Path, metavar="FILE", help="ask API clients for it")
    who = root.add_mutually_exclusive_group()
    who.add_argument(
        "--keystone",
        type=Path,
        metavar="FILE",
        help="ask API clients for Keystone's tokens; FILE has a section [keystone_authtoken]",
    )
    who.add_argument(
        "--identity",
        action="store_true",
        help="serve users, projects and roles at /identity/v3; ask API clients for its tokens",
    )
    root.add_argument(
        "--nova",
        type=Path,
        metavar="FILE",
        help="tell Nova of its servers' ports; FILE has a section [nova], as Neutron's",
    )
    root.add_argument(
        "--agents",
        type=_address,
        default="127.0.0.1:9697",
        metavar="HOST:PORT",
        help="where agents connect (default: %(default)s)",
    )
    root.add_argument(
        "--pki",
        type=Path,
        metavar="DIR",
        help="certificates of the agent stream (default: STATE_DIR/pki, if it is there)",
    )
    root.add_argument(
        "--insecure",
        action="store_true",
        help="serve agents in plain text, and the API without a token, beyond loopback",
    )
    root.add_argument("--asn", type=_asn, default=64512, help="our AS (default: %(default)s)")
    root.add_argument(
        "--router-id",
        type=_router_id,
        default="127.0.0.1",
        metavar="IP",
        help="BGP identifier, an IPv4 address",
    )
    root.add_argument("--mtu", type=_mtu, default=1450, help="of new networks, in octets")
    root.add_argument(
        "--quota",
        type=_quota,
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help="how much of a resource, as in port=500, a project may have without a quota of its "
        "own; repeatable (default: any number)",
    )
    root.add_argument("--verbose", action="store_true", help="log more")
    commands = root.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("run", help="run the controller (the default)")
    admin = commands.add_parser(
        "bootstrap", help="make the administrator of --identity, or set its password"
    )
    admin.add_argument("--user", default="admin", metavar="NAME", help="(default: %(default)s)")
    admin.add_argument("--project", default="admin", metavar="NAME", help="(default: %(default)s)")
    admin.add_argument(
        "--password-file",
        type=Path,
        metavar="FILE",
        help="holds the password; written with a new one if it is not there (default: ask)",
    )
    commands.add_parser("init-ca", help="make the certificate authority of the agent stream")
    one = commands.add_parser("enrol", help="issue a hypervisor its certificate")
    one.add_argument("name", help="the hypervisor's name")
    one.add_argument("--out", type=Path, help="directory for it (default: PKI/NAME)")
    return root


def main(arguments: list[str] | None = None) -> int:
    """0 well, 1 refused or failed, 2 wrong usage."""
    options = parser().parse_args(arguments)
    set_up_logs(logging.DEBUG if options.verbose else logging.INFO)
    pki: Path = options.pki or options.state_dir / "pki"
    try:
        match options.command:
            case "init-ca":
                init_ca(pki)
                sys.stdout.write(f"authority and controller certificate are in {pki}\n")
            case "enrol":
                out: Path = options.out or pki / options.name
                enrol(pki, options.name, out)
                sys.stdout.write(f"copy {out}/*.pem to {options.name}, then remove key.pem here\n")
            case "bootstrap":
                password = new_password(options.password_file)
                asyncio.run(_bootstrap(options, password))
                sys.stdout.write(f"{options.user} is the administrator\n")
            case _:
                uvloop.run(_run(options, pki))
    except (ApiError, PkiError, StoreError, OSError, ValueError) as error:
        sys.stderr.write(f"sdnctl-controller: {error}\n")
        return 1
    return 0


def _address(text: str) -> str:
    host, _colon, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= 0xFFFF:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return text


def _asn(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 0xFFFFFFFF:
        raise argparse.ArgumentTypeError(f"{text!r} is not an AS number")
    return int(text)


def _router_id(text: str) -> Ip:
    """RFC 6286: any four octets but zero."""
    with contextlib.suppress(ValueError):
        ip = Ip.parse(text)
        if ip.version == 4 and any(ip):
            return ip
    raise argparse.ArgumentTypeError(f"{text!r} is not an IPv4 address that names a router")


def _mtu(text: str) -> int:
    if not text.isdecimal() or not 68 <= int(text) <= 0xFFFF:  # RFC 791 section 3.2
        raise argparse.ArgumentTypeError(f"{text!r} is not an MTU")
    return int(text)


def _quota(text: str) -> tuple[str, int]:
    try:
        return parse_default(text, NEUTRON)
    except ValueError as reason:
        raise argparse.ArgumentTypeError(str(reason)) from None


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _run(options: argparse.Namespace, pki: Path) -> None:
    state: Path = options.state_dir
    state.mkdir(mode=0o700, parents=True, exist_ok=True)  # noqa: ASYNC240 - before anything runs
    token = read_token(options.token_file) if options.token_file else ""
    account = read_account(options.keystone) if options.keystone else None
    if not (token or account or options.identity) and not _is_loopback(options.api):
        if not options.insecure:
            raise ValueError(
                f"--api {options.api} needs --token-file, --keystone, --identity or --insecure"
            )
        _log.warning("the API asks nobody for a token", extra={"address": options.api})
    wanted = options.pki is not None or (pki / "cert.pem").exists()
    credentials = server_credentials(pki) if wanted else None
    if credentials is None and not _is_loopback(options.agents):
        if not options.insecure:
            raise ValueError(
                f"--agents {options.agents} needs certificates (init-ca), or --insecure"
            )
        _log.warning("agents are served in plain text", extra={"address": options.agents})
    async with contextlib.AsyncExitStack() as stack:
        store = await Store.open(state / "store.db", ranges=Ranges())
        stack.push_async_callback(store.close)
        controller = Controller(
            store, asn=options.asn, router_id=options.router_id, epoch=await store.next_epoch()
        )
        gc.disable()  # millions of objects are made here and none is garbage
        controller.load()
        gc.enable()
        if options.nova:
            await _connect_nova(options.nova, controller, stack)
        keystone = None
        if account is not None:
            keystone = Keystone(account)
            stack.push_async_callback(keystone.close)
        directory = await _open_directory(store, stack) if options.identity else None
        api = _api(options, controller, token, keystone, directory)
        # Doors first: who cannot have them has not touched the speaker of who does.
        sockets = [_tcp(options.api), _unix(state / "api.sock")]
        stack.callback((state / "api.sock").unlink, missing_ok=True)
        for listener in sockets:
            stack.callback(listener.close)
        controller.agents = AgentServer(controller.delivery, credentials)
        controller.agents.hold()
        await controller.agents.start(options.agents)
        stack.push_async_callback(controller.agents.stop)
        speakers = Speakers(state, controller.learned, controller.session_changed)
        controller.connect_speakers(speakers)
        await speakers.start()
        stack.push_async_callback(speakers.stop)
        admitting = asyncio.create_task(_admit(controller, speakers))
        stack.callback(admitting.cancel)
        interpreter.settle()
        _log.info(
            "ready",
            extra={"api": options.api, "agents": options.agents, "revision": store.revision},
        )
        await api.serve(sockets=sockets)


async def _admit(controller: Controller, speakers: Speakers) -> None:
    """Answer agents once the gateways' routes are here: else a restart would withdraw them.

    So does BGP itself (RFC 4724 section 4.1: the Selection_Deferral_Timer). From then on look
    after those that do not come back, or go.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DEFERRAL_SECONDS):
            while not speakers.heard:  # noqa: ASYNC110 - once a start
                await asyncio.sleep(0.01)
    if controller.agents is not None:
        controller.agents.admit()
    controller.admitted()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        controller.look_after()


async def _open_directory(store: Store, stack: contextlib.AsyncExitStack) -> Directory:
    directory = await Directory.open(store)
    stack.callback(directory.passwords.close)
    if not store.rows(User):
        _log.warning("nobody can log in yet: sdnctl-controller bootstrap")
    return directory


async def _connect_nova(
    path: Path, controller: Controller, stack: contextlib.AsyncExitStack
) -> None:
    text = read_token(path)
    try:
        nova = Compute(read_options(text))
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None
    stack.push_async_callback(nova.close)
    notifier = Notifier(nova)
    stack.push_async_callback(notifier.close)
    controller.connect_nova(notifier)
    telling = asyncio.create_task(notifier.run())
    stack.callback(telling.cancel)


async def _bootstrap(options: argparse.Namespace, password: str) -> None:
    state: Path = options.state_dir
    state.mkdir(mode=0o700, parents=True, exist_ok=True)  # noqa: ASYNC240 - nothing else runs
    store = await Store.open(state / "store.db", ranges=Ranges())
    try:
        await bootstrap(store, options.user, options.project, password)
    finally:
        await store.close()


def _api(
    options: argparse.Namespace,
    controller: Controller,
    token: str,
    keystone: Keystone | None,
    directory: Directory | None,
) -> uvicorn.Server:
    """The server of the API; SIGTERM and SIGINT end it from now on, and with it the rest."""
    app = make_app(
        controller.store,
        Settings(token=token, mtu=options.mtu, asn=options.asn, quotas=dict(options.quota)),
        controller,
        authenticator=keystone,
        directory=directory,
        routes=make_routes(
            controller.engine,
            controller.delivery,
            lambda: list(controller.store.rows(Link)),
            controller.bgp_sessions,
            families_of,
        ),
    )
    server = make_server(app)

    def end() -> None:
        server.should_exit = True
        controller.observed.end()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    return server


def _tcp(address: str) -> socket.socket:
    host, _colon, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, int(port)))
        listener.listen(BACKLOG)  # two may be bound to a port, but one only listens
    except OSError as error:
        listener.close()
        raise OSError(f"cannot serve the API on {address}: {error}") from error
    return listener


def _unix(path: Path) -> socket.socket:
    """A socket for this user alone; a stale one of a killed process is replaced."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
        listener.listen(BACKLOG)  # who reads "ready" may come at once
    finally:
        os.umask(mask)
    return listener
