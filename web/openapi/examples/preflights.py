"""Examples of pre-flights."""

from typing import Final

from web.openapi.examples.reference import JOB_ID, UPLOADED, Example

LOOK: Final[Example] = {"payload_ref": UPLOADED, "frames": "1-48"}
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
    },
    "estimate": {
        "frames": 48,
        "least": 1180.0,
        "likely": 1640.5,
        "most": 2310.2,
        "slots": 2,
        "elapsed": 820.3,
        "how": "Small pieces of the frames 1, 24, 48 were rendered by one node with 4 threads;"
        " other nodes may be faster or slower. 6 s are counted for each unit, to start Blender,"
        " fetch the scene and send the pictures; large files take longer. On top come denoising"
        " and compositing.",
    },
    "not_estimated": None,
    "thumbnail": f"/api/v1/jobs/{JOB_ID}/preview?frame=1",
}
