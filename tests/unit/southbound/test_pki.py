"""Who is let in: mTLS, and the authority that names hypervisors."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import grpc
import pytest

from sdnctl.southbound.pki import CONTROLLER_NAME, PkiError, enrol, init_ca, server_credentials
from tests.unit.southbound.house import House, port, until


def client_credentials(directory: Path) -> grpc.ChannelCredentials:
    ca, key, cert = ((directory / n).read_bytes() for n in ("ca.pem", "key.pem", "cert.pem"))
    return grpc.ssl_channel_credentials(ca, key, cert)


async def test_a_certificate_names_the_hypervisor(house: House, tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    init_ca(pki)
    enrol(pki, "h1", tmp_path / "h1")
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("**/*key*")} == {0o600}
    await house.stop()
    house.credentials = server_credentials(pki)
    await house.start()
    house.commit(port(1, "h1"), port(2, "h2"))
    # It says that it is h2; the certificate says h1, and that counts.
    liar = house.agent("h2", credentials=client_credentials(tmp_path / "h1"))
    await until(lambda: "port/n1p1" in liar.switch.programmed)
    assert "port/n1p2" not in liar.switch.programmed
    assert list(house.delivery.sessions) == ["h1"]


async def test_strangers_are_not_let_in(house: House, tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        init_ca(tmp_path / name)
        enrol(tmp_path / name, "h1", tmp_path / name / "h1")
    await house.stop()
    house.credentials = server_credentials(tmp_path / "ours")
    await house.start()
    stranger = client_credentials(tmp_path / "theirs" / "h1")
    (tmp_path / "theirs" / "h1" / "ca.pem").write_bytes((tmp_path / "ours/ca.pem").read_bytes())
    forger = client_credentials(tmp_path / "theirs" / "h1")
    agents = [house.agent("h1"), *(house.agent("h1", credentials=c) for c in (stranger, forger))]
    await asyncio.sleep(1.5)
    assert house.delivery.sessions == {}
    assert not any(agent.switch.syncs for agent in agents)


def test_the_authority_refuses_what_makes_no_sense(tmp_path: Path) -> None:
    with pytest.raises(PkiError, match="init-ca first"):
        enrol(tmp_path, "h1", tmp_path / "h1")
    with pytest.raises(PkiError, match="cannot be read"):
        server_credentials(tmp_path)
    init_ca(tmp_path)
    before = (tmp_path / "ca.key").read_bytes()
    with pytest.raises(PkiError, match="already"):
        init_ca(tmp_path)
    assert (tmp_path / "ca.key").read_bytes() == before
    for name in ("", CONTROLLER_NAME, "h" * 65):
        with pytest.raises(PkiError, match="cannot name"):
            enrol(tmp_path, name, tmp_path / "x")
    enrol(tmp_path, "h1", tmp_path / "h1")
    with pytest.raises(PkiError, match="already"):
        enrol(tmp_path, "h1", tmp_path / "h1")
    with contextlib.suppress(FileNotFoundError):
        assert not (tmp_path / "x").exists()
