"""SQL that inserts transfers without the Ledger."""

_COLUMNS = "debit, credit, subject, amount, kind, reference, created_at"


def insert_transfers(query: str, *more: str) -> str:
    """Return a statement that inserts the transfers that ``query`` yields.

    ``query`` yields debit, credit, subject, amount, kind, reference and created_at, after the
    columns ``more``. The transfers follow the newest entries of their accounts, which do not
    change.
    """
    columns = ", ".join([*more, _COLUMNS])
    return f"""
INSERT INTO transfers ({columns}, key, debit_version, credit_version, debit_after, credit_after)
OVERRIDING SYSTEM VALUE
SELECT n.*, gen_random_uuid(),
       coalesce(d.version, 0) + row_number() OVER debits,
       coalesce(c.version, 0) + row_number() OVER credits,
       coalesce(d.balance, 0) - sum(n.amount) OVER debits,
       coalesce(c.balance, 0) + sum(n.amount) OVER credits
FROM ({query}) AS n ({columns})
LEFT JOIN accounts d ON d.id = n.debit
LEFT JOIN accounts c ON c.id = n.credit
WINDOW debits AS (PARTITION BY n.debit ORDER BY n.reference ROWS UNBOUNDED PRECEDING),
       credits AS (PARTITION BY n.credit ORDER BY n.reference ROWS UNBOUNDED PRECEDING)
"""


def transfer_between(debit: str, credit: str) -> str:
    """Return a statement that inserts a transfer of 7 between two accounts, by their names.

    The statement returns the transfer's number. For a name that no account has, the transfer has a
    number that no account has.
    """
    ids = [
        f"coalesce((SELECT id FROM accounts WHERE name = '{name}'), -nextval('accounts_id_seq'))"
        for name in (debit, credit)
    ]
    query = (
        "SELECT a.debit, a.credit, a.credit, 7, 'ADJUSTMENT', gen_random_uuid()::text, now()"
        f" FROM (SELECT {', '.join(ids)}) AS a (debit, credit)"
    )
    return f"{insert_transfers(query)} RETURNING id"
