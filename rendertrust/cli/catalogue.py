"""All commands, by name: what each is for, and where its code is found when it is called."""

from typing import Final, NamedTuple


class CommandEntry(NamedTuple):
    """A command. ``module`` is empty for those that live in the gateway's checkout."""

    name: str
    summary: str
    module: str = ""


SECTIONS: Final[dict[str, tuple[CommandEntry, ...]]] = {
    "Rendering": (
        CommandEntry("register", "Open an account and log in", "rendertrust.cli.account"),
        CommandEntry("login", "Log in", "rendertrust.cli.account"),
        CommandEntry("logout", "Log out", "rendertrust.cli.account"),
        CommandEntry("keys", "API keys, for programs that log in for you", "rendertrust.cli.keys"),
        CommandEntry(
            "submit", "Upload a .blend file and have it rendered", "rendertrust.cli.submit"
        ),
        CommandEntry(
            "preflight",
            "What is wrong with a scene, before it goes",
            "rendertrust.cli.preflight",
        ),
        CommandEntry(
            "jobs", "List, show, watch and steer jobs, fetch frames", "rendertrust.cli.jobs"
        ),
        CommandEntry("uploads", "List and delete the files you sent", "rendertrust.cli.uploads"),
        CommandEntry(
            "webhooks", "Who is told what happens to your jobs", "rendertrust.cli.webhooks"
        ),
        CommandEntry(
            "credits", "What you have, and how it came and went", "rendertrust.cli.credits"
        ),
        CommandEntry("ledger", "Proofs that entries stand in the log", "rendertrust.cli.ledger"),
        CommandEntry("verify", "Check proofs without the gateway", "rendertrust.cli.verify"),
        CommandEntry(
            "disputes", "Units that were not worth their charge", "rendertrust.cli.disputes"
        ),
    ),
    "Operating a node": (
        CommandEntry("node", "Join a gateway, run the node, keep it well", "rendertrust.cli.node"),
        CommandEntry("nodes", "List, show, drain and revoke your nodes", "rendertrust.cli.nodes"),
        CommandEntry(
            "organisations", "Render on each other's nodes", "rendertrust.cli.organisations"
        ),
        CommandEntry("trusted", "Whose nodes may see your work", "rendertrust.cli.trust"),
        CommandEntry(
            "earnings", "What your nodes earned, statements, payouts", "rendertrust.cli.earnings"
        ),
    ),
    "Running a gateway (from a checkout)": (
        CommandEntry("serve", "Start the gateway"),
        CommandEntry("demo", "Gateway, node and a rendered picture on this machine"),
        CommandEntry("fsck", "Check the books"),
        CommandEntry("db", "Migrate the database, see where it stands"),
        CommandEntry("backup", "Write the database to a file"),
        CommandEntry("restore", "Fill an empty database from such a file"),
        CommandEntry("chain", "The chain of the anchors: contract, state, a new epoch"),
        CommandEntry("admin", "Admins, roles, prices, SKUs, credits, payouts, disputes, keys"),
        CommandEntry("openapi", "Print the API's description"),
    ),
    "Else": (
        CommandEntry("help", "Explain a command, or 'exit-codes'", "rendertrust.cli.help_topics"),
        CommandEntry("version", "Print the version", "rendertrust.cli.version"),
    ),
}
COMMANDS: Final = {entry.name: entry for entries in SECTIONS.values() for entry in entries}
GATEWAY: Final = frozenset(name for name, entry in COMMANDS.items() if not entry.module)

OPTIONS: Final = """\
  --url URL   The gateway (RENDERTRUST_URL; else where you logged in last;
              else http://localhost:8000)
  --json      One JSON document, or one line per event
  --help      Explain the command

RENDERTRUST_API_KEY, where it is set, stands in for a login."""


def overview() -> str:
    """What ``rendertrust --help`` prints."""
    parts = [
        "Usage: rendertrust [--url URL] [--json] COMMAND …\n",
        "Render frames on idle machines.",
    ]
    for section, entries in SECTIONS.items():
        lines = [f"  {entry.name:<15}{entry.summary}" for entry in entries]
        parts.append("\n".join([f"\n{section}:", *lines]))
    parts.append(f"\nWith every command:\n{OPTIONS}")
    return "\n".join(parts)
