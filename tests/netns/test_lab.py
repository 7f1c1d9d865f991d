"""The runner: what it makes, what it leaves (nothing), and what it says when it cannot."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdnctl.lab import checks, guests, lab, netns, services, state
from sdnctl.lab.errors import LabError
from sdnctl.lab.process import Process, end, spawn, wait_for

pytestmark = pytest.mark.netns

TOPOLOGY = """
name: small
topology:
  defaults: {kind: linux}
  nodes:
    underlay: {kind: bridge}
    hv1: {labels: {sdnctl.role: hypervisor}}
    hv2: {labels: {sdnctl.role: hypervisor}}
    h: {exec: [ip route add default via 192.0.2.11]}
  links:
    - {endpoints: ["hv1:eth1", "underlay:hv1"], ipv4: [192.0.2.11/24], mtu: 1600}
    - {endpoints: ["hv2:eth1", "underlay:hv2"], ipv4: [192.0.2.12/24], mtu: 1600}
    - {endpoints: ["h:eth1", "underlay:h"], ipv4: [192.0.2.1/24], mtu: 1600}
"""
PORT = "0d9f3b1c-1111-4222-8333-123456789012"


@pytest.fixture
def name() -> str:
    return f"lab{os.getpid()}"


@pytest.fixture
def folder(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A scratch folder with the topology; the lab is ended whatever the test did."""
    made = Path(tempfile.mkdtemp(prefix="lab"))
    monkeypatch.setenv("SDNCTL_LAB_DIR", str(made / "run"))
    (made / "small.clab.yml").write_text(TOPOLOGY)
    yield made
    lab.down(name)
    shutil.rmtree(made)
    assert not _left(name)


def _left(name: str) -> list[str]:
    return [p.name for p in Path("/run/netns").glob(f"{name}-*")]


def _up(folder: Path, name: str) -> lab.Lab:
    return lab.up(folder / "small.clab.yml", services.start, name=name)


def test_up_gives_nodes_that_reach_each_other_and_down_leaves_nothing(
    folder: Path, name: str
) -> None:
    made = _up(folder, name)
    assert made.answers("hv1", ["ping", "-c1", "-W2", "192.0.2.12"])
    assert made.answers("h", ["ping", "-c1", "-W2", "192.0.2.12"])
    assert "default via 192.0.2.11" in made.exec("h", ["ip", "route"])
    assert "mtu 1600" in made.exec("hv1", ["ip", "link", "show", "br-phy"])
    processes = list(made.state.processes)
    assert {p.name for p in processes} == {"ovsdb-server", "ovs-vswitchd"}
    assert lab.down(name)
    assert not any(p.alive for p in processes)
    assert not made.folder.exists()
    assert not lab.down(name), "twice is fine"


def test_a_guest_is_plugged_as_os_vif_does_and_unplugged(folder: Path, name: str) -> None:
    made = _up(folder, name)
    guest = guests.plug(
        *(made, "web"),
        hypervisor="hv1",
        port_id=PORT,
        mac="fa:16:3e:00:00:01",
        addresses=["10.0.0.5/24", "fd00::5/64"],
        gateways=["10.0.0.1", "fd00::1"],
        mtu=1400,
    )
    shown = made.switch("hv1").vsctl("get", "Interface", guest.interface, "external_ids")
    assert f'iface-id="{PORT}"' in shown
    assert 'attached-mac="fa:16:3e:00:00:01"' in shown
    link = made.exec("web", ["ip", "-o", "link", "show", "eth0"])
    assert "mtu 1400" in link
    assert "fa:16:3e:00:00:01" in link
    assert "default via 10.0.0.1" in made.exec("web", ["ip", "route"])
    assert "default via fd00::1" in made.exec("web", ["ip", "-6", "route"])
    with pytest.raises(LabError, match="already a node or guest web"):
        guests.plug(
            made, "web", hypervisor="hv1", port_id=PORT, mac="fa:16:3e:00:00:02", addresses=[]
        )
    guests.unplug(made, "web")
    assert guest.interface not in made.switch("hv1").vsctl("list-ports", "br-int")
    assert not netns.exists(f"{name}-web")
    with pytest.raises(LabError, match="no guest 'web'"):
        guests.unplug(made, "web")


def test_a_lab_opened_by_another_command_is_the_same(folder: Path, name: str) -> None:
    made = _up(folder, name)
    again = lab.opened(name)
    assert again.state == made.state
    assert again.topology == made.topology
    with pytest.raises(LabError, match="no node 'hv9'"):
        again.exec("hv9", ["true"])
    with pytest.raises(LabError, match=r"node hv1: .*false"):
        again.exec("hv1", ["false"])
    with pytest.raises(LabError, match="already up"):
        _up(folder, name)


def test_a_process_is_found_and_started_again(folder: Path, name: str) -> None:
    made = _up(folder, name)
    first = made.start("h", "nap", ["sleep", "1000"])
    os.kill(first.pid, signal.SIGKILL)
    wait_for("its end", lambda: not first.alive)
    second = made.start("h", "nap", ["sleep", "1000"])
    assert made.process("h", "nap") == second
    assert first not in made.state.processes
    with pytest.raises(LabError, match="node h: no process 'other' was started"):
        made.process("h", "other")


