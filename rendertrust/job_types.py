"""Job types with a meaning for the gateway; plugins may add others."""

from typing import Final

RENDER: Final = "render"
VIDEO: Final = "video"
PREFLIGHT: Final = "preflight"  # free jobs that inspect a scene
CHECK: Final = "check"  # orders to verifiers, which are no jobs
CHECK_BATCH: Final = "check_batch"
