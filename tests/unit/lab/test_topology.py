"""The containerlab file: what it inherits, and the error for each way to get it wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from sdnctl.lab.errors import LabError
from sdnctl.lab.topology import Role, load

LABS = Path(__file__).parents[3] / "labs"
SCHEMAS = [p / "shared" / "data" / "clab.schema.json" for p in LABS.parents]
SCHEMA = next((s for s in SCHEMAS if s.exists()), None)

NODE = "nodes: {a: {kind: linux}, b: {kind: linux}}"


def _load(tmp_path: Path, topology: str, name: str = "x") -> Any:
    file = tmp_path / "x.clab.yml"
    indented = "\n".join(f"  {line}" for line in topology.splitlines())
    file.write_text(f"name: {name}\ntopology:\n{indented}\n")
    return load(file)


def test_a_node_inherits_from_group_kind_and_defaults(tmp_path: Path) -> None:
    made = _load(
        tmp_path,
        """
defaults: {kind: linux, env: {A: 1, B: 1, C: 1}, exec: [one]}
kinds: {linux: {env: {B: 2, C: 2}, exec: ["two 'and a half'"]}}
groups: {g: {env: {C: 3}, labels: {sdnctl.role: hypervisor}, binds: ["f:/in/node:ro"]}}
nodes: {n: {group: g}, plain: {}}
""",
    )
    node = made.nodes["n"]
    assert node.env == {"A": "1", "B": "2", "C": "3"}
    assert node.commands == (("one",), ("two", "and a half"))
    assert node.role is Role.HYPERVISOR
    assert node.files == {"/in/node": tmp_path / "f"}
    assert made.nodes["plain"].role is Role.HOST
    with pytest.raises(LabError, match=r"node n: .*/f is not there"):
        node.file("/in/node")
    with pytest.raises(LabError, match="node plain: its role host needs env SDNCTL_ASN"):
        made.nodes["plain"].setting("SDNCTL_ASN")


def test_links_in_both_forms(tmp_path: Path) -> None:
    made = _load(
        tmp_path,
        NODE
        + """
links:
  - {endpoints: ["a:eth1", "b:eth1"], ipv4: ["192.0.2.1/24", "192.0.2.2/24"],
     ipv6: ["2001:db8::1/64"], mtu: 1600}
  - type: veth
    endpoints:
      - {node: a, interface: eth2, mac: "02:00:00:00:00:01", ipv4: 198.51.100.1/24}
      - {node: b, interface: eth2}
""",
    )
    first, second = made.links
    assert first.mtu == 1600
    assert first.a.addresses == ("192.0.2.1/24", "2001:db8::1/64")
    assert first.b.addresses == ("192.0.2.2/24",)
    assert (second.a.mac, second.a.addresses) == ("02:00:00:00:00:01", ("198.51.100.1/24",))
    assert [e.interface for e in made.endpoints("b")] == ["eth1", "eth2"]


@pytest.mark.parametrize(
    ("topology", "said"),
    [
        ("nodes:", "topology.nodes: there is none"),
        ("nodes: [a]", "topology.nodes: a mapping is needed, not list"),
        ("nodes: {a: {kind: nokia_srlinux}}", "node a: kind 'nokia_srlinux' needs containerlab"),
        ("nodes: {a: {}}", "node a: kind None"),
        ("nodes: {'a/b': {kind: linux}}", "node a/b: not a name"),
        ("nodes: {a: {kind: linux, group: g}}", "node a: there is no group 'g'"),
        ("nodes: {a: {kind: linux, labels: {sdnctl.role: king}}}", "node a: .*'king' is none of"),
        ("nodes: {a-name-too-long-x: {kind: bridge}}", "node a-name-too-long-x: a bridge's name"),
        ("nodes: {a: {kind: bridge, labels: []}}", "node a: labels: a mapping"),
        ("nodes: {a: {kind: linux, labels: {sdnctl.role: bridge}}}", "node a: .*'bridge' is none"),
        ("nodes: {a: {kind: linux, binds: [f]}}", "node a: binds: 'f' is not SOURCE:TARGET"),
        ('nodes: {a: {kind: linux, exec: ["\'"]}}', "node a: exec: .*No closing quotation"),
        (NODE + '\nlinks: [{endpoints: ["a:e"]}]', "link 1: endpoints: two are needed"),
        (NODE + '\nlinks: [{endpoints: ["a:e", "c:e"]}]', "link 1: there is no node 'c'"),
        (NODE + '\nlinks: [{endpoints: ["a:e", "a:e"]}]', "link 1: a:e is already taken"),
        (NODE + '\nlinks: [{endpoints: ["a", "b:e"]}]', "'a' is not node:interface"),
        (NODE + '\nlinks: [{endpoints: ["a:seventeen-letters", "b:e"]}]', "no interface name"),
        (NODE + '\nlinks: [{endpoints: ["a:e", "b:e"], mtu: 1}]', "link 1: mtu: 1 is not"),
        (NODE + '\nlinks: [{endpoints: ["a:e", "b:e"], ipv4: [x]}]', "link 1: a: 'x' does not"),
        (NODE + "\nlinks: [{type: vxlan}]", "link 1: type 'vxlan' needs containerlab"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, topology: str, said: str) -> None:
    with pytest.raises(LabError, match=said):
        _load(tmp_path, topology)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"name: [", "is not YAML"),
        (b"\xff\xfe\x00", "is not YAML"),
        (b"- a", "the file: a mapping is needed, not list"),
        (b"", "name: None is not a lab's name"),
        (b"name: ../../etc\ntopology: {nodes: {a: {kind: linux}}}", "is not a lab's name"),
    ],
)
def test_garbage_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "x.clab.yml"
    file.write_bytes(content)
    with pytest.raises(LabError, match=said):
        load(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"none.yml: No such file"):
        load(tmp_path / "none.yml")


@pytest.mark.parametrize("file", sorted(LABS.glob("*/*.clab.yml")), ids=lambda f: f.stem)
def test_our_topologies_load(file: Path) -> None:
    made = load(file)
    for node in made.nodes.values():
        for path in node.files:
            assert node.file(path).is_file()


@pytest.mark.skipif(SCHEMA is None, reason="containerlab's schema is not beside the project")
@pytest.mark.parametrize("file", sorted(LABS.glob("*/*.clab.yml")), ids=lambda f: f.stem)
def test_our_topologies_are_containerlab_s(file: Path) -> None:
    assert SCHEMA is not None
    document = msgspec.yaml.decode(file.read_bytes())
    jsonschema.Draft7Validator(json.loads(SCHEMA.read_text())).validate(document)
