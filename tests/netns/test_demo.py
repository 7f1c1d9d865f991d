"""The demo as a user runs it, and its judgement on a site that is wrong on purpose."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sdnctl.lab import lab
from sdnctl.lab.demo import matrix
from sdnctl.lab.demo.tenants import Station

pytestmark = [pytest.mark.netns, pytest.mark.interop]

Program = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def name() -> str:
    return f"demo{os.getpid()}"


@pytest.fixture
def program(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    """Runs a module with arguments; what it left up is ended."""
    folder = tempfile.mkdtemp(prefix="demo")
    monkeypatch.setenv("SDNCTL_LAB_DIR", folder)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(p for p in sys.path if p))
    monkeypatch.setenv("SDNCTL_URL", f"unix://{folder}/{name}/controller/api.sock")

    def run(module: str, *argv: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", module, *argv]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    yield run
    lab.down(name)
    shutil.rmtree(folder)
    assert not list(Path("/run/netns").glob(f"{name}-*"))


def test_the_demo_holds_and_stays_up_to_explore(program: Program, name: str) -> None:
    done = program("sdnctl.lab.demo", "--name", name, "--keep")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "120 pairs of one tenant: 120 answered" in done.stdout
    assert "144 pairs of two tenants: 0 answered" in done.stdout
    assert re.search(r"4789\n +VXLAN, .* vni 4097\n +IP 10\.0\.0\.11 > 10\.0\.0\.13", done.stdout)
    assert re.search(r"GREv0, length 92\n +MPLS \(label .*\n +IP 10\.0\.0\.11", done.stdout)
    assert re.search(r"GREv0, length 106\n +MPLS \(label .*\n +Ethernet frame", done.stdout)
    assert "\x1b" not in done.stdout
    shown = done.stdout.partition("The lab stays up")[0]
    assert max(map(len, shown.splitlines())) <= 80
    assert "ms of 20 ports on 3 hypervisors" in done.stdout
    assert re.search(r"10\.0\.1\.31/32 .* 64512:1 64512:8000001 GRE", done.stdout)

    def sdnctl(*argv: str) -> str:
        ran = program("sdnctl.cli.main", *argv)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    assert "FAILED" not in sdnctl("lab", "check")
    assert all(c["problem"] == "" for c in json.loads(sdnctl("lab", "check", "-o", "json")))
    (shown,) = json.loads(sdnctl("lab", "list", "-o", "json"))
    assert (shown["name"], shown["nodes"], shown["guests"], shown["ended"]) == (name, 8, 10, [])
    assert "br-int" in sdnctl("lab", "exec", "hv1", "--", "ovs-vsctl", "list-br")
    assert "members: hv1, hv2, hv3" in sdnctl("topology")
    routes = json.loads(
        sdnctl("route", "list", "--vrf", "red", "--source", "gateway", "-o", "json")
    )
    assert {(r["prefix"], r["label"]) for r in routes} == {
        ("203.0.113.0/24", 900001),
        ("2001:db8:71::/64", 900011),
    }
    assert "established" in sdnctl("bgp", "sessions")
    assert sdnctl("agent", "list", "-o", "name") == "hv1\nhv2\nhv3\n"
    for node, process in (("hv1", "sdnctl-vrouter"), ("controller", "sdnctl-controller")):
        sdnctl("lab", "restart", node, process)
    assert "FAILED" not in sdnctl("lab", "check")
    sdnctl("lab", "unplug", "red-web1")
    sdnctl("lab", "plug", "again", "red-web1")
    assert "1 received" in sdnctl("lab", "exec", "again", "--", "ping", "-c1", "-W2", "10.0.1.21")
    assert program("sdnctl.cli.main", "lab", "exec", "hv1", "--", "false").returncode == 1
    assert sdnctl("lab", "down") == f"lab {name} is down\n"
    assert sdnctl("lab", "down") == "there is nothing to end\n"


LEAKY = """
name: leaky
topology:
  defaults: {kind: linux}
  nodes: {wire: {kind: bridge}, a1: {}, a2: {}, b1: {}}
  links:
    - {endpoints: ["a1:eth0", "wire:a1"], ipv4: [192.0.2.1/24], ipv6: [2001:db8::1/64]}
    - {endpoints: ["a2:eth0", "wire:a2"], ipv4: [198.51.100.2/24]}
    - {endpoints: ["b1:eth0", "wire:b1"], ipv4: [192.0.2.3/24], ipv6: [2001:db8::3/64]}
"""


def test_what_is_lost_and_what_leaks_is_seen(program: Program, name: str, tmp_path: Path) -> None:
    file = tmp_path / "leaky.clab.yml"
    file.write_text(LEAKY)
    site = lab.up(file, lambda _lab, _progress: None, name=name)
    stations = [
        Station("a", "1", "a1", ("192.0.2.1", "2001:db8::1")),
        Station("a", "2", "a2", ("198.51.100.2",)),
        Station("b", "1", "b1", ("192.0.2.3", "2001:db8::3")),
    ]
    seen = {
        (p.source.node, p.target.node, p.version): (p.arrived, p.right)
        for p in matrix.measure(site, stations)
    }
    lost, leaked, apart = (False, False), (True, False), (False, True)
    assert seen == {
        ("a1", "a2", 4): lost,
        ("a1", "b1", 4): leaked,
        ("a1", "b1", 6): leaked,
        ("a2", "a1", 4): lost,
        ("a2", "b1", 4): apart,
        ("b1", "a1", 4): leaked,
        ("b1", "a1", 6): leaked,
        ("b1", "a2", 4): apart,
    }
