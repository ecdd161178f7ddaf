"""What every command is given, and how commands are made: lazily, with ``--json``, examples first, docs path last.

Only click is imported here. What talks to the daemon or to the terminal comes in when it is first used, so that help
costs no more than click itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from lastcall.cli.client import Client
    from lastcall.cli.screen import Screen
    from lastcall.paths import Places

DOCS = "docs/reference/cli.md"
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
Run = Callable[..., int | None]


class App:
    """One call of the command line."""

    def __init__(self, *, host: str | None, state_dir: str | None, config: str | None, colour: bool | None) -> None:
        self.host = host
        self.state_dir = state_dir
        self.config = config
        self.colour = colour

    @cached_property
    def screen(self) -> Screen:
        """Where the words of this call go."""
        from lastcall.cli.screen import Screen

        return Screen(colour=self.colour)

    @cached_property
    def places(self) -> Places:
        """Where the daemon of this call lives."""
        import os
        from pathlib import Path

        from lastcall.paths import find

        return find(os.environ, Path.cwd(), state_dir=self.state_dir, host=self.host, config=self.config)

    @cached_property
    def client(self) -> Client:
        """The daemon of this call."""
        from lastcall.cli.client import Client

        return Client(self.places)


pass_app = click.make_pass_decorator(App)


class Leaf(click.Command):
    """A command that does something: takes ``--json``, and its help begins with examples."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), json_help: str = "", **options: Any) -> None:
        super().__init__(*args, **options)
        self.examples = tuple(examples)
        self.params.append(
            click.Option(
                ["--json", "as_json"], is_flag=True, help=json_help or "Print the document as the daemon sent it."
            )
        )

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples, usage, words, options, where to read more."""
        write_examples(self.examples, formatter)
        self.format_usage(ctx, formatter)
        self.format_help_text(ctx, formatter)
        self.format_options(ctx, formatter)
        formatter.write(f"\nDocs: {DOCS}\n")


def leaf(name: str, *examples: str, json_help: str = "") -> Callable[[Run], Leaf]:
    """Make a function a command of this name."""

    def make(run: Run) -> Leaf:
        made = click.command(name, cls=Leaf, examples=examples, json_help=json_help, context_settings=CONTEXT)(run)
        return made

    return make


class Lazy(NamedTuple):
    """Where a command is, and its one line of help, so that listing commands imports none of them."""

    module: str
    attribute: str
    summary: str


class LazyGroup(click.Group):
    """A group whose commands are imported when one of them is called."""

    def __init__(
        self, *args: Any, lazy: dict[str, Lazy], examples: Sequence[str] = (), epilogue: str = "", **options: Any
    ) -> None:
        super().__init__(*args, context_settings=CONTEXT, **options)
        self.lazy = lazy
        self.examples = tuple(examples)
        self.closing = epilogue

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """Return the names, in the order they are used."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (as above)
        """Import and return one command."""
        found = self.lazy.get(cmd_name)
        if found is None:
            return None
        command: click.Command = getattr(import_module(found.module), found.attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; an unknown one is answered with the nearest."""
        if args and args[0] not in self.lazy and not args[0].startswith("-"):
            from difflib import get_close_matches

            from lastcall.cli.text import clean

            near = get_close_matches(args[0], self.lazy, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]}?" if near else ""
            ctx.fail(f"There is no command {clean(args[0])!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples, usage, words, commands, options, where to read more."""
        write_examples(self.examples, formatter)
        self.format_usage(ctx, formatter)
        self.format_help_text(ctx, formatter)
        with formatter.section("Commands"):
            formatter.write_dl([(name, found.summary) for name, found in self.lazy.items()])
        click.Command.format_options(self, ctx, formatter)
        if self.closing:
            formatter.write(f"\n{self.closing}\n")
        formatter.write(f"\nDocs: {DOCS}\n")


def write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    """Write what people want to see first."""
    if examples:
        formatter.write("Examples:\n")
        for example in examples:
            formatter.write(f"  {example}\n")
        formatter.write("\n")
