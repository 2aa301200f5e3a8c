"""Examples of admins' requests about jobs and dead letters."""

from typing import Final

from web.openapi.examples.reference import JOB_ID, NODE_ID, USER_ID, Example

PLACED: Final[Example] = {"job_id": JOB_ID, "node_id": NODE_ID, "status": "DISPATCHED"}
CALLED_OFF: Final[Example] = {"job_id": JOB_ID, "node_id": None, "status": "CANCELLED"}
BECAUSE: Final[Example] = {"reason": "the node's disk was full"}
LISTED: Final[Example] = {
    "jobs": [
        {
            "id": JOB_ID,
            "job_type": "render",
            "status": "FAILED",
            "user_id": USER_ID,
            "email": "jane@example.com",
            "node_id": NODE_ID,
            "node_name": "gpu-node-east-1",
            "price": "10.0000",
            "charged": "0.0000",
            "retry_count": 2,
            "retry_of": None,
            "retried_by": None,
            "error_message": "the scene has no camera",
            "created_at": "2026-03-13T12:00:00Z",
            "completed_at": "2026-03-13T12:05:00Z",
        }
    ],
    "more": False,
}
LETTERS: Final[Example] = {
    "letters": [
        {
            "id": JOB_ID,
            "at": "2026-03-13T12:05:00Z",
            "about": "render",
            "whose": "jane@example.com",
            "where": "gpu-node-east-1",
            "reason": "the scene has no camera",
            "blame": "the scene's fault",
            "job": JOB_ID,
            "tried": 3,
            "history": [
                {
                    "unit": 0,
                    "attempt": 3,
                    "at": "2026-03-13T12:05:00Z",
                    "where": "gpu-node-east-1",
                    "reason": "the scene has no camera",
                    "blame": "the scene's fault",
                }
            ],
        }
    ],
    "total": 1,
}
NAMED: Final[Example] = {"ids": [JOB_ID], "reason": "the node's disk was full"}
DONE: Final[Example] = {
    "done": [JOB_ID],
    "refused": [],
}
