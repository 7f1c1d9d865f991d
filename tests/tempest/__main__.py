"""tempest's tests of the network API against a real controller.

    python -m tests.tempest [--keystone | --plugin] [--only REGEX]

Users log in at the controller's own identity service, or at a Keystone (``make keystone``). The
plugin's tests, neutron-tempest-plugin's, are those of Neutron's own API in its every detail.
tempest's configuration is written from what the controller says of itself, so that what is newly
served is tested without a change here. Ends with 1 if a test fails, or is skipped for a reason
that ``skips.py`` does not know.
"""

from __future__ import annotations

import argparse
import configparser
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from sdnctl.api.zones import ZONE
from tests.controller import ROOT, Process, free_port
from tests.interop import keystone
from tests.tempest.skips import LEFT, SKIPS

PYTHON = ROOT / ".cache" / "tempest" / "bin" / "python"
TEMPEST, PLUGIN = "tempest/api/network", "neutron_tempest_plugin/api"
SHARDS = 2
PASSWORD = "correct horse battery"


class Cloud(NamedTuple):
    """Where to log in as the user ``admin`` of the project ``admin``, and the network API.

    With ``compute`` there is somebody who says the names of hypervisors. With ``accounts``, a
    list for each shard, tempest makes no users of its own.
    """

    auth_url: str
    password: str
    network: str
    compute: bool = False
    accounts: tuple[list[dict[str, Any]], ...] = ()


class Result(NamedTuple):
    """What became of one test."""

    test: str
    outcome: str
    text: str


@contextlib.contextmanager
def controller(directory: Path, *arguments: str) -> Iterator[str]:
    """A controller until the end of the block: its network API."""
    address = f"127.0.0.1:{free_port()}"
    process = Process(directory / "state", directory / "log", "--api", address, *arguments)
    try:
        process.ready()
        yield f"http://{address}"
    finally:
        process.popen.send_signal(signal.SIGTERM)
        process.ends()


@contextlib.contextmanager
def by_its_own(directory: Path, *arguments: str) -> Iterator[Cloud]:
    """A controller that is its own identity service."""
    password = directory / "password"
    password.touch(0o600)
    password.write_text(PASSWORD)
    subprocess.run(
        [sys.executable, "-m", "sdnctl.app", "--state-dir", str(directory / "state"),
         "bootstrap", "--password-file", str(password)],
        check=True, capture_output=True, cwd=ROOT,
    )  # fmt: skip
    with controller(directory, "--identity", "", *arguments) as network:
        yield Cloud(f"{network}/identity/v3", PASSWORD, network)


def for_the_plugin(directory: Path) -> contextlib.AbstractContextManager[Cloud]:
    """The same with Neutron's default quotas, where its tests are about them."""
    quotas = ("security_group=10", "rbac_policy=10")
    return by_its_own(directory, *(word for quota in quotas for word in ("--quota", quota)))


