"""Examples of the files that a gateway hands out."""

from typing import Final

import rendertrust
from rendertrust.program_version import install_line
from web.openapi.examples.reference import SHA256, Example

WHEEL_NAME: Final = f"rendertrust-{rendertrust.__version__}-py3-none-any.whl"
EXTENSION_NAME: Final = f"rendertrust-{rendertrust.__version__}-blender-4.2-linux-x64.zip"
NPM_NAME: Final = f"rendertrust-{rendertrust.__version__}.tgz"
RELEASE_KEY: Final = "rendertrust-release+43ed5b19+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
RELEASE_SIGNATURE: Final = (
    f"rendertrust-release-v1\n{rendertrust.__version__}\n{WHEEL_NAME}\n{SHA256}\n1589501\n\n"
    "— rendertrust-release Q+1bGaNCVQ1QMBhBqKqpZlEHAIv9NUE9dzW3v+yWt9b5MrMWUNF+xD1iYyxQ9mMA9glk1mSm"
    "CDIM1d+2OygEE0tIlQA=\n"
)
DOWNLOADS: Final[Example] = {
    "version": rendertrust.__version__,
    "wheel": {
        "name": WHEEL_NAME,
        "url": f"https://farm.example/download/{WHEEL_NAME}",
        "sha256": SHA256,
        "size": 1_589_501,
    },
    "install": install_line("https://farm.example", WHEEL_NAME, SHA256),
    "join_script": "https://farm.example/join.sh",
    "extensions": [
        {
            "name": EXTENSION_NAME,
            "url": f"https://farm.example/download/{EXTENSION_NAME}",
            "sha256": SHA256,
            "size": 14_310_204,
            "platform": "linux-x64",
            "blender_from": "4.2.0",
            "blender_before": "5.1.0",
            "drop_url": f"https://farm.example/download/{EXTENSION_NAME}?repository=.%2Findex.json"
            "&blender_version_min=4.2.0&blender_version_max=5.1.0&platforms=linux-x64",
        }
    ],
    "extension_repository": "https://farm.example/download/index.json",
    "typescript": {
        "name": NPM_NAME,
        "url": f"https://farm.example/download/{NPM_NAME}",
        "sha256": SHA256,
        "size": 58_201,
    },
    "release_key": RELEASE_KEY,
    "signature": RELEASE_SIGNATURE,
    "addons": [
        {
            "id": "paint_node",
            "title": "Paint node",
            "version": "1.2.0",
            "blender_from": "4.2.0",
            "blender_before": None,
            "name": "paint_node-1.2.0.zip",
            "url": "https://farm.example/download/paint_node-1.2.0.zip",
            "sha256": SHA256,
            "size": 4_310,
        }
    ],
}
EXTENSION_REPOSITORY: Final[Example] = {
    "version": "v1",
    "blocklist": [],
    "data": [
        {
            "schema_version": "1.0.0",
            "id": "rendertrust",
            "name": "RenderTrust",
            "tagline": "Render on idle machines, pay for checked frames only",
            "version": rendertrust.__version__,
            "type": "add-on",
            "maintainer": "The makers of RenderTrust",
            "license": ["SPDX:MIT"],
            "tags": ["Render"],
            "permissions": {"network": "Send the scene, and fetch its frames"},
            "platforms": ["linux-x64"],
            "blender_version_min": "4.2.0",
            "blender_version_max": "5.1.0",
            "archive_url": f"./{EXTENSION_NAME}",
            "archive_size": 14_310_204,
            "archive_hash": f"sha256:{SHA256}",
        }
    ],
}
