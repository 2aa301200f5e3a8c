"""Examples of jobs, their units, preflights and dead letters."""

from typing import Final

from web.openapi.examples.reference import JOB_ID, NODE_ID, SHA256, UPLOADED, USER_ID, Example

NEW_JOB: Final[Example] = {
    "job_type": "render",
    "payload_ref": "s3://bucket/input/scene.blend",
}
PLACED: Final[Example] = {"job_id": JOB_ID, "node_id": NODE_ID, "status": "DISPATCHED"}
JOB: Final[Example] = {
    "id": JOB_ID,
    "node_id": NODE_ID,
    "job_type": "render",
    "payload_ref": "s3://bucket/input/scene.blend",
    "status": "COMPLETED",
    "result_ref": f"s3://rendertrust/results/{USER_ID}/{JOB_ID}/0/1/frame.png",
    "error_message": None,
    "retry_count": 0,
    "retry_of": None,
    "queued_at": "2026-03-13T12:00:00Z",
    "dispatched_at": "2026-03-13T12:00:01Z",
    "completed_at": "2026-03-13T12:05:00Z",
    "created_at": "2026-03-13T12:00:00Z",
    "updated_at": "2026-03-13T12:05:00Z",
    "price": "10.0000",
    "charged": "10.0000",
    "progress": 1.0,
    "units": 1,
    "done": 1,
    "failed": 0,
    "priority": "normal",
    "max_credits": None,
    "paused": None,
    "eta_seconds": None,
    "reference_seconds": None,
    "pool": "any",
    "loose_tiles": None,
    "given_back": 0,
    "eta_reason": None,
    "name": "scene",
    "node_name": "gpu-node-east-1",
    "verifying": False,
}
CANCELLED_JOB: Final[Example] = {
    **JOB,
    "status": "CANCELLED",
    "result_ref": None,
    "charged": "0.0000",
    "progress": None,
    "done": 0,
}
JOBS: Final[Example] = {"jobs": [JOB], "count": 15, "next": JOB_ID}
EVENT: Final[Example] = {
    "number": 3,
    "type": "unit.completed",
    "at": "2026-03-13T12:05:00Z",
    "job_id": JOB_ID,
    "unit": 0,
    "attempt": 1,
    "node_id": NODE_ID,
    "money": "charged",
    "amount": "10.0000",
    "error_class": None,
    "error": None,
    "error_code": None,
    "frame": None,
    "thumbnail": None,
    "job_name": "scene",
}
EVENTS: Final[Example] = {"events": [EVENT], "next": None, "ended": True}
RESULT: Final[Example] = {
    "job_id": JOB_ID,
    "download_url": "https://storage.example.com/bucket/key?X-Amz-Signature=0123abcd",
    "expires_in": 3600,
    "size": 1048576,
    "sha256": SHA256,
}
ARCHIVE: Final[Example] = {
    **RESULT,
    "download_url": f"https://farm.example.com/archives/{USER_ID}/{JOB_ID}.zip?signature=0123abcd",
    "size": None,
    "sha256": None,
}
JOB_IDEA: Final[Example] = {"job_type": "render", "frames": "1-48", "max_credits": "200"}
BASIS: Final = (
    "By the work that one of the gateway's nodes measured in small renders of frames 1, 25 and 48."
)
QUOTE: Final[Example] = {
    "units": 48,
    "frames": 48,
    "frame_price": "6.1000",
    "frame_price_least": "5.2000",
    "price": "273.4167",
    "held": "273.4167",
    "available": "990.0000",
    "enough": True,
    "max_credits": "200.0000",
    "priced_by": "work",
    "priced_how": f"{BASIS} The price of a frame in the price table pays for 60 s of it.",
    "reference_seconds": 1640.5,
    "measurable": False,
    "preflight": None,
    "measured": True,
    "credits": "273.4167",
    "money": {"amount": "19.14", "currency": "usd", "text": "≈ 19.14 USD"},
    "basis": BASIS,
    "video_price": None,
}
MANY: Final[Example] = {
    **JOB,
    "status": "RUNNING",
    "result_ref": None,
    "completed_at": None,
    "price": "480.0000",
    "charged": "120.0000",
    "progress": 0.25,
    "units": 48,
    "done": 12,
    "priority": "high",
    "max_credits": "200.0000",
    "eta_seconds": 540.0,
}
JOB_LOG: Final[Example] = {
    "attempts": [
        {
            "unit": 11,
            "frames": "12",
            "attempt": 1,
            "node_id": NODE_ID,
            "ended_at": "2026-03-13T12:04:12Z",
            "error_class": "scene",
            "error": "the scene has no camera; set Scene Properties > Camera",
            "lines": ["Blender 5.2.0", "Read blend: scene.blend"],
            "completed": False,
        }
    ]
}
NEW_VIDEO: Final[Example] = {"container": "MP4", "fps": 24000, "fps_base": 1001}
PAUSED_JOB: Final[Example] = {**MANY, "status": "PAUSED", "paused": "owner"}
STOPPED_JOB: Final[Example] = {
    **MANY,
    "status": "CANCELLED",
    "completed_at": "2026-03-13T12:05:00Z",
    "loose_tiles": {"tiles": 3, "checking": 0, "charged": "7.5000"},
}
JOB_WISH: Final[Example] = {"name": "Cathedral", "priority": "high", "max_credits": "200"}
UNIT: Final[Example] = {
    "number": 11,
    "frames": "12",
    "tile": None,
    "state": "COMPLETED",
    "attempt": 1,
    "node_id": NODE_ID,
    "price": "10.0000",
    "charged": "10.0000",
    "waits_for": 0,
    "error_class": None,
    "error_message": None,
    "error_code": None,
    "size": 1048576,
    "sha256": SHA256,
    "verified": True,
    "download_url": "https://storage.example.com/bucket/key?X-Amz-Signature=0123abcd",
    "assigned_at": "2026-03-13T12:00:01Z",
    "started_at": "2026-03-13T12:00:02Z",
    "ended_at": "2026-03-13T12:04:00Z",
    "waiting": None,
    "copy_node_id": None,
    "given_back": None,
    "eta_reason": None,
    "unverified_reason": None,
    "progress": None,
    "node_name": "gpu-node-east-1",
    "copy_node_name": None,
    "delivered_at": "2026-03-13T12:03:50Z",
}
UNITS: Final[Example] = {"units": [UNIT], "count": 48, "next": 11}
UNIT_AGAIN: Final[Example] = {
    **UNIT,
    "state": "QUEUED",
    "node_id": None,
    "node_name": None,
    "delivered_at": None,
    "charged": "0.0000",
    "size": None,
    "sha256": None,
    "verified": False,
    "download_url": None,
    "ended_at": None,
}
STOPPED_BY_ADMIN: Final[Example] = {"job_id": JOB_ID, "node_id": None, "status": "CANCELLED"}
JOB_REASON: Final[Example] = {"reason": "the node's disk was full"}
ADMINS_JOBS: Final[Example] = {
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
DEAD_LETTERS: Final[Example] = {
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
CHOSEN_LETTERS: Final[Example] = {"ids": [JOB_ID], "reason": "the node's disk was full"}
NEW_SHARE_LINK: Final[Example] = {"days": 30}
SHARE_LINK: Final[Example] = {
    "id": "5f0b7c1e-2d3a-4b9f-8c6d-1e2f3a4b5c6d",
    "job_id": JOB_ID,
    "unit": 0,
    "created_at": "2026-03-13T12:10:00Z",
    "expires_at": "2026-04-12T12:10:00Z",
}
CREATED_SHARE_LINK: Final[Example] = {
    **SHARE_LINK,
    "link": "https://farm.example/console/shared?link=rts_0123456789abcdef0123456789abcdef",
}
SHARE_LINKS: Final[Example] = {"links": [SHARE_LINK], "count": 1}
SHARE_LINK_REVOKED: Final[Example] = {"message": "The share link was revoked"}
LETTERS_DONE: Final[Example] = {
    "done": [JOB_ID],
    "refused": [],
}
NEW_PREFLIGHT: Final[Example] = {"payload_ref": UPLOADED, "frames": "1-48"}
PREFLIGHT: Final[Example] = {
    "status": "DONE",
    "job_id": JOB_ID,
    "waiting": None,
    "error": None,
    "nodes": 2,
    "stops": True,
    "findings": [
        {
            "code": "missing_file",
            "level": "error",
            "message": "a file that the scene needs (image) is not there",
            "setting": "File > External Data > Find Missing Files, or Pack Resources",
            "object": "Image 'wood'",
            "path": "//textures/wood.png",
            "written": "//textures/wood.png",
        }
    ],
    "scene": {
        "engine": "CYCLES",
        "samples": 128,
        "width": 1920,
        "height": 1080,
        "format": "PNG",
        "frame": 1,
        "frame_start": 1,
        "frame_end": 48,
        "fps": 24,
        "fps_base": 1.0,
        "frame_step": 1,
    },
    "estimate": {
        "frames": 48,
        "least": 1180.0,
        "likely": 1640.5,
        "most": 2310.2,
        "slots": 2,
        "elapsed": 820.3,
        "how": "The frames 1, 24, 48 were rendered small by one node with 4 threads; other nodes"
        " may be faster or slower. 6 s are added for each unit, to start Blender,"
        " fetch the scene and send the pictures; large files take longer. Compositing is not"
        " included.",
    },
    "not_estimated": None,
    "thumbnail": f"/api/v1/jobs/{JOB_ID}/preview?frame=1",
}