def test_a_restarted_switch_has_its_bridges_and_its_address(folder: Path, name: str) -> None:
    made = _up(folder, name)
    old = made.process("hv1", services.SWITCH)
    services.restart(lab.opened(name), "hv1", services.SWITCH)
    assert not old.alive
    again = lab.opened(name)
    assert again.answers("hv1", ["ping", "-c1", "-W2", "192.0.2.12"])
    assert again.switch("hv1").vsctl("list-br").split() == ["br-int", "br-phy"]
    assert again.process("hv1", services.SWITCH).alive


def test_one_at_a_time_changes_a_lab(folder: Path, name: str) -> None:
    with state.locked(name):
        for change in (lambda: _up(folder, name), lambda: lab.down(name)):
            with pytest.raises(LabError, match="another command is at work"):
                change()
    assert not list(state.root().glob(".*.lock"))


def test_a_failing_up_leaves_nothing_and_says_which_node(folder: Path, name: str) -> None:
    broken = TOPOLOGY.replace("ip route add default via 192.0.2.11", "ip route add nonsense")
    (folder / "small.clab.yml").write_text(broken)
    with pytest.raises(LabError, match=r"node h: ip netns exec .* ip route add nonsense: .*"):
        _up(folder, name)
    assert not _left(name)
    assert state.read(name) is None


def test_a_namespace_of_someone_else_is_refused_and_kept(folder: Path, name: str) -> None:
    netns.create(f"{name}-hv2")
    try:
        with pytest.raises(LabError, match=f"node hv2: a network namespace {name}-hv2 is already"):
            _up(folder, name)
        assert _left(name) == [f"{name}-hv2"]
    finally:
        netns.delete(f"{name}-hv2")


@pytest.mark.parametrize("after_ms", [30, 120, 300, 500, 700])
def test_an_up_that_is_killed_half_way_is_taken_down(
    folder: Path, name: str, after_ms: int
) -> None:
    program = (
        "from pathlib import Path; from sdnctl.lab import lab, services;"
        f"lab.up(Path({str(folder / 'small.clab.yml')!r}), services.start, name={name!r})"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen([sys.executable, "-c", program], env=env) as runner:
        wait_for("the state", (state.root() / name / "state.json").exists)
        time.sleep(after_ms / 1000)
        runner.send_signal(signal.SIGKILL)
    found = state.read(name)
    assert found is not None
    assert lab.down(name)
    assert not any(p.alive for p in found.processes)
    assert not _left(name)


def test_what_was_started_inside_ends_too(folder: Path, name: str) -> None:
    made = _up(folder, name)
    command = netns.inside(
        made.namespace("h"), ["sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!"]
    )
    inner = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert Path(f"/proc/{inner}").exists()
    lab.down(name)
    wait_for("its end", lambda: not _runs(inner))


def _runs(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_a_pid_that_went_to_another_process_is_left_alone(tmp_path: Path) -> None:
    other = spawn("n", "sleep", ["sleep", "1000"], {}, tmp_path / "log")
    stale = Process("n", "old", other.pid, other.start_time - 1, other.log)
    assert not stale.alive
    end([stale])
    assert other.alive
    end([other])
    assert not other.alive


def test_a_process_that_ignores_the_first_signal_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdnctl.lab.process.TERM_TIMEOUT_S", 0.5)
    script = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
    deaf = spawn("n", "deaf", ["sh", "-c", script], {}, tmp_path / "log")
    wait_for("the trap", lambda: "ready" in (tmp_path / "log").read_text(), process=deaf)
    end([deaf])
    assert not deaf.alive


def test_a_wait_says_what_it_waited_for_and_how_the_log_ends(tmp_path: Path) -> None:
    dead = spawn("n", "broken", ["sh", "-c", "echo out of paper; exit 3"], {}, tmp_path / "log")
    with pytest.raises(LabError, match=r"(?s)the printer: broken of n ended.*out of paper"):
        wait_for("the printer", lambda: False, process=dead)
    with pytest.raises(LabError, match=r"the printer: not within 0\.1 s"):
        wait_for("the printer", lambda: False, timeout=0.1)


def test_checks_hold_or_say_what_they_saw(folder: Path, name: str) -> None:
    made = _up(folder, name)
    file = folder / "checks.yml"
    file.write_text(
        """
        checks:
          - {name: reaches, node: h, run: ping -c1 -W1 192.0.2.12, matches: "1 (packets )?received"}
          - {name: fails, node: h, run: "false", exit: 1}
          - {name: never, node: h, run: echo seen, contains: other, within: 0.3}
          - {name: without, node: h, run: echo seen, excludes: other}
        """
    )
    results = list(checks.run(made, checks.load(file)))
    assert [r.problem for r in results] == ["", "", "does not contain 'other'", ""]
    assert results[2].output == "seen\n"
    for text, said in (
        ("checks: [{name: a, node: h, run: b, colour: c}]", "colour"),
        ("checks: [{name: a, node: h, run: '', within: 1}]", "a command is needed"),
        ("checks: [{name: a, node: h, run: b, matches: '('}]", "unterminated|missing"),
        ("checks: {", "small|checks.yml"),
    ):
        file.write_text(text)
        with pytest.raises(LabError, match=said):
            checks.load(file)
    file.write_text("checks: [{name: a, node: nowhere, run: b}]")
    with pytest.raises(LabError, match="no node 'nowhere'"):
        list(checks.run(made, checks.load(file)))
