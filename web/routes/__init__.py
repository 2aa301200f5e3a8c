"""Every operation of the API, one file per noun."""

from web.operations import Operations
from web.routes import (
    admin,
    auth,
    documentation,
    fleet,
    health,
    jobs,
    keys,
    nodes,
    prices,
    purchases,
    sessions,
    skus,
    uploads,
    webhooks,
)
from web.routes import credits as credits_

OPERATIONS = Operations(
    module.operations
    for module in (
        *(health, auth, sessions, keys, credits_, uploads, jobs, nodes, fleet, admin, prices),
        *(purchases, skus, webhooks),
        documentation,
    )
)
