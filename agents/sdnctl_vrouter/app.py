"""``sdnctl-vrouter``: the agent, put together."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import logging
import os
import signal
import socket
import sys
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any, Final

import grpc
import uvloop

from sdnctl import interpreter
from sdnctl.logs import set_up_logs
from sdnctl.types import Ip
from sdnctl_vrouter.drivers.base import Failure, Reachability, VifStatus
from sdnctl_vrouter.drivers.ovs.driver import OvsDriver
from sdnctl_vrouter.drivers.ovs.pipeline import METADATA_PORT
from sdnctl_vrouter.memory import Memory, recall
from sdnctl_vrouter.metadata import interface
from sdnctl_vrouter.metadata.proxy import MetadataProxy, Upstream
from sdnctl_vrouter.reconciler import Reconciler
from sdnctl_vrouter.resolver.server import Resolver
from sdnctl_vrouter.session import ClientSession
from sdnctl_vrouter.stream import Stream

STATE_DIR: Final = Path("/var/lib/sdnctl-vrouter")

_log = logging.getLogger("sdnctl_vrouter.app")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    root = argparse.ArgumentParser(prog="sdnctl-vrouter", description=__doc__)
    root.add_argument(
        "--name", default=socket.gethostname(), help="this hypervisor (default: %(default)s)"
    )
    root.add_argument(
        "--controller",
        default="127.0.0.1:9697",
        metavar="HOST:PORT[,...]",
        help="controllers, tried in turn (default: %(default)s)",
    )
    root.add_argument(
        "--state-dir", type=Path, default=STATE_DIR, metavar="DIR", help="(default: %(default)s)"
    )
    root.add_argument(
        "--pki",
        type=Path,
        metavar="DIR",
        help="ca.pem, cert.pem and key.pem (default: STATE_DIR/pki, if it is there)",
    )
    root.add_argument(
        "--insecure", action="store_true", help="speak plain text to controllers beyond loopback"
    )
    root.add_argument(
        "--ovs-rundir",
        default="/var/run/openvswitch",
        metavar="DIR",
        help="where db.sock is (default: %(default)s)",
    )
    root.add_argument("--bridge", default="br-int", help="(default: %(default)s)")
    root.add_argument(
        "--datapath",
        choices=("system", "netdev"),
        default="system",
        help="of the bridge, if it must be made (default: %(default)s)",
    )
    root.add_argument(
        "--metadata",
        type=Upstream.parse,
        metavar="URL",
        help="Nova's metadata service, http://HOST:PORT, for guests that ask 169.254.169.254",
    )
    root.add_argument(
        "--metadata-secret",
        type=Path,
        metavar="FILE",
        help="holds what Nova has as [neutron] metadata_proxy_shared_secret",
    )
    root.add_argument(
        "--resolver",
        type=_resolvers,
        metavar="IP[,...]",
        help="resolve names of ports for guests whose subnet names no resolver, and ask these "
        "for all others",
    )
    root.add_argument(
        "--dscp-inherit",
        action="store_true",
        help="guests' code points, marked by a QoS policy or their own, go into the outer header "
        "of VXLAN too, for an underlay that queues by it",
    )
    root.add_argument("--verbose", action="store_true", help="log more")
    return root


def main(arguments: list[str] | None = None) -> int:
    """0 well, 1 refused or failed, 2 wrong usage."""
    options = parser().parse_args(arguments)
    set_up_logs(logging.DEBUG if options.verbose else logging.INFO)
    try:
        uvloop.run(_run(options))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"sdnctl-vrouter: {error}\n")
        return 1
    return 0


async def _run(options: argparse.Namespace) -> None:
    controllers = [address for address in options.controller.split(",") if address]
    pki: Path = options.pki or options.state_dir / "pki"
    wanted = options.pki is not None or (pki / "cert.pem").exists()
    credentials = _credentials(pki) if wanted else None
    if credentials is None and not all(_is_loopback(a) for a in controllers):
        if not options.insecure:
            raise ValueError(f"{options.controller} needs certificates (--pki), or --insecure")
        _log.warning("plain text to the controller", extra={"controller": options.controller})
    state: Path = options.state_dir
    state.mkdir(mode=0o700, parents=True, exist_ok=True)  # noqa: ASYNC240 - before anything runs
    epoch = EpochFile(state / "epoch")
    secret = _secret(options)
    host_services = options.metadata is not None or options.resolver is not None
    driver = OvsDriver(
        options.ovs_rundir,
        bridge=options.bridge,
        datapath_type=options.datapath,
        metadata=host_services,
        resolver=options.resolver is not None,
        inherit_dscp=options.dscp_inherit,
    )
    told = state / "told"
    driver.recall(recall(told))
    reconciler = Reconciler(driver)
    memory = Memory(told, reconciler)
    session = ClientSession(epoch.read(), epoch.write)
    stream = Stream(options.name, controllers, session, memory, credentials=credentials)

    driver.on_claim(stream.claimed)

    def vif_changed(status: VifStatus) -> None:
        stream.vif_changed(status)

    def key_failed(failure: Failure) -> None:
        _log.warning("key", extra={"key": failure.key, "reason": failure.reason or "recovered"})
        stream.key_failed(failure)

    def reachability_changed(reachability: Reachability) -> None:
        _log.warning("next hop", extra={"vtep": str(reachability.vtep), "answers": reachability.up})
        stream.reachability_changed(reachability)

    await reconciler.start(vif_changed, key_failed, reachability_changed)
    interpreter.settle()
    parts = [stream.run(), stream.watch_drops(), memory.run()]
    if host_services:
        proxy = MetadataProxy(driver.guest, options.metadata, secret)
        resolver = Resolver(driver.guest, driver.names, options.resolver or ())
        parts.append(interface.run(METADATA_PORT, (proxy, resolver)))
    try:
        await _until_told(parts)
    finally:
        await reconciler.stop()


async def _until_told(parts: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all parts until a signal, or until one of them breaks: its exception.

    A change may be lost then: what starts the agent anew brings it back in sync, without a loss.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tasks = [asyncio.create_task(part) for part in (*parts, stop.wait())]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended


def _resolvers(text: str) -> tuple[Ip, ...]:
    return tuple(Ip.parse(part) for part in text.split(",") if part)


def _secret(options: argparse.Namespace) -> bytes:
    """Nova refuses what is not signed, so metadata needs it."""
    if options.metadata is None:
        return b""
    if options.metadata_secret is None:
        raise ValueError("--metadata needs --metadata-secret")
    path: Path = options.metadata_secret
    if path.stat().st_mode & 0o077:
        raise ValueError(f"{path} is readable by others; chmod 600 it first")
    secret = path.read_bytes().strip()
    if not secret:
        raise ValueError(f"{path} is empty")
    return secret


class EpochFile:
    """The highest epoch that was obeyed, durable: an old controller is not obeyed after a boot."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> int:
        """0 if none was ever obeyed; ValueError if the file holds something else."""
        try:
            return int(self._path.read_text(encoding="ascii"))
        except FileNotFoundError:
            return 0
        except ValueError:
            raise ValueError(f"{self._path} holds no epoch; remove it to begin anew") from None

    def write(self, epoch: int) -> None:
        """Durable when this returns."""
        fresh = self._path.with_suffix(".new")
        with fresh.open("w", encoding="ascii") as file:
            file.write(f"{epoch}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _credentials(pki: Path) -> grpc.ChannelCredentials:
    ca, key, certificate = ((pki / n).read_bytes() for n in ("ca.pem", "key.pem", "cert.pem"))
    return grpc.ssl_channel_credentials(ca, key, certificate)


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


if __name__ == "__main__":
    sys.exit(main())