class _Nova(BaseHTTPRequestHandler):
    """Of Nova as much as tempest wants to know to bind a port: that there is a hypervisor."""

    def do_GET(self) -> None:
        host = {"id": 1, "hypervisor_hostname": "cn1", "state": "up", "status": "enabled"}
        body = json.dumps({"hypervisors": [host]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def nova() -> Iterator[str]:
    """Its API until the end of the block."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Nova) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v2.1"
        server.shutdown()


@contextlib.contextmanager
def by_keystone(directory: Path) -> Iterator[Cloud]:
    """A controller that asks a Keystone, in whose catalogue it is."""
    with keystone.running(directory) as server, nova() as compute:
        account = keystone.account(directory / "account", server.auth_url)
        with controller(directory, "--keystone", str(account)) as network:
            cloud = Cloud(server.auth_url, keystone.PASSWORD, network, compute=True)
            headers = {"X-Auth-Token": token(cloud)}
            with httpx.Client(base_url=f"{server.auth_url}/", headers=headers, timeout=60) as http:
                for kind, url in (("network", network), ("compute", compute)):
                    made = http.post("services", json={"service": {"type": kind}}).json()
                    endpoint = {
                        "service_id": made["service"]["id"],
                        "interface": "public",
                        "region_id": "RegionOne",
                        "url": url,
                    }
                    http.post("endpoints", json={"endpoint": endpoint}).raise_for_status()
                accounts = tuple(made_accounts(http, f"tempest{shard}") for shard in range(SHARDS))
            yield cloud._replace(accounts=accounts)


def made_accounts(http: httpx.Client, prefix: str) -> list[dict[str, Any]]:
    """Users for the tests of one shard: to make them for each class takes Keystone minutes."""
    roles = {row["name"]: row["id"] for row in http.get("roles").json()["roles"]}
    projects: dict[str, str] = {}
    accounts = []
    for number, (project, role) in enumerate(
        (("own", "member"), ("alt", "member"), ("own", "reader"), ("cloud", "admin"))
    ):
        account = {
            "username": f"{prefix}-{number}",
            "password": f"{prefix}'s own",
            "project_name": f"{prefix}-{project}",
        }
        if project not in projects:
            body = {"project": {"name": account["project_name"]}}
            projects[project] = http.post("projects", json=body).json()["project"]["id"]
        user = {"name": account["username"], "password": account["password"]}
        id_ = http.post("users", json={"user": user}).json()["user"]["id"]
        granted = f"projects/{projects[project]}/users/{id_}/roles/{roles[role]}"
        http.put(granted).raise_for_status()
        accounts.append(account | {"domain_name": "Default", "roles": [role]})
    return accounts


def token(cloud: Cloud) -> str:
    """A token of the administrator."""
    domain = {"id": "default"}
    user = {"name": "admin", "password": cloud.password, "domain": domain}
    identity = {"methods": ["password"], "password": {"user": user}}
    scope = {"project": {"name": "admin", "domain": domain}}
    answer = httpx.post(
        f"{cloud.auth_url}/auth/tokens",
        json={"auth": {"identity": identity, "scope": scope}},
        timeout=60,
    )
    answer.raise_for_status()
    return answer.headers["x-subject-token"]


def configure(cloud: Cloud, directory: Path, shards: range, package: str) -> None:
    """Write the configuration of shards that share a cloud, from what is served."""
    with httpx.Client(
        base_url=f"{cloud.network}/v2.0/", headers={"X-Auth-Token": token(cloud)}, timeout=60
    ) as http:
        extensions = {row["alias"] for row in http.get("extensions").json()["extensions"]}
        collections = {row["collection"] for row in http.get("").json()["resources"]}
        network = {"name": "public", "router:external": True}
        if package == PLUGIN:
            for number in (1, 2):
                row = {"id": f"cn{number}", "vtep": f"192.0.2.{number}"}
                url = f"{cloud.network}/sdn/v1/hypervisors"
                http.post(url, json={"hypervisor": row}).raise_for_status()
        elif "standard-attr-tag" in extensions:
            extensions.add("tag")  # its name before 2017, which tempest asks for
        public = http.post("networks", json={"network": network}).json()["network"]["id"]
        subnet: dict[str, Any] = {"network_id": public, "ip_version": 4, "cidr": "203.0.113.0/24"}
        http.post("subnets", json={"subnet": subnet}).raise_for_status()
    for shard in shards:
        own = directory / f"shard{shard}"
        own.mkdir()
        config = configparser.ConfigParser(interpolation=None)
        config.read_dict(settings(cloud, extensions, collections, public, own))
        if cloud.accounts:
            (own / "accounts").write_text(json.dumps(cloud.accounts[shard]))  # which is YAML
            config["auth"]["test_accounts_file"] = str(own / "accounts")
            config["auth"]["use_dynamic_credentials"] = "False"
        with (own / "tempest.conf").open("w") as file:
            config.write(file)


def settings(
    cloud: Cloud, extensions: set[str], collections: set[str], public: str, directory: Path
) -> dict[str, dict[str, str]]:
    """tempest's options, by their sections."""
    absent = dict.fromkeys(("glance", "cinder", "swift"), "False")
    return {
        "DEFAULT": {"log_dir": str(directory), "log_file": "log"},
        "oslo_concurrency": {"lock_path": str(directory / "locks")},
        "auth": {
            "admin_username": "admin",
            "admin_password": cloud.password,
            "admin_project_name": "admin",
            "admin_domain_name": "Default",
            "create_isolated_networks": "False",
            "tempest_roles": "member",
        },
        "identity": {"uri_v3": cloud.auth_url, "auth_version": "v3", "region": "RegionOne"},
        "service_available": absent | {"neutron": "True", "nova": str(cloud.compute)},
        # Readers then read as readers, and do not borrow a member's token.
        "enforce_scope": {"neutron": "True"},
        "network": {"public_network_id": public},
        "neutron_plugin_options": {
            "available_type_drivers": "vxlan",
            "agent_availability_zone": ZONE,
            "create_shared_resources": "True",
        },
        "network-feature-enabled": {
            "api_extensions": ",".join(sorted(extensions)),
            "floating_ips": str("floatingips" in collections),
            "ipv6_subnet_attributes": "True",
            "port_security": str("port-security" in extensions),
        },
    }


def run(directory: Path, package: str, only: str) -> Iterator[Result]:
    """The tests, in as many processes as there are shards."""
    suite = Path(__file__).with_name("suite.py")
    left = "|".join(one.pattern for one in LEFT)
    outputs = [directory / f"shard{shard}" / "output" for shard in range(SHARDS)]
    with contextlib.ExitStack() as stack:
        processes = [
            subprocess.Popen(
                [str(PYTHON), str(suite), str(shard), str(SHARDS), package, only, left],
                stdout=stack.enter_context(output.open("wb")),
                stderr=stack.enter_context(output.with_suffix(".err").open("wb")),
                env=os.environ
                | {"TEMPEST_CONFIG_DIR": str(output.parent), "PYTHONWARNINGS": "ignore"},
                cwd=output.parent,
            )
            for shard, output in enumerate(outputs)
        ]
        for process in processes:
            stack.callback(process.kill)
        for process, output in zip(processes, outputs, strict=True):
            assert process.wait() == 0, output.with_suffix(".err").read_text()
    for output in outputs:
        for line in output.read_text().splitlines():
            yield Result(**json.loads(line))


def judge(results: list[Result]) -> int:
    """Print what there is to know; 1 if something is not as it should be."""
    last = {result.test: result for result in results}
    bad, reasons = [], Counter[str]()
    for result in sorted(last.values()):
        if result.outcome == "failed":
            bad.append(f"FAILED {result.test}\n{result.text}")
        if result.outcome != "skipped":
            continue
        known = next(
            (skip for skip in (*SKIPS, *LEFT) if re.search(skip.pattern, result.text)), None
        )
        if known is None:
            bad.append(f"SKIPPED WITHOUT A REASON {result.test}: {result.text}")
        reasons[known.why if known else result.text] += 1
    for text in bad:
        print(text)
    outcomes = Counter(result.outcome for result in last.values())
    for reason, count in reasons.most_common():
        print(f"{count:4} skipped: {reason}")
    print(", ".join(f"{outcomes[one]} {one}" for one in ("passed", "failed", "skipped")))
    return 1 if bad or not outcomes["passed"] else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.tempest", description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--keystone", action="store_true", help="log in at a real Keystone")
    which.add_argument("--plugin", action="store_true", help="neutron-tempest-plugin's tests")
    parser.add_argument("--only", default="", metavar="REGEX", help="tests whose names match")
    options = parser.parse_args()
    started = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and take along what was started
    with tempfile.TemporaryDirectory(prefix="sdnctl-tempest-") as name:
        directory = Path(name)
        package = PLUGIN if options.plugin else TEMPEST
        with contextlib.ExitStack() as stack:
            if options.plugin:
                # Its administrators look at everything, each shard at what the other would make.
                for shard in range(SHARDS):
                    own = directory / f"cloud{shard}"
                    own.mkdir()
                    cloud = stack.enter_context(for_the_plugin(own))
                    configure(cloud, directory, range(shard, shard + 1), package)
            else:
                found = by_keystone(directory) if options.keystone else by_its_own(directory)
                configure(stack.enter_context(found), directory, range(SHARDS), package)
            results = list(run(directory, package, options.only))
        answer = judge(results)
    print(f"{'Keystone' if options.keystone else 'built-in identity'}: "
          f"{time.monotonic() - started:.0f} s")  # fmt: skip
    return answer


if __name__ == "__main__":
    sys.exit(main())
