"""The lab of gateways as its README has it: up, set up, checked; then gateways and daemons go."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdnctl.lab import checks, lab, netns, services
from sdnctl.lab.lab import Lab
from sdnctl.lab.process import wait_for

pytestmark = [pytest.mark.netns, pytest.mark.interop]

FOLDER = Path(__file__).parents[2] / "labs" / "gateways"


@pytest.fixture(scope="module")
def site() -> Iterator[Lab]:
    folder = Path(tempfile.mkdtemp(prefix="lgw"))
    folder.chmod(0o755)  # FRR gives up root
    before = os.environ.get("SDNCTL_LAB_DIR")
    os.environ["SDNCTL_LAB_DIR"] = str(folder / "run")
    name = f"lgw{os.getpid()}"
    # The commands as a person has them in the PATH.
    (folder / "bin").mkdir()
    (folder / "bin" / "sdnctl").write_text(
        f'#!/bin/sh\nexec {sys.executable} -m sdnctl.cli.main "$@"\n'
    )
    (folder / "bin" / "sdnctl").chmod(0o755)
    path = os.pathsep.join((str(folder / "bin"), str(Path(sys.executable).parent)))
    try:
        made = lab.up(FOLDER / "gateways.clab.yml", services.start, name=name)
        done = subprocess.run(
            [str(FOLDER / "setup"), name],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env=os.environ
            | {
                "PATH": os.pathsep.join((path, os.environ["PATH"])),
                "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
                "SDNCTL_URL": f"unix://{services.api_socket(made, 'controller')}",
            },
        )
        assert done.returncode == 0, done.stdout + done.stderr
        yield lab.opened(name)
    finally:
        lab.down(name)
        shutil.rmtree(folder)
        if before is None:
            del os.environ["SDNCTL_LAB_DIR"]
        else:
            os.environ["SDNCTL_LAB_DIR"] = before


def _check(site: Lab) -> None:
    for result in checks.run(site, checks.load(FOLDER / "checks.yml")):
        assert not result.problem, f"{result.check.name}: {result.problem}\n{result.output}"


def test_its_checks_hold(site: Lab) -> None:
    _check(site)


@pytest.mark.parametrize("gateway", ["gw1", "gw2"])
def test_one_gateway_is_enough(site: Lab, gateway: str) -> None:
    site.exec(gateway, ["ip", "link", "set", "eth1", "down"])
    for guest in ("web", "app"):
        namespace = site.namespace(guest)
        wait_for(f"{guest} by the other", lambda n=namespace: netns.ping(n, "203.0.113.10"))  # type: ignore[misc]
    site.exec(gateway, ["ip", "link", "set", "eth1", "up"])


def test_a_restarted_daemon_has_its_configuration(site: Lab) -> None:
    for daemon in ("bgpd", "zebra"):
        services.restart(site, "gw1", daemon)
    _check(site)
