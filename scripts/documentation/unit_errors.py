"""Error codes of failed units: meaning and advice."""

from typing import Final

from rendertrust.unit_error_code import ErrorCode

CHECK: Final = "Check the scene with `rendertrust preflight scene.blend --farm`."
AGAIN: Final = "Retry it: `rendertrust jobs retry JOB`."
EXPLAINED: Final[dict[ErrorCode, tuple[str, str]]] = {
    "underquoted": (
        "The unit took over three times its quoted work on nodes of three owners.",
        "Submit it again: the new price counts the measured work.",
    ),
    "every_node": ("The unit failed on several nodes.", CHECK),
    "part_failed": (
        "A tile of the frame failed.",
        "`rendertrust jobs units JOB` shows why its tile failed.",
    ),
    "parts_gone": ("The uploaded parts of the result no longer exist.", AGAIN),
    "invalid": (
        "A check found that the result is not what the scene gives. You were not charged.",
        AGAIN,
    ),
    "lost": ("The unit's nodes disappeared.", AGAIN),
    "given_back": ("The nodes returned the unit unfinished.", AGAIN),
    "stalled": ("The unit made no progress for half an hour.", CHECK),
    "too_slow": (
        "The unit ran for six hours, or far longer than its quote or its job's other units.",
        "Render the frame in tiles, or with fewer samples.",
    ),
    "no_node": (
        "No node finished the unit in time.",
        "`rendertrust jobs show JOB` says what its nodes need; ask for less, or try again later.",
    ),
    "unsendable": (
        "The unit cannot be sent to a node.",
        "Ask the people who run the gateway; its log names the reason.",
    ),
    "too_much_memory": (
        "The unit needs more memory than its node, or any node, has.",
        "Make the scene smaller: smaller textures, fewer subdivisions, or a smaller picture.",
    ),
    "reported": (
        "The node reported the error in its own words.",
        "Read the words and the log: `rendertrust jobs log JOB`.",
    ),
}
