"""All commands, by name: what each is for, and where its code is found when it is called."""

from typing import Final, NamedTuple


class Listed(NamedTuple):
    """A command. ``module`` is empty for those that live in the gateway's checkout."""

    name: str
    summary: str
    module: str = ""


SECTIONS: Final[dict[str, tuple[Listed, ...]]] = {
    "Rendering": (
        Listed("register", "Open an account and log in", "rendertrust.cli.account"),
        Listed("login", "Log in", "rendertrust.cli.account"),
        Listed("logout", "Log out", "rendertrust.cli.account"),
        Listed("keys", "API keys, for programs that log in for you", "rendertrust.cli.keys"),
        Listed("submit", "Upload a .blend file and have it rendered", "rendertrust.cli.submit"),
        Listed(
            "preflight",
            "What is wrong with a scene, before it goes",
            "rendertrust.cli.preflight",
        ),
        Listed("jobs", "List, show, watch and steer jobs, fetch frames", "rendertrust.cli.jobs"),
        Listed("uploads", "List and delete the files you sent", "rendertrust.cli.uploads"),
        Listed("webhooks", "Who is told what happens to your jobs", "rendertrust.cli.webhooks"),
        Listed("credits", "What you have, and how it came and went", "rendertrust.cli.credits"),
        Listed("ledger", "Proofs that entries stand in the log", "rendertrust.cli.ledger"),
        Listed("verify", "Check proofs without the gateway", "rendertrust.cli.verify"),
        Listed("disputes", "Units that were not worth their charge", "rendertrust.cli.disputes"),
    ),
    "Operating a node": (
        Listed("node", "Join a gateway, run the node, keep it well", "rendertrust.cli.node"),
        Listed("nodes", "List, show, drain and revoke your nodes", "rendertrust.cli.nodes"),
        Listed("organisations", "Render on each other's nodes", "rendertrust.cli.organisations"),
        Listed("trusted", "Whose nodes may see your work", "rendertrust.cli.trusted"),
        Listed(
            "earnings", "What your nodes earned, statements, payouts", "rendertrust.cli.earnings"
        ),
    ),
    "Running a gateway (from a checkout)": (
        Listed("serve", "Start the gateway"),
        Listed("demo", "Gateway, node and a rendered picture on this machine"),
        Listed("fsck", "Check the books"),
        Listed("db", "Migrate the database, see where it stands"),
        Listed("backup", "Write the database to a file"),
        Listed("restore", "Fill an empty database from such a file"),
        Listed("chain", "The chain of the anchors: contract, state, a new epoch"),
        Listed("admin", "Admins, roles, prices, SKUs, credits, payouts, disputes, keys"),
        Listed("openapi", "Print the API's description"),
    ),
    "Else": (
        Listed("help", "Explain a command, or 'exit-codes'", "rendertrust.cli.topics"),
        Listed("version", "Print the version", "rendertrust.cli.version"),
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
