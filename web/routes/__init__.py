"""Every operation of the API, one file per noun."""

from web.operations import Operations
from web.routes import (
    admin,
    admin_credits,
    auth,
    disputes,
    documentation,
    fleet,
    health,
    jobs,
    keys,
    ledger,
    nodes,
    operators,
    payouts,
    prices,
    sessions,
    statements,
    uploads,
)
from web.routes import credits as credits_

OPERATIONS = Operations(
    module.operations
    for module in (
        *(health, auth, sessions, keys, credits_, uploads, jobs, nodes, fleet, admin, prices),
        *(admin_credits, operators, statements, disputes, payouts, ledger, documentation),
    )
)
