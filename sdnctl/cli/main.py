"""The table of commands, the parser made from it, and the way to an exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from sdnctl.cli import bgp, completion, lab, views
from sdnctl.cli.client import DEFAULT_URL, Client
from sdnctl.cli.command import Command, Context, argument
from sdnctl.cli.errors import CliError, UsageError
from sdnctl.cli.login import from_environment
from sdnctl.cli.output import Format, Output
from sdnctl.cli.resources import RESOURCES
from sdnctl.lab.errors import LabError

_DESCRIPTION: Final = "Operate an sdnctl controller."
_EPILOG: Final = f"""\
environment:
  SDNCTL_URL     the controller, http://HOST:PORT or unix:///PATH (default: {DEFAULT_URL})
  SDNCTL_TOKEN   the token it wants, if any
  OS_TOKEN, OS_AUTH_URL, OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME, OS_SYSTEM_SCOPE...
                 as OpenStack's clients have them, without SDNCTL_TOKEN
  NO_COLOR       no colour, even on a terminal

exit codes: 0 done, 1 refused or not found, 2 wrong usage, 3 controller unreachable
"""

_NOUNS: Final = {
    **{r.noun: r.help for r in RESOURCES},
    "agent": "connected vrouter agents",
    "migration": "guests on their way between hypervisors",
    "bgp": "BGP peers, their sessions and their routes",
    "route": "routes of EVIs and VRFs",
    "lab": "topologies in network namespaces",
}


def commands() -> list[Command]:
    """Every command of ``sdnctl``."""
    return [
        *(c for r in RESOURCES for c in r.commands()),
        *bgp.COMMANDS,
        *views.COMMANDS,
        *lab.COMMANDS,
        Command(
            ("completion",),
            "print a completion script for a shell",
            _completion,
            (argument("shell", help="which", choices=completion.SHELLS),),
        ),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    args = parser(commands()).parse_args(argv)
    context = Context(lambda: _client(args), Output(args.output))
    try:
        code = args.run(context, args) or 0
        sys.stdout.flush()
    except (CliError, LabError) as error:
        print(f"sdnctl: {error}", file=sys.stderr)
        return error.exit_code if isinstance(error, CliError) else CliError.exit_code
    except BrokenPipeError:
        # The reader (head, less) has what it wanted; the interpreter shall not flush again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    finally:
        context.close()
    return int(code)


def parser(table: Iterable[Command]) -> argparse.ArgumentParser:
    """The parser of a table of commands."""
    root = argparse.ArgumentParser(
        prog="sdnctl",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _global_options(root, os.environ.get("SDNCTL_URL", DEFAULT_URL), Format.TABLE, None)
    # They may also stand behind the command, where leaving them out must not undo the first.
    after = argparse.ArgumentParser(add_help=False)
    _global_options(after, argparse.SUPPRESS, argparse.SUPPRESS, argparse.SUPPRESS)
    groups: dict[tuple[str, ...], Any] = {
        (): root.add_subparsers(metavar="COMMAND", required=True, title="commands")
    }
    for command in table:
        *nouns, verb = command.path
        parent = groups[()]
        for depth, word in enumerate(nouns, 1):
            beginning = tuple(nouns[:depth])
            if beginning not in groups:
                noun = parent.add_parser(word, help=_NOUNS.get(" ".join(beginning), ""))
                groups[beginning] = noun.add_subparsers(metavar="VERB", required=True)
            parent = groups[beginning]
        leaf = parent.add_parser(verb, help=command.help, description=command.help, parents=[after])
        for one in command.arguments:
            leaf.add_argument(*one.flags, help=one.help, **one.options)
        leaf.set_defaults(run=command.run)
    return root


def _global_options(to: argparse.ArgumentParser, url: str, output: str, token: str | None) -> None:
    to.add_argument("--url", default=url, help="of the controller")
    to.add_argument(
        *("-o", "--output"), type=Format, choices=list(Format), default=output, help="form of it"
    )
    to.add_argument("--token-file", default=token, help="holds the token", metavar="FILE")


def _client(args: argparse.Namespace) -> Client:
    token = _token(args.token_file)
    if token:
        return Client(args.url, token)
    login = from_environment(os.environ)
    said = "SDNCTL_URL" in os.environ or args.url != DEFAULT_URL
    return Client(args.url if said or not login.url else login.url, login.token)


def _token(file: str | None) -> str:
    if file is None:
        return os.environ.get("SDNCTL_TOKEN", "")
    try:
        return Path(file).read_text().strip()
    except OSError as error:
        raise UsageError(f"--token-file {file}: {error.strerror}") from None


def _completion(context: Context, args: argparse.Namespace) -> None:
    del context
    sys.stdout.write(completion.script(args.shell, commands()))


if __name__ == "__main__":
    raise SystemExit(main())
