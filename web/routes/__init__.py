"""Every operation of the API, one file per noun."""

from web.operations import Operations
from web.routes import auth, documentation, fleet, health, jobs, nodes, uploads
from web.routes import credits as credits_

OPERATIONS = Operations(
    module.operations
    for module in (health, auth, credits_, uploads, jobs, nodes, fleet, documentation)
)
