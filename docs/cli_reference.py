"""Writes docs/cli.md, the reference of all commands, from the commands themselves.

python docs/cli_reference.py
"""

import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from expression_warehouse.cli import main

REFERENCE = Path(__file__).with_name("cli.md")
_PROGRAM = "expression-warehouse"
_HEAD = """\
# Commands

<!-- Written by `make cli-docs` from the commands' own help. Change it there. -->

`python -m loader COMMAND` is `expression-warehouse COMMAND` for all commands except `pairs`.
Exit codes: 0 done; 1 a named error, printed with what to do; 2 a wrong option; 130 or 143 stopped
by Ctrl-C or SIGTERM.

"""


def reference() -> str:
    """The text of docs/cli.md: per command its usage, help, options and examples."""
    context = click.Context(main, info_name=_PROGRAM)
    return _HEAD + "\n".join(_section(main, context))


def _section(command: click.Command, context: click.Context) -> Iterator[str]:
    """The lines on a command, or on all commands of a group, in alphabetical order."""
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            yield from _section(child, click.Context(child, info_name=name, parent=context))
        return
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"## `{context.command_path.removeprefix(_PROGRAM).strip()}`\n"
    yield f"```text\n{usage}\n```\n"
    yield from _paragraphs(command.help or "")
    yield "| option | meaning |\n|---|---|"
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        # Arguments are in the usage line and explained by the text.
        if isinstance(parameter, click.Option) and "--help" not in parameter.opts and record:
            option, meaning = (" ".join(text.split()).replace("|", "\\|") for text in record)
            yield f"| `{option}` | {meaning} |"
    yield ""
    yield from _paragraphs(command.epilog or "")


def _paragraphs(text: str) -> Iterator[str]:
    """The paragraphs of a help text; those that click keeps as they are (after \\b) as code."""
    for paragraph in filter(None, inspect.cleandoc(text).split("\n\n")):
        if paragraph.startswith("\b\n"):
            yield f"```text\n{textwrap.dedent(paragraph[2:])}\n```\n"
        else:
            yield " ".join(paragraph.split()) + "\n"


if __name__ == "__main__":
    REFERENCE.write_text(reference(), encoding="utf-8")
