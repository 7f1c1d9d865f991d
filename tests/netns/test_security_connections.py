"""Connections that are there while rules, ports, agents and switches come and go."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from sdnctl.desired import RemoteAddresses
from sdnctl.types import Prefix
from tests.netns.agents import until
from tests.netns.harness import Guest
from tests.netns.security import FRIEND, OTHER_HOST, SAME_HOST, MakeCloud, dress, rules, zone_of
from tests.netns.world import Place

pytestmark = pytest.mark.netns

ECHO = """
import socket
server = socket.create_server(("", 7777), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
talk, _ = server.accept()
while data := talk.recv(64):
    talk.sendall(data)
"""

TALK = """
import socket, sys, time
talk = socket.create_connection((sys.argv[1], 7777), timeout=20)
for number in range(100000):
    talk.sendall(b"x")
    assert talk.recv(1) == b"x"
    print(number, flush=True)
    time.sleep(0.05)
"""


class Conversation:
    """A TCP connection that says something every 50 ms, and counts the answers."""

    def __init__(self, client: Guest, server: Guest, address: str, log: Path) -> None:
        self._log = log
        self._server = server.popen(sys.executable, "-c", ECHO)
        assert self._server.stdout is not None
        assert self._server.stdout.readline() == "ready\n"
        with log.open("w") as out:
            self._client = subprocess.Popen(
                ["ip", "netns", "exec", client.name, sys.executable, "-c", TALK, address],
                stdout=out,
            )

    @property
    def answers(self) -> int:
        """So far."""
        return len(self._log.read_text().splitlines())

    async def goes_on(self) -> None:
        """Wait for five more answers."""
        now = self.answers
        await until(lambda: self.answers >= now + 5, within=30)

    async def stands_still(self) -> None:
        """Nothing comes any more; what was on its way has a moment."""
        await asyncio.sleep(0.3)
        now = self.answers
        await asyncio.sleep(1.0)
        assert self.answers == now

    def close(self) -> None:
        for process in (self._client, self._server):
            process.kill()
            process.communicate()


@pytest.mark.parametrize("target", [SAME_HOST, OTHER_HOST])
@pytest.mark.parametrize("version", [4, 6])
async def test_a_removed_rule_cuts_a_live_connection(
    cloud: MakeCloud, tmp_path: Path, target: Place, version: int
) -> None:
    made = await cloud(2)
    tenant = made.tenant(FRIEND, target)
    await made.program()
    agent = made.agents[target.host]
    allowed = rules({"protocol": 6, "first": 7777, "last": 7777, "remote": "friends"})
    friend = tuple(Prefix.host(ip) for ip in tenant.addresses(FRIEND))
    member = RemoteAddresses("friends", "p", friend)
    await agent.put(*allowed, member)
    await dress(made, tenant, target, "web")
    address = str(tenant.addresses(target)[version == 6])
    talk = Conversation(
        made.guests[0, FRIEND], made.guests[0, target], address, tmp_path / "answers"
    )
    try:
        await talk.goes_on()
        await agent.drop([rule.key for rule in allowed])
        await talk.stands_still()
        await agent.put(*allowed)
        await talk.goes_on()
        await agent.drop([member.key])  # the client leaves the group
        await talk.stands_still()
        await agent.put(member)
        await talk.goes_on()
        await dress(made, tenant, target)  # the server leaves its group
        await talk.stands_still()
        await dress(made, tenant, target, "web")
        await talk.goes_on()
        # What the rules never spoke of goes on undisturbed by a change of others.
        await agent.put(*rules({"protocol": 17}, group="other"))
        await dress(made, tenant, target, "web", "other")
        await talk.goes_on()
    finally:
        talk.close()


async def test_a_port_that_goes_leaves_no_connection_behind(cloud: MakeCloud) -> None:
    made = await cloud(1)
    tenant = made.tenant(FRIEND, SAME_HOST)
    await made.program()
    switch, guest = made.switches[0], made.guests[0, SAME_HOST]
    zone = zone_of(switch, guest)
    client = made.guests[0, FRIEND]
    assert await asyncio.to_thread(client.ping, str(tenant.addresses(SAME_HOST)[0]), 1) == 1
    assert f"zone={zone}" in switch.appctl("dpctl/dump-conntrack")
    guest.unplug()
    await until(lambda: f"zone={zone}" not in switch.appctl("dpctl/dump-conntrack"))


async def test_a_live_connection_survives_agent_and_switch(
    cloud: MakeCloud, tmp_path: Path
) -> None:
    """The tracker's memory dies with the switch; who began the connection begins it anew."""
    made = await cloud(2)
    tenant = made.tenant(FRIEND, OTHER_HOST)
    await made.program()
    friend = tuple(Prefix.host(ip) for ip in tenant.addresses(FRIEND))
    await made.agents[1].put(
        *rules({"protocol": 6, "first": 7777, "last": 7777, "remote": "friends"}),
        RemoteAddresses("friends", "p", friend),
    )
    await dress(made, tenant, OTHER_HOST, "web")
    address = str(tenant.addresses(OTHER_HOST)[0])
    talk = Conversation(
        made.guests[0, FRIEND], made.guests[0, OTHER_HOST], address, tmp_path / "answers"
    )
    try:
        await talk.goes_on()
        before = made.switches[1].ofctl("dump-flows", "--no-stats").count("cookie=0x5d4e")
        await made.restart(1)
        await talk.goes_on()
        assert made.switches[1].ofctl("dump-flows", "--no-stats").count("cookie=0x5d4e") == before
        for switch in made.switches:
            switch.kill("ovs-vswitchd")
            switch.start_switch()
        await talk.goes_on()
        assert await made.agents[1].reconciler.audit() == []
    finally:
        talk.close()
