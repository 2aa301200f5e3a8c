"""Reference pages, made from the declarations of commands, settings, operations and codes."""

import itertools
from collections.abc import Iterator
from typing import Any

import click

from config.declaration import Setting
from config.settings import SETTINGS
from rendertrust.cli import catalogue
from rendertrust.cli.command import Root
from scripts import settings_table
from web.commands import group as gateway_commands
from web.documentation import error_page
from web.openapi.document import describe
from web.openapi.error_responses import phrase
from web.routes import OPERATIONS


def pages() -> dict[str, str]:
    """Return the text of each generated page by its path in the site."""
    return {
        "reference/commands.md": commands(),
        "reference/settings.md": settings(),
        "reference/operations.md": operations(),
        "reference/python-client.md": PYTHON_CLIENT,
        error_page.NAME: error_page.text(),
    }


def commands() -> str:
    """Return the page of all commands, with the text that ``--help`` prints."""
    lines = [
        "# Commands\n",
        "This page lists the commands of `rendertrust`, each with the text of `--help`.\n",
        f"```text\n{catalogue.overview()}\n```\n",
    ]
    root = Root("rendertrust")
    for section, entries in catalogue.SECTIONS.items():
        lines.append(f"## {section}\n")
        for entry in entries:
            command = _command(root, entry.name)
            lines.extend(_helped(command, f"rendertrust {entry.name}", 3))
    return "\n".join(lines)


def settings() -> str:
    """Return the page of all settings, with a table for each table of the settings file."""
    where = "[Operations](../OPERATIONS.md#settings) says where you write them."
    parts = [f"# Settings\n\nThis page lists the gateway's settings. {where}\n"]
    for name, group in itertools.groupby(SETTINGS, key=_table_of):
        table = settings_table.table(group).replace("](#", "](../OPERATIONS.md#")
        parts.append(f"## {name}\n\n{table}")
    return "\n".join(parts)


def operations() -> str:
    """Return the page of all operations of the API, by the noun that they belong to."""
    document = describe(OPERATIONS)
    of_tag: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for tag in operation["tags"]:
                of_tag.setdefault(tag, []).extend(_described(method, path, operation))
    lines = [f"# Operations of the API\n\n{ABOUT_OPERATIONS}"]
    for tag in document["tags"]:
        lines += [f"## {tag['name']}\n", f"{tag['description']}\n", *of_tag.get(tag["name"], ())]
    return "\n".join(lines)


ABOUT_OPERATIONS = """\
This page lists the operations of the HTTP API. A running gateway shows them with their schemas at
<a href="/docs">/docs</a>, and as an OpenAPI document at <a href="/openapi.json">/openapi.json</a>.
[The HTTP API](../API.md) explains how to use them.
"""
PYTHON_CLIENT = """\
# The Python client, in full

This page lists the methods of `rendertrust.Client`, its exceptions, and what describes a job.
[The client library](../CLIENT.md) explains how to use them. `AsyncClient` has the same methods, for
asyncio.

::: rendertrust.client.sync_client.Client

::: rendertrust.job_spec.JobSpec

::: rendertrust.client.errors
"""


def _table_of(setting: Setting) -> str:
    """Return the table that has the setting in a settings file."""
    table, dot, _ = setting.name.partition(".")
    return f"`[{table}]`" if dot else "General"


def _command(root: click.Group, name: str) -> click.Command:
    context = click.Context(root)
    found = root.get_command(context, name) or gateway_commands.get_command(context, name)
    assert found is not None, f"the catalogue names {name}, which does not exist"
    return found


def _helped(command: click.Command, name: str, level: int) -> Iterator[str]:
    """Yield the section of a command, and those of the commands below it."""
    parent = click.Context(click.Group(), info_name=name.rpartition(" ")[0])
    context = click.Context(command, parent=parent, info_name=name.rpartition(" ")[2])
    yield f"{'#' * level} {name}\n"
    yield f"```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None and not found.hidden:
                yield from _helped(found, f"{name} {below}", min(level + 1, 5))


def _described(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"### {method.upper()} `{path}`\n"
    yield f"{operation['summary']}\n"
    if operation.get("description"):
        yield f"{operation['description']}\n"
    answers = ", ".join(
        f"{status} {phrase(int(status))}" for status in operation["responses"] if status.isdigit()
    )
    yield f"Answers: {answers}.\n"
