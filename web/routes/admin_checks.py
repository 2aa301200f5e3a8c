"""The queue of checks and the verifiers' load, for admins."""

from rendertrust.api.checks import CheckQueue
from web.http.operations import Audience, Call, Operations
from web.jobs.check_queue import check_queue_of
from web.openapi.examples import reference as examples

operations = Operations(audience=Audience.ADMIN)


@operations.get("/api/v1/admin/checks", example=examples.CHECK_QUEUE)
async def index(call: Call) -> CheckQueue:
    """Get the queue of checks, its age and the load of the verifiers, of all gateways together."""
    return await check_queue_of(call.gateway.database)
