"""``sdnctl-controller`` as a process: what it refuses, what it says, and how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.controller import Process, free_port
from tests.waiting import wait_for

ROOT = Path(__file__).parents[3]


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    started: list[Process] = []
    yield started
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            process.popen.kill()
        process.popen.wait(10)
        for pid in process.family():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class Start:
    def __init__(self, tmp_path: Path, processes: list[Process]) -> None:
        self.state = tmp_path / "state"
        self._processes = processes
        self._tmp_path = tmp_path

    def __call__(self, *arguments: str) -> Process:
        log = self._tmp_path / f"log{len(self._processes)}"
        process = Process(self.state, log, *arguments)
        self._processes.append(process)
        return process


@pytest.fixture
def start(tmp_path: Path, processes: list[Process]) -> Start:
    return Start(tmp_path, processes)


def test_it_starts_quietly_and_ends_with_all_that_it_started(start: Start) -> None:
    process = start()
    process.ready()
    wait_for(process.family)
    wait_for(lambda: "speaker connected" in process.log.read_text())
    readable = [f.name for f in start.state.iterdir() if f.stat().st_mode & 0o077]
    assert readable == []  # rows and sockets carry secrets
    process.popen.send_signal(signal.SIGTERM)
    assert process.ends() == 0
    wait_for(lambda: not process.family())
    assert not (start.state / "api.sock").exists()
    rows = [json.loads(line) for line in process.lines()]  # one format, the speaker's included
    assert {row["level"] for row in rows} == {"info"}, rows
    assert "\\u001b" not in process.log.read_text()
    assert len(rows) <= 6, rows


def test_ended_at_once_it_leaves_nothing(start: Start) -> None:
    """Told to end when its speaker has been started but does not answer yet."""
    process = start()
    wait_for(process.family, 20)
    process.popen.send_signal(signal.SIGTERM)
    assert process.ends() == 0
    wait_for(lambda: not process.family(), 5)
    assert "Traceback" not in process.log.read_text()


def test_who_follows_and_who_waits_do_not_hold_up_the_end(start: Start) -> None:
    process = start()
    process.ready()
    with contextlib.ExitStack() as stack:
        for path in ("convergence?follow", "convergence/1000000?wait=60"):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(str(start.state / "api.sock"))
            client.sendall(f"GET /sdn/v1/{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            if "follow" in path:
                assert client.recv(64).startswith(b"HTTP/1.1 200")
        process.popen.send_signal(signal.SIGTERM)
        assert process.ends() == 0
    assert "Traceback" not in process.log.read_text()


def test_a_second_controller_on_the_same_state_is_refused(start: Start) -> None:
    first = start()
    first.ready()
    assert "store.db" in start().refusal()
    assert (start.state / "api.sock").exists()
    assert first.popen.poll() is None


def test_a_taken_port_leaves_no_speaker(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        process = start("--api", address)
        assert f"cannot serve the API on {address}" in process.refusal()
        assert process.family() == []
        process = start("--agents", address)
        assert f"cannot listen for agents on {address}" in process.refusal()
        assert process.family() == []


def test_a_stale_socket_is_replaced(start: Start) -> None:
    start.state.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(start.state / "api.sock"))
    start().ready()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(start.state / "api.sock"))
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert client.recv(12).startswith(b"HTTP/1.1 ")
    assert (start.state / "api.sock").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("door", ["--api", "--agents"])
def test_beyond_loopback_it_wants_to_be_told(start: Start, door: str) -> None:
    address = f"0.0.0.0:{free_port()}"
    needs = {"--api": "needs --token-file", "--agents": "needs certificates"}[door]
    assert needs in start(door, address).refusal()
    process = start(door, address, "--insecure", "")
    process.ready()
    warnings = [row for line in process.lines() if (row := json.loads(line))["level"] == "warning"]
    assert [row["address"] for row in warnings] == [address]


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--api", "9696", "HOST:PORT"),
        ("--api", "127.0.0.1:http", "HOST:PORT"),
        ("--agents", "127.0.0.1:99999", "HOST:PORT"),
        ("--asn", "0", "AS number"),
        ("--asn", "4294967296", "AS number"),
        ("--router-id", "2001:db8::1", "IPv4"),
        ("--router-id", "0.0.0.0", "IPv4"),
        ("--mtu", "-1", "MTU"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(
    start: Start, option: str, value: str, says: str
) -> None:
    process = start(option, value)
    assert process.ends() == 2
    assert says in process.lines()[-1]
    assert not start.state.exists()


def test_certificates_that_were_asked_for_must_be_there(start: Start) -> None:
    """A mistyped --pki must not mean plain text."""
    assert "certificate" in start("--pki", str(start.state / "nowhere")).refusal()


def test_the_first_administrator_is_made_before_anybody_logs_in(start: Start) -> None:
    """By a password that is written where only its owner reads it."""
    secret = start.state.parent / "password"

    def bootstrap(*more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sdnctl.app", "--state-dir", str(start.state)]
        return subprocess.run(
            [*command, "bootstrap", *more],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )

    assert "give --password-file" in bootstrap().stderr
    done = bootstrap("--password-file", str(secret))
    assert done.returncode == 0, done.stderr
    password = secret.read_text().strip()
    assert secret.stat().st_mode & 0o777 == 0o600
    assert len(password) >= 32
    assert password not in done.stdout + done.stderr
    assert bootstrap("--password-file", str(secret)).returncode == 0
    assert secret.read_text().strip() == password
    process = start("--identity", "")
    process.ready()
    assert "store.db" in bootstrap("--password-file", str(secret)).stderr
    body = {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {
                    "user": {"name": "admin", "domain": {"id": "default"}, "password": password}
                },
            },
            "scope": {"system": {"all": True}},
        }
    }
    transport = httpx.HTTPTransport(uds=str(start.state / "api.sock"))
    with httpx.Client(transport=transport, base_url="http://sdn") as client:
        assert client.get("/v2.0/networks").status_code == 401
        answer = client.post("/identity/v3/auth/tokens", json=body)
        assert answer.status_code == 201
        token = answer.headers["x-subject-token"]
        seen = client.get("/sdn/v1/status", headers={"X-Auth-Token": token})
        assert seen.json()["status"]["rows"]["user"] == 1
    log = process.log.read_text()
    assert password not in log
    assert token not in log


def test_with_nobody_to_log_in_it_says_so(start: Start) -> None:
    process = start("--identity", "", "--api", f"0.0.0.0:{free_port()}")
    process.ready()
    assert "nobody can log in yet" in process.log.read_text()


def test_keystones_account_is_in_a_file_of_its_own(start: Start) -> None:
    path = start.state.parent / "keystone.conf"
    path.write_text("[keystone_authtoken]\npassword = hush\n")
    path.chmod(0o600)
    refusal = start("--keystone", str(path)).refusal()
    assert "no [keystone_authtoken] with auth_url" in refusal
    assert "hush" not in refusal
    path.write_text(
        "[keystone_authtoken]\nauth_url = http://127.0.0.1:1\nusername = x\npassword = hush\n"
    )
    process = start("--keystone", str(path), "--api", f"0.0.0.0:{free_port()}")
    process.ready()
    transport = httpx.HTTPTransport(uds=str(start.state / "api.sock"))
    with httpx.Client(transport=transport, base_url="http://sdn") as client:
        assert client.get("/v2.0/networks").status_code == 401
        answer = client.get("/v2.0/networks", headers={"X-Auth-Token": "x"})
        assert answer.status_code == 503
    assert "hush" not in process.log.read_text()
