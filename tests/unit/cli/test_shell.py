"""The command line in a shell: pipes, completion, help."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sdnctl.cli import completion
from sdnctl.cli.main import commands
from tests.unit.cli.site import Sdnctl, Site


def test_an_output_that_is_no_terminal_has_no_colour_and_cuts_nothing(
    site: Site, network: dict[str, Any]
) -> None:
    env = {**os.environ, "SDNCTL_URL": site.url, "COLUMNS": "20", "PYTHONPATH": ":".join(sys.path)}
    argv = [sys.executable, "-m", "sdnctl.cli.main", "network", "list"]
    shown = subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout
    assert "\x1b" not in shown
    (line,) = [x for x in shown.splitlines() if network["id"] in x]
    assert "web" in line
    assert line == line.rstrip()


def test_a_reader_that_goes_away_is_no_error(site: Site) -> None:
    env = {**os.environ, "SDNCTL_URL": site.url, "PYTHONPATH": ":".join(sys.path)}
    line = f"{sys.executable} -m sdnctl.cli.main status -o json | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], env=env, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("0\n", "")


COMPLETE = """
source <(sdnctl completion bash)
COMP_WORDS=({words}) COMP_CWORD={at}
_sdnctl
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sdnctl hyp", {"hypervisor"}),
        ("sdnctl hypervisor ''", {"list", "show", "create", "set", "delete"}),
        ("sdnctl -o json lab ''", {"up", "down", "exec", "check"}),
        ("sdnctl port list --st", {"--status"}),
        ("sdnctl port list --status ''", {"ACTIVE", "DOWN"}),
        ("sdnctl port list --network ''", {"web"}),
        ("sdnctl network show w", {"web"}),
        ("sdnctl network list -o ''", {"json", "table", "name"}),
        ("sdnctl completion ''", {"bash", "zsh"}),
        ("sdnctl bgp ''", {"peer", "sessions", "routes", "why"}),
        ("sdnctl bgp peer ''", {"list", "show", "create", "set", "delete"}),
        ("sdnctl bgp peer set ''", {"edge"}),
        ("sdnctl bgp peer set edge --family ''", {"ipv6-vpn", "route-target"}),
        ("sdnctl bgp routes e", {"edge"}),
        ("sdnctl bgp routes edge ''", {"received", "advertised"}),
        ("sdnctl route ''", {"list", "show", "explain"}),
    ],
)
def test_bash_completes_words_options_values_and_names(
    site: Site,
    network: dict[str, Any],
    edge: str,
    tmp_path: Path,
    line: str,
    expected: set[str],
) -> None:
    program = tmp_path / "sdnctl"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m sdnctl.cli.main "$@"\n')
    program.chmod(0o755)
    env = {
        **os.environ,
        "SDNCTL_URL": site.url,
        "PYTHONPATH": ":".join(sys.path),
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
    }
    script = COMPLETE.format(words=line, at=len(line.split()) - 1)
    done = subprocess.run(
        ["bash", "-c", script], env=env, capture_output=True, text=True, check=True
    )
    assert expected <= set(done.stdout.split()), done.stderr


def test_every_command_has_help_and_is_in_the_completion(sdnctl: Sdnctl) -> None:
    scripts = {shell: completion.script(shell, commands()) for shell in completion.SHELLS}
    for command in commands():
        assert command.help
        assert command.path[-1] in sdnctl(f"{' '.join(command.path)} --help")
        for script in scripts.values():
            assert " ".join(command.path) in script
    assert "bashcompinit" in scripts["zsh"]
