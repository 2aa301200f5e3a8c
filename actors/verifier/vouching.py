"""What a stranger's word alone is paid by: it is to be found again if the node is caught, as he may
be its friend; and who had called valid what is not then has a strike.
"""

from datetime import datetime

from actors.verifier.case import VALID, Case
from actors.verifier.checkers import Running
from actors.verifier.notes import Notes
from actors.verifier.report import Report
from actors.verifier.trials import Trials
from sql.checks import SecondLook, Voucher


def note_word(
    case: Case, running: Running, report: Report, now: datetime, to: tuple[Notes, Trials]
) -> None:
    """Once a case was heard: whose word its verdict is, or whose was wrong before."""
    (notes, trials), order, checker = to, running.order, running.checker.candidate
    told = case.pending.voucher
    if case.verdict in VALID and not checker.is_own:
        who = (checker.id, checker.device_class)
        notes.add(Voucher(*case.id, *who, now, order.draws, order.shown))
    elif case.is_again and told is not None and case.is_wrong_by(report):
        trials.blame(told, now)
        case.misjudged = told
        row = case.pending.row
        notes.add(SecondLook(*case.id, row.node_id, row.device_class, now, held=False))
