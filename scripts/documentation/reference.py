"""Reference pages, made from the declarations of commands, settings, operations and codes."""

from collections.abc import Iterator
from typing import Any

import click

from rendertrust.api.refusal_code import RefusalCode
from rendertrust.cli import catalogue, exit_codes
from rendertrust.cli.command import Root
from rendertrust.cli.error_exits import HINTS
from scripts import settings_table
from scripts.documentation import unit_errors
from web.commands import group as gateway_commands
from web.openapi.document import describe
from web.openapi.error_responses import phrase
from web.routes import OPERATIONS

# Advice by the end of a code, for codes that the command line has no hint for.
ADVICE = {
    "_not_found": "Check the id, and that you are logged in as its owner.",
    "_unavailable": "Try again in a moment. If it goes on, the gateway's log says why.",
    "_busy": "Try again in a moment.",
    "_full": "Try again later.",
    "_expired": "Start again from the beginning.",
    "_invalid": "Correct what `detail` names, and try again.",
    "_off": "The people who run the gateway decide this. Ask an admin.",
}
MANY = "Remove some that you no longer need, or wait until some have ended."


def pages() -> dict[str, str]:
    """Return the text of each generated page by its path in the site."""
    return {
        "reference/commands.md": commands(),
        "reference/settings.md": settings(),
        "reference/operations.md": operations(),
        "reference/python-client.md": PYTHON_CLIENT,
        "errors.md": errors(),
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
    """Return the page of all settings."""
    table = settings_table.table().replace("](#", "](../OPERATIONS.md#")
    where = "[Operations](../OPERATIONS.md#settings) says where you write them."
    return f"# Settings\n\nThis page lists the gateway's settings. {where}\n\n{table}"


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


def errors() -> str:
    """Return the page of all codes: of refusals, of failed units, and of the command line."""
    lines = [ABOUT_ERRORS]
    for code in RefusalCode:
        lines += [f"### `{code}` {{ #{code} }}\n", f"{code.meaning}\n", *_advised(code)]
    lines.append(ABOUT_UNITS)
    taken = {str(code) for code in RefusalCode}
    for name, (meaning, advice) in unit_errors.EXPLAINED.items():
        anchor = f"unit-{name}" if name in taken else name
        lines += [f"### `{name}` of a unit {{ #{anchor} }}\n", f"{meaning}\n", f"{advice}\n"]
    lines += ["## When a command ends\n", "| exit code | meaning |", "| --- | --- |"]
    lines += [
        f'| <span id="exit-{code}"></span>{code} | {meaning[0].upper()}{meaning[1:]}. |'
        for code, meaning in exit_codes.TABLE.items()
    ]
    return "\n".join(lines) + "\n"


ABOUT_OPERATIONS = """\
This page lists the operations of the HTTP API. A running gateway shows them with their schemas at
<a href="/docs">/docs</a>, and as an OpenAPI document at <a href="/openapi.json">/openapi.json</a>.
[The HTTP API](../API.md) explains how to use them.
"""
ABOUT_ERRORS = """\
# Errors, by code

This page says what each code means, and what you can do. The address of a code is
`/help/errors/#CODE`.

## When the API refuses a request

Every refusal has a `code` and a `detail`, which says more about your request. Quote the
`X-Request-ID` of the answer when you ask the people who run the gateway.
"""
ABOUT_UNITS = """\
## When a unit fails

A failed unit has one of these as its `error_code`. [The HTTP API](API.md#why-a-unit-failed) says
where you read it.
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


def _advised(code: RefusalCode) -> Iterator[str]:
    if code in HINTS:
        lines = HINTS[code].splitlines()
        yield "\n".join(f"* {_as_code(line)}" for line in lines) + "\n"
        return
    if code.startswith("too_many_"):
        yield f"{MANY}\n"
    for ending, advice in ADVICE.items():
        if code.endswith(ending):
            yield f"{advice}\n"
            return


def _as_code(line: str) -> str:
    """Return the line with its command as code: ``List your nodes: `rendertrust nodes list` ``."""
    said, colon, command = line.partition(": ")
    if not command.startswith("rendertrust "):
        return line
    named = ", ".join(f"`{one}`" for one in command.split(", "))
    return f"{said}{colon}{named}"
