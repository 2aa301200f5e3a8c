"""``rendertrust completion``: shell completion, and the answers to the shells' questions."""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    ShellComplete,
    get_completion_class,
    split_arg_string,
)

from rendertrust.cli import argv, catalogue
from rendertrust.cli.app import ROOT
from rendertrust.cli.command import Command
from rendertrust.cli.session import CliSession, pass_session

PROGRAM: Final = "rendertrust"
VARIABLE: Final = "_RENDERTRUST_COMPLETE"  # as in __main__; set by the script in the shell
SHELLS: Final = ("bash", "zsh", "fish")
GLOBAL: Final = (
    CompletionItem("--url", help="The gateway."),
    CompletionItem("--json", help="Print JSON for programs."),
)


# Bash divides words at colons and equals signs, as in addresses and scopes, so the script sends the
# line as typed, and leaves out of a completion what stands before the last colon. It calls the
# program by its name: a typed path, such as ./rendertrust, may lead to a program of somebody else.
BASH: Final = r"""%(complete_func)s() {
    local IFS=$'\n' line=${COMP_LINE:0:COMP_POINT} current before="" response completion
    current=${line##*[[:space:]]}
    current=${current##*=}
    if [[ $COMP_WORDBREAKS == *:* ]]; then before=${current%%"${current##*:}"}; fi
    response=$(env COMP_LINE="$line" %(complete_var)s=bash_complete %(prog_name)s)
    COMPREPLY=()
    for completion in $response; do
        case $completion in
            dir,*) compopt -o dirnames ;;
            file,*) compopt -o default ;;
            plain,*) completion=${completion#plain,}; COMPREPLY+=("${completion#"$before"}") ;;
        esac
    done
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class Bash(BashComplete):
    """Completion for bash, which gets the command line as typed."""

    source_template = BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the cursor, and the beginning of the word at the cursor."""
        line = os.environ["COMP_LINE"]
        words = split_arg_string(line)[1:]
        return (words, "") if line[-1:].isspace() else (words[:-1], words[-1] if words else "")


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(SHELLS))
@pass_session
def completion(session: CliSession, shell: str) -> None:
    """Print the script that completes commands and options in your SHELL.

    bash: add to ~/.bashrc the line: eval "$(rendertrust completion bash)"

    zsh: add to ~/.zshrc, after compinit, the line: eval "$(rendertrust completion zsh)"

    fish: rendertrust completion fish > ~/.config/fish/completions/rendertrust.fish
    """
    script = shell_of(shell, ROOT).source()
    session.output.document({"shell": shell, "script": script})
    session.output.say(script.rstrip("\n"))


def answer(instruction: str, of_gateway: Callable[[], click.Group | None]) -> None:
    """Print what fits at the cursor. ``instruction`` names the shell, as in ``bash_complete``; the
    command line is in the environment. ``of_gateway`` imports the commands of a gateway.

    Errors print nothing, as they would appear in the middle of the user's line.
    """
    with suppress(Exception):
        shell = shell_of(instruction.partition("_")[0], ROOT)
        typed, incomplete = shell.get_completion_args()
        for item in completions(typed, incomplete, of_gateway):
            sys.stdout.write(f"{shell.format_completion(item)}\n")


def completions(
    typed: Sequence[str], incomplete: str, of_gateway: Callable[[], click.Group | None]
) -> list[CompletionItem[str]]:
    """Return what may stand after the words ``typed``; ``incomplete`` is its beginning."""
    try:
        words = argv.split(typed)
    except argv.UrlMissing:
        return []  # the address of a gateway
    is_ours = words.command not in catalogue.GATEWAY
    group = ROOT if is_ours else of_gateway()
    if group is None:
        return []
    found = shell_of(SHELLS[0], group).get_completions(list(words.rest), incomplete)
    if incomplete.startswith("-") and is_ours:
        found += [item for item in GLOBAL if item.value.startswith(incomplete)]
    return found


def shell_of(name: str, group: click.Group) -> ShellComplete:
    """Return click's support of a shell; raise ValueError for another shell."""
    kind = Bash if name == "bash" else get_completion_class(name)
    if kind is None:
        raise ValueError(f"unknown shell: {name}")
    return kind(group, {}, PROGRAM, VARIABLE)
