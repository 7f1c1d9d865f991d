"""Shell completion, generated from the table of commands.

Promise: the words of every command and option complete without asking anything; the names of
networks, ports and so on are asked of the controller, silently, when they are needed.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Final

from sdnctl.cli.command import Argument, Command

_GLOBAL_OPTIONS: Final = ("--help", "--output", "--token-file", "--url")

_BASH: Final = """\
# sdnctl completion for bash: source <(sdnctl completion bash)
_sdnctl() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}
    local -a path=()
    local word skip= words= nouns=
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        if [[ $skip ]]; then skip=; continue; fi
        case $word in
            -o|--output|--url|--token-file) skip=1 ;;
            -*) ;;
            *) path+=("$word") ;;
        esac
    done
    case "${{path[*]}} $previous" in
{values}
    esac
    if [[ ! $words && ! $nouns ]]; then
        case "${{path[*]}}" in
{words}
        esac
    fi
    if [[ $nouns && $current != -* ]]; then
        words+=" $(sdnctl $nouns list -o name 2>/dev/null)"
    fi
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    [[ ${{#COMPREPLY[@]}} -gt 0 ]] || compopt -o default 2>/dev/null
}}
complete -F _sdnctl sdnctl
"""

_ZSH: Final = """\
# sdnctl completion for zsh: source <(sdnctl completion zsh)
autoload -U +X compinit && compinit -u
autoload -U +X bashcompinit && bashcompinit
"""

SHELLS: Final = ("bash", "zsh")


def script(shell: str, commands: Iterable[Command]) -> str:
    """The script of one of ``SHELLS``."""
    commands = list(commands)
    bash = _BASH.format(words="\n".join(_words(commands)), values="\n".join(_values(commands)))
    return bash if shell == "bash" else _ZSH + bash


def _words(commands: list[Command]) -> Iterable[str]:
    """A case per beginning of a command: what may follow it."""
    beginnings: dict[str, set[str]] = {"": set()}
    for command in commands:
        for at, word in enumerate(command.path):
            beginnings.setdefault(" ".join(command.path[:at]), set()).add(word)
    for beginning, following in beginnings.items():
        words = shlex.quote(" ".join((*sorted(following), *_GLOBAL_OPTIONS)))
        yield f"            {shlex.quote(beginning)}) words={words} ;;"
    for command in commands:
        path = " ".join(command.path)
        options = [f for a in command.arguments for f in a.flags if f.startswith("-")]
        operands = [a for a in command.arguments if not a.flags[0].startswith("-")]
        first, others = operands[:1], operands[1:]
        nouns = "".join(f" nouns={shlex.quote(a.complete)}" for a in first if a.complete)
        words = shlex.quote(" ".join((*_choices(first), *options, *_GLOBAL_OPTIONS)))
        yield f"            {shlex.quote(path)}) words={words}{nouns} ;;"
        words = shlex.quote(" ".join((*_choices(others), *options, *_GLOBAL_OPTIONS)))
        yield f"            {shlex.quote(path + ' ')}*) words={words} ;;"


def _choices(arguments: Iterable[Argument]) -> list[str]:
    return [str(choice) for one in arguments for choice in one.options.get("choices", ())]


def _values(commands: list[Command]) -> Iterable[str]:
    """A case per option that takes one of known values."""
    yield "        *' -o'|*' --output') words='table json name' ;;"
    for command in commands:
        for option in command.arguments:
            flag = option.flags[0]
            if flag.startswith("-") and (assignment := _value(option)):
                path = shlex.quote(" ".join(command.path))
                yield f"        {path}*{shlex.quote(f' {flag}')}) {assignment} ;;"


def _value(option: Argument) -> str:
    if option.complete:
        return f"nouns={shlex.quote(option.complete)}"
    choices = " ".join(_choices([option]))
    return f"words={shlex.quote(choices)}" if choices else ""
