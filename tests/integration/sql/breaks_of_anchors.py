"""SQL statements that break the invariants about anchors on the chain (I12)."""

HASH = "sha256('x')"
CHECKPOINTS = "INSERT INTO checkpoints (size, number, root, at, note) VALUES"
CHECKPOINT = f"{CHECKPOINTS} (5, 1, {HASH}, now(), 'note');"


def sent(nonce: int, *, size: str = "NULL", root: str = "NULL", contract: str = "0xc") -> str:
    """Return SQL that inserts a confirmed chain transaction."""
    return (
        "INSERT INTO chain_transactions (chain_id, sender, nonce, contract, size, root, raw,"
        " hashes, state, block_number, created_at, bid_at, confirmed_at) VALUES"
        f" (7, 'me', {nonce}, '{contract}', {size}, {root}, '', ARRAY['0x{nonce}'], 'CONFIRMED',"
        " 1, now(), now(), now());"
    )


def epoch(number: int, origin: str) -> str:
    """Return SQL that inserts an epoch that begins at leaf 0."""
    return (
        f"INSERT INTO epochs VALUES ({number}, {number - 2}, 'leaf', '{origin}', 7, '0xc', 5,"
        f" {HASH}, 'me', 4, now());"
    )


BREAKS_OF_ANCHORS = {
    "a checkpoint that is missing": (
        "whole_i8_numbers",
        "INSERT INTO log_head VALUES (true, 'log', 0, sha256(''), 0, 1)",
    ),
    "an anchor with another root": (
        "whole_i12_roots",
        CHECKPOINT + sent(0) + sent(1, size="5", root="sha256('y')"),
    ),
    "a transaction that is missing": ("whole_i12_numbers", sent(0) + sent(2)),
    "the contract's own transaction that is missing": (
        "whole_i12_contracts",
        CHECKPOINT + sent(1, size="5", root=HASH),
    ),
    "an epoch without its leaf": ("whole_i12_epochs", epoch(2, "log/epoch/2")),
    "a log that is not named after its epoch": (
        "whole_i12_epochs",
        (
            "INSERT INTO log_head VALUES (true, 'log', 1, sha256(''), 0);"
            f"INSERT INTO leaves VALUES (0, NULL, NULL, {HASH});" + epoch(2, "log/epoch/2")
        ),
    ),
    "a log with another name than its checkpoints": (
        "whole_i12_origin",
        (
            "INSERT INTO log_head VALUES (true, 'other', 5, sha256(''), 0);"
            f"{CHECKPOINTS} (5, 1, {HASH}, now(), E'log\\n5\\n');"
        ),
    ),
    "a chain that is ahead": (
        "whole_i12_halt",
        f"INSERT INTO log_halt VALUES (true, 'AHEAD', now(), 7, '0xc', 9, {HASH})",
    ),
}
