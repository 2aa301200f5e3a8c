"""Reasons why a result is ``unverified`` or ``unverifiable``: codes, sentences, and who is paid.

Checks, the API and receipts have the code. A later version may add codes, so readers of receipts
must accept others.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

VerdictReason: TypeAlias = Literal[
    # unverified: no check was requested
    "off",
    "no-verifier",
    "no-check",
    "no-evidence",
    "own-node",
    # unverifiable: checks did not decide
    "scene-fails",
    "format",
    "unsupported",
    "device-dependent",
    "other-device",
    "other-driver",
    "no-build",
    "no-plugin",
    "undecided",
    "checks-failed",
]
OFF: Final = "off"
NO_VERIFIER: Final = "no-verifier"
NO_CHECK: Final = "no-check"
NO_EVIDENCE: Final = "no-evidence"
OWN_NODE: Final = "own-node"
SCENE_FAILS: Final = "scene-fails"
FORMAT: Final = "format"
UNSUPPORTED: Final = "unsupported"
DEVICE_DEPENDENT: Final = "device-dependent"
OTHER_DEVICE: Final = "other-device"
OTHER_DRIVER: Final = "other-driver"
NO_BUILD: Final = "no-build"
NO_PLUGIN: Final = "no-plugin"
UNDECIDED: Final = "undecided"
CHECKS_FAILED: Final = "checks-failed"
SENTENCES: Final[Mapping[str, str]] = {
    OFF: "verification is off",
    NO_VERIFIER: "the gateway has no verifier",
    NO_CHECK: "there is no check for this type of job",
    NO_EVIDENCE: "its node delivered no evidence",
    OWN_NODE: "its creator's own node rendered it",
    SCENE_FAILS: "the verifiers cannot render the scene",
    FORMAT: "the verifiers cannot read this format of pictures",
    UNSUPPORTED: "honest nodes deliver no such unit of this job",
    DEVICE_DEPENDENT: "devices of different kinds render the scene differently",
    OTHER_DEVICE: "a verifier with another kind of device cannot decide",
    OTHER_DRIVER: "a verifier with another graphics driver cannot decide",
    NO_BUILD: "no verifier that may check it has its node's build of Blender",
    NO_PLUGIN: "no verifier that may check it has the check of its job type",
    UNDECIDED: "the check of its job type cannot decide",
    CHECKS_FAILED: "its checks failed",
}
# Whether an ``unverifiable`` result is charged, and paid to a node with enough valid results: only
# if the scene is the reason, because its node may have caused the other reasons.
IS_PAID: Final[Mapping[str, bool]] = {
    SCENE_FAILS: True,
    FORMAT: True,
    UNSUPPORTED: False,
    DEVICE_DEPENDENT: False,
    OTHER_DEVICE: False,
    OTHER_DRIVER: False,
    NO_BUILD: False,
    NO_PLUGIN: False,
    UNDECIDED: False,
    CHECKS_FAILED: False,
}


def explain(code: str, detail: str = "") -> str:
    """Return the sentence for a code, and the detail that varies; a later code as it is."""
    sentence = SENTENCES.get(code, code)
    return f"{sentence}: {detail}" if detail else sentence
