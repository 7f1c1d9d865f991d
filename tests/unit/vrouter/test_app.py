"""``sdnctl-vrouter``: its epoch file, and that it does not end as if all were well."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sdnctl_vrouter import app
from sdnctl_vrouter.app import EpochFile
from sdnctl_vrouter.stream import Stream


def test_the_epoch_survives(tmp_path: Path) -> None:
    file = EpochFile(tmp_path / "epoch")
    assert file.read() == 0
    file.write(7)
    file.write(8)
    assert EpochFile(tmp_path / "epoch").read() == 8
    assert [entry.name for entry in tmp_path.iterdir()] == ["epoch"]
    (tmp_path / "epoch").write_text("")
    with pytest.raises(ValueError, match="holds no epoch; remove it"):
        file.read()


def test_a_failed_stream_is_a_failed_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What keeps it running must see that it failed, and the log why."""

    async def fails(_self: Any) -> None:
        await asyncio.sleep(0)
        raise RuntimeError("a change that could not be applied")

    monkeypatch.setattr(Stream, "run", fails)
    monkeypatch.setattr(app, "set_up_logs", lambda _level: None)
    arguments = ["--name", "h", "--state-dir", str(tmp_path), "--ovs-rundir", str(tmp_path)]
    with pytest.raises(RuntimeError, match="could not be applied"):
        app.main(arguments)


def test_certificates_that_were_asked_for_must_be_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--state-dir", str(tmp_path), "--pki", str(tmp_path / "nowhere")]
    assert app.main(arguments) == 1
    assert "ca.pem" in capsys.readouterr().err
