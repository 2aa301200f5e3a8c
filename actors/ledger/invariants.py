"""A last check of a batch before it is written: it must not break invariants I1 and I2."""

from collections import defaultdict
from collections.abc import Sequence

from sql.books import AccountRow, Changes, EntryRow, HoldRow, Rows


def violation(rows: Rows, changes: Changes) -> str | None:
    """Describe what the changes would break, in one line; None if they are sound.

    It compares rows before and after, and uses nothing that the decision computed.
    """
    return (
        _unbalanced(changes)
        or _wrong_balance(rows, changes)
        or _wrong_held(rows, changes)
        or _overdrawn(changes.accounts)
    )


def _unbalanced(changes: Changes) -> str | None:
    amounts: defaultdict[int, list[int]] = defaultdict(list)
    for entry in changes.entries:
        amounts[entry.transfer_id].append(entry.amount)
    for transfer in changes.transfers:
        if sorted(amounts.pop(transfer.id, [])) != [-transfer.amount, transfer.amount]:
            return f"I1: the entries of transfer {transfer.id} are not its amount on either side"
    return f"I1: entries of no transfer: {sorted(amounts)}" if amounts else None


def _wrong_balance(rows: Rows, changes: Changes) -> str | None:
    entries: defaultdict[str, list[EntryRow]] = defaultdict(list)
    for entry in changes.entries:
        entries[entry.account].append(entry)
    for account in changes.accounts:
        balance, version = rows.accounts[account.name].balance, rows.accounts[account.name].version
        for entry in entries.pop(account.name, []):
            if (entry.before, entry.version) != (balance, version + 1):
                return f"I2: entry {entry.entry_id} does not follow on its account"
            balance, version = entry.after, entry.version
        if (account.balance, account.version) != (balance, version):
            return f"I2: the balance of {account.name} is not that of its entries"
    return f"I2: entries of accounts that do not change: {sorted(entries)}" if entries else None


def _wrong_held(rows: Rows, changes: Changes) -> str | None:
    moved: defaultdict[str, int] = defaultdict(int)
    for hold in changes.holds:
        moved[hold.account] += _open(hold) - _open(rows.holds.get(hold.reference))
    for account in changes.accounts:
        if account.held != rows.accounts[account.name].held + moved.pop(account.name, 0):
            return f"I2: what is held of {account.name} is not the sum of its holds"
    stray = sorted(name for name, amount in moved.items() if amount)
    return f"I2: holds of accounts that do not change: {stray}" if stray else None


def _overdrawn(accounts: Sequence[AccountRow]) -> str | None:
    for account in accounts:
        if account.held < 0 or not (account.may_overdraw or account.available >= 0):
            return f"I2: {account.name} is overdrawn"
    return None


def _open(hold: HoldRow | None) -> int:
    return hold.amount if hold is not None and hold.state == "OPEN" else 0
