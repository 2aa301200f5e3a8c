"""All commands by name, each with a summary and the module that a call of the command imports."""

from typing import Final, NamedTuple


class CommandEntry(NamedTuple):
    """A command of ``rendertrust``.

    ``module`` is empty for commands that run a gateway, because only a checkout has their modules.
    """

    name: str
    summary: str
    module: str = ""


SECTIONS: Final[dict[str, tuple[CommandEntry, ...]]] = {
    "Rendering": (
        CommandEntry("register", "Open an account and log in", "rendertrust.cli.account"),
        CommandEntry("login", "Log in", "rendertrust.cli.account"),
        CommandEntry("logout", "Log out", "rendertrust.cli.account"),
        CommandEntry(
            "account",
            "Show, change, export or delete your account",
            "rendertrust.cli.own_account",
        ),
        CommandEntry(
            "keys", "Create, list and revoke API keys for your programs", "rendertrust.cli.keys"
        ),
        CommandEntry(
            "submit", "Upload a .blend file, which a node then renders", "rendertrust.cli.submit"
        ),
        CommandEntry(
            "preflight",
            "Check a scene before you submit it",
            "rendertrust.cli.preflight",
        ),
        CommandEntry(
            "jobs", "List, show, watch and change jobs; download results", "rendertrust.cli.jobs"
        ),
        CommandEntry(
            "uploads", "List and delete the files you uploaded", "rendertrust.cli.uploads"
        ),
        CommandEntry(
            "webhooks", "Send events of your jobs to your own URLs", "rendertrust.cli.webhooks"
        ),
        CommandEntry(
            "credits", "Show your balance and its history; buy credits", "rendertrust.cli.credits"
        ),
        CommandEntry(
            "ledger",
            "Prove that your credit entries are in the gateway's log",
            "rendertrust.cli.ledger",
        ),
        CommandEntry(
            "verify",
            "Check proofs, receipts and pictures without the gateway",
            "rendertrust.cli.verify",
        ),
        CommandEntry(
            "share", "Share verified pictures by public links", "rendertrust.cli.share_links"
        ),
        CommandEntry(
            "disputes", "Dispute units that were not worth their charge", "rendertrust.cli.disputes"
        ),
    ),
    "Operating a node": (
        CommandEntry(
            "node", "Join a gateway, run a node, maintain the node", "rendertrust.cli.node"
        ),
        CommandEntry("nodes", "List, show, drain and revoke your nodes", "rendertrust.cli.nodes"),
        CommandEntry(
            "organisations",
            "Groups that render on each other's nodes for free",
            "rendertrust.cli.organisations",
        ),
        CommandEntry("trusted", "Users whose nodes may render your jobs", "rendertrust.cli.trust"),
        CommandEntry(
            "earnings", "Earnings of your nodes, statements and payouts", "rendertrust.cli.earnings"
        ),
    ),
    "Running a gateway (from a checkout)": (
        CommandEntry("serve", "Start the gateway"),
        CommandEntry("demo", "Run a gateway and nodes on this machine and render a picture"),
        CommandEntry("fsck", "Check that the books (the ledger) are consistent"),
        CommandEntry("db", "Migrate the database, or show its version"),
        CommandEntry("backup", "Write the database to a file"),
        CommandEntry("restore", "Fill an empty database from a backup file"),
        CommandEntry("chain", "Blockchain anchors of the log: contract, status, new epoch"),
        CommandEntry("admin", "Manage users, prices, SKUs, credits, payouts, disputes and keys"),
        CommandEntry("openapi", "Print the OpenAPI document"),
    ),
    "Other": (
        CommandEntry("help", "Explain a command, or 'exit-codes'", "rendertrust.cli.help"),
        CommandEntry("completion", "Complete commands in your shell", "rendertrust.cli.completion"),
        CommandEntry("version", "Print the version", "rendertrust.cli.version"),
    ),
}
COMMANDS: Final = {entry.name: entry for entries in SECTIONS.values() for entry in entries}
GATEWAY: Final = frozenset(name for name, entry in COMMANDS.items() if not entry.module)

OPTIONS: Final = """\
  --url URL   The gateway (default: RENDERTRUST_URL, then your last login,
              then http://localhost:8000)
  --json      Print one JSON document, or one line per event
  --help      Explain the command

If RENDERTRUST_API_KEY is set, it is used instead of a login, except by account,
keys, login, logout and register.

The gateway has the documentation at /help. It explains each error code at
/help/errors/."""


def overview() -> str:
    """Return the text of ``rendertrust --help``."""
    parts = [
        "Usage: rendertrust [--url URL] [--json] COMMAND …\n",
        "Render frames on idle machines.",
    ]
    for section, entries in SECTIONS.items():
        lines = [f"  {entry.name:<15}{entry.summary}" for entry in entries]
        parts.append("\n".join([f"\n{section}:", *lines]))
    parts.append(f"\nWith every command except those of a gateway:\n{OPTIONS}")
    return "\n".join(parts)
