"""The committed stubs are what the compiler makes of the committed .proto files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROTOS = sorted((ROOT / "protos").rglob("*.proto"))


def test_there_are_protos() -> None:
    assert {p.stem for p in PROTOS} >= {"vrouter", "speaker"}


@pytest.mark.parametrize("proto", PROTOS, ids=lambda p: p.stem)
def test_stubs_are_fresh(proto: Path, tmp_path: Path) -> None:
    name = proto.relative_to(ROOT / "protos")
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT / 'protos'}",
         f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", str(name)],
        check=True,
        timeout=60,
    )  # fmt: skip
    made = sorted(tmp_path.rglob("*_pb2.py*"))
    assert len(made) == 2
    for fresh in made:
        committed = ROOT / fresh.relative_to(tmp_path)
        assert committed.read_text() == fresh.read_text(), f"{committed} is stale: make protos"
