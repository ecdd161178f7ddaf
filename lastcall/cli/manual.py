"""The manual page of all commands, made from their help: ``python -m lastcall.cli.manual > docs/reference/cli.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from lastcall.cli.app import LazyGroup
from lastcall.cli.main import cli

_HEAD = """# Commands

What each command takes and prints. This page is made from the help texts; `lastcall COMMAND --help` says the same.
Data goes to standard output, messages to standard error. `--json` prints the daemon's own document.
"""


def commands(group: LazyGroup, path: str = "lastcall") -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its full name, groups before their members."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None:
            continue
        yield f"{path} {name}", command
        if isinstance(command, LazyGroup):
            yield from commands(command, f"{path} {name}")


def page() -> str:
    """Return the whole page."""
    parts = [_HEAD, _section("lastcall", cli)]
    parts += [_section(name, command) for name, command in commands(cli)]
    return "\n".join(parts)


def _section(name: str, command: click.Command) -> str:
    context = click.Context(
        command, info_name=name, terminal_width=100, max_content_width=100, help_option_names=["-h", "--help"]
    )
    words = command.get_help(context).rsplit("Docs: ", 1)[0].strip()
    return f"## {name}\n\n```text\n{words}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(page())
