"""All operations of the API; each module declares those of one subject."""

from web.http.operations import Operations
from web.routes import (
    admin,
    admin_credits,
    admin_jobs,
    anchors,
    archives,
    attempt_logs,
    auth,
    control,
    dead_letters,
    disputes,
    documentation,
    endpoints,
    epochs,
    events,
    evidence,
    fleet,
    health,
    jobs,
    keys,
    ledger,
    nodes,
    operators,
    organisations,
    password_resets,
    payouts,
    preflights,
    prices,
    purchases,
    quotes,
    receipts,
    sessions,
    skus,
    statements,
    storage,
    thumbnails,
    trusted,
    units,
    uploads,
    videos,
    webhooks,
)
from web.routes import credits as credits_

OPERATIONS = Operations(
    module.operations
    for module in (
        *(health, auth, sessions, keys, credits_, uploads, storage, jobs, quotes, units),
        preflights,
        *(
            receipts,
            evidence,
            archives,
            control,
            videos,
            events,
            attempt_logs,
            thumbnails,
            nodes,
            fleet,
        ),
        *(password_resets, organisations, trusted, admin, prices),
        *(admin_jobs, dead_letters, admin_credits, operators, statements, disputes, payouts),
        *(ledger, anchors, epochs, purchases, skus, webhooks, endpoints, documentation),
    )
)
