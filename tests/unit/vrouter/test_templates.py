"""templates.py is what shapes.py compiles to, and packs the bytes that os-ken would."""

from __future__ import annotations

import random
import socket
from pathlib import Path
from typing import Any

import pytest

from sdnctl_vrouter.drivers.ovs import shapes, templates
from sdnctl_vrouter.drivers.ovs.shapes import compiler


def test_the_committed_module_is_fresh() -> None:
    assert templates.__file__ is not None
    assert Path(templates.__file__).read_text() == compiler.compile_all()


def _value(kind: Any, rng: random.Random) -> tuple[Any, Any]:
    """A value as os-ken takes it, and as the template does."""
    size = {"B": 1, "H": 2, "I": 4, "Q": 8}.get(kind.code)
    if size is not None:
        number = rng.getrandbits(8 * size)
        return number, number
    packed = rng.randbytes(int(kind.code[:-1]))
    if len(packed) == 6:
        return packed.hex(":"), packed
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, packed), packed


@pytest.mark.parametrize("name", shapes.SHAPES)
def test_bytes_are_those_of_os_ken(name: str) -> None:
    rng = random.Random(name)
    build = shapes.SHAPES[name]
    fields = compiler.kinds(name, build)
    for _ in range(20):
        values = {field: _value(kind, rng) for field, kind in fields.items()}
        if "label" in values:
            values["label"] = (77, 77)
        if "mask" in values:  # os-ken clears the bits outside of a mask, the driver has none
            values["mask"] = (fields["mask"].ones, b"\xff" * len(values["mask"][1]))
        if "port_mask" in values:
            values["port_mask"] = (0xFFFF, 0xFFFF)
        expected = compiler.serialize(build, {f: v[0] for f, v in values.items()})
        assert getattr(templates, name)(*(v[1] for v in values.values())) == expected


def test_masks_are_those_of_os_ken() -> None:
    build = shapes.SHAPES["fib_remote_4"]
    values = {"priority": 9, "vrf": 5, "ip": "10.1.0.0", "mask": "255.255.0.0"}
    packed = templates.fib_remote_4(9, 5, b"\x0a\x01\0\0", b"\xff\xff\0\0")
    assert packed == compiler.serialize(build, values)
