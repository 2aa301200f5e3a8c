"""The page of all error codes: of refusals, of failed units, and of the command line.

The documentation site has it, and so have the plain pages of a gateway without that site.
"""

from typing import Final

from rendertrust.api.refusal_advice import ADVICE
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.cli import exit_codes
from rendertrust.cli.error_exits import HINTS
from rendertrust.unit_error_code import ErrorCode

NAME: Final = "errors.md"  # the page's file among the pages of docs/
CHECK: Final = "Check the scene with `rendertrust preflight scene.blend --farm`."
AGAIN: Final = "Retry it: `rendertrust jobs retry JOB`."
UNIT_ERRORS: Final[dict[ErrorCode, tuple[str, str]]] = {
    "underquoted": (
        "The unit took over three times its quoted work on nodes of three owners.",
        "Submit it again: the new price counts the measured work.",
    ),
    "every_node": ("The unit failed on several nodes.", CHECK),
    "part_failed": (
        "A tile of the frame failed.",
        "`rendertrust jobs units JOB` shows why its tile failed.",
    ),
    "parts_gone": ("The uploaded parts of the result no longer exist.", AGAIN),
    "invalid": (
        "A check found that the result is not what the scene gives. You were not charged.",
        AGAIN,
    ),
    "lost": ("The unit's nodes disappeared.", AGAIN),
    "given_back": ("The nodes returned the unit unfinished.", AGAIN),
    "stalled": ("The unit made no progress for half an hour.", CHECK),
    "too_slow": (
        "The unit ran for six hours, or far longer than its quote or its job's other units.",
        "Render the frame in tiles, or with fewer samples.",
    ),
    "no_node": (
        "No node finished the unit in time.",
        "`rendertrust jobs show JOB` says what its nodes need; ask for less, or try again later.",
    ),
    "unsendable": (
        "The unit cannot be sent to a node.",
        "Ask the people who run the gateway; its log names the reason.",
    ),
    "too_much_memory": (
        "The unit needs more memory than its node, or any node, has.",
        "Make the scene smaller: smaller textures, fewer subdivisions, or a smaller picture.",
    ),
    "reported": (
        "The node reported the error in its own words.",
        "Read the words and the log: `rendertrust jobs log JOB`.",
    ),
}
ABOUT: Final = """\
# Errors, by code

This page says what each code means, and what you can do. The address of a code is
`/help/errors/#CODE`, and that of a failed unit's code `/help/errors/#unit-CODE`.

## When the API refuses a request

Every refusal has a `code` and a `detail`, which says more about your request. Quote the
`request_id` of the answer when you ask the people who run the gateway.
"""
ABOUT_UNITS: Final = """\
## When a unit fails

A failed unit has one of these as its `error_code`. [The HTTP API](API.md#why-a-unit-failed) says
where you read it.
"""


def text() -> str:
    """Return the page in Markdown."""
    lines = [ABOUT]
    for code in RefusalCode:
        lines += [f"### `{code}`\n", f"{code.meaning}\n", f"{ADVICE[code]}\n", _hints(code)]
    lines.append(ABOUT_UNITS)
    for name, (meaning, advice) in UNIT_ERRORS.items():
        lines += [f"### Unit: `{name}`\n", f"{meaning}\n", f"{advice}\n"]
    lines += ["## When a command ends\n", "| exit code | meaning |", "| --- | --- |"]
    lines += [
        f'| <span id="exit-{code}"></span>{code} | {meaning[0].upper()}{meaning[1:]}. |'
        for code, meaning in exit_codes.TABLE.items()
    ]
    return "\n".join(line for line in lines if line) + "\n"


def _hints(code: RefusalCode) -> str:
    """Return the command line's hints for the code, as a list; '' if it has none."""
    return "".join(f"* {_as_code(line)}\n" for line in HINTS.get(code, "").splitlines())


def _as_code(line: str) -> str:
    """Return the line with its commands as code: ``List your nodes: `rendertrust nodes list` ``."""
    said, colon, command = line.partition(": ")
    if not command.startswith("rendertrust "):
        return line
    named = ", ".join(f"`{one}`" for one in command.split(", "))
    return f"{said}{colon}{named}"
