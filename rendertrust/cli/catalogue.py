"""All commands by name: a summary of each, and the module that is imported when it is called."""

from typing import Final, NamedTuple


class CommandEntry(NamedTuple):
    """A command. ``module`` is empty for commands of the gateway, which are in the checkout."""

    name: str
    summary: str
    module: str = ""


SECTIONS: Final[dict[str, tuple[CommandEntry, ...]]] = {
    "Rendering": (
        CommandEntry("register", "Open an account and log in", "rendertrust.cli.account"),
        CommandEntry("login", "Log in", "rendertrust.cli.account"),
        CommandEntry("logout", "Log out", "rendertrust.cli.account"),
        CommandEntry("keys", "API keys for programs that act for you", "rendertrust.cli.keys"),
        CommandEntry(
            "submit", "Upload a .blend file and have it rendered", "rendertrust.cli.submit"
        ),
        CommandEntry(
            "preflight",
            "Check a scene before you submit it",
            "rendertrust.cli.preflight",
        ),
        CommandEntry(
            "jobs", "List, show, watch and change jobs, download frames", "rendertrust.cli.jobs"
        ),
        CommandEntry(
            "uploads", "List and delete the files you uploaded", "rendertrust.cli.uploads"
        ),
        CommandEntry("webhooks", "Send events of your jobs to a URL", "rendertrust.cli.webhooks"),
        CommandEntry(
            "credits", "Your balance, its history, and buying credits", "rendertrust.cli.credits"
        ),
        CommandEntry("ledger", "Proofs that entries are in the log", "rendertrust.cli.ledger"),
        CommandEntry("verify", "Check proofs without the gateway", "rendertrust.cli.verify"),
        CommandEntry(
            "disputes", "Dispute units that were not worth their charge", "rendertrust.cli.disputes"
        ),
    ),
    "Operating a node": (
        CommandEntry("node", "Join a gateway, run a node, maintain it", "rendertrust.cli.node"),
        CommandEntry("nodes", "List, show, drain and revoke your nodes", "rendertrust.cli.nodes"),
        CommandEntry(
            "organisations",
            "Groups that render on each other's nodes for free",
            "rendertrust.cli.organisations",
        ),
        CommandEntry("trusted", "Users whose nodes may render your jobs", "rendertrust.cli.trust"),
        CommandEntry(
            "earnings", "Earnings of your nodes, statements, payouts", "rendertrust.cli.earnings"
        ),
    ),
    "Running a gateway (from a checkout)": (
        CommandEntry("serve", "Start the gateway"),
        CommandEntry("demo", "Gateway, node and a rendered picture on this machine"),
        CommandEntry("fsck", "Check the books"),
        CommandEntry("db", "Migrate the database, show its version"),
        CommandEntry("backup", "Write the database to a file"),
        CommandEntry("restore", "Fill an empty database from a backup file"),
        CommandEntry("chain", "The chain of the anchors: contract, state, new epoch"),
        CommandEntry("admin", "Admins, roles, prices, SKUs, credits, payouts, disputes, keys"),
        CommandEntry("openapi", "Print the OpenAPI document"),
    ),
    "Other": (
        CommandEntry("help", "Explain a command, or 'exit-codes'", "rendertrust.cli.help_topics"),
        CommandEntry("version", "Print the version", "rendertrust.cli.version"),
    ),
}
COMMANDS: Final = {entry.name: entry for entries in SECTIONS.values() for entry in entries}
GATEWAY: Final = frozenset(name for name, entry in COMMANDS.items() if not entry.module)

OPTIONS: Final = """\
  --url URL   The gateway (default: RENDERTRUST_URL, then your last login,
              then http://localhost:8000)
  --json      One JSON document, or one line per event
  --help      Explain the command

If RENDERTRUST_API_KEY is set, it is used instead of a login."""


def overview() -> str:
    """Return the text of ``rendertrust --help``."""
    parts = [
        "Usage: rendertrust [--url URL] [--json] COMMAND …\n",
        "Render frames on idle machines.",
    ]
    for section, entries in SECTIONS.items():
        lines = [f"  {entry.name:<15}{entry.summary}" for entry in entries]
        parts.append("\n".join([f"\n{section}:", *lines]))
    parts.append(f"\nWith every command:\n{OPTIONS}")
    return "\n".join(parts)
