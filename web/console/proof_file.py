"""A proof as one HTML file that verifies itself offline, without the gateway."""

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from markupsafe import Markup

from web.console import render
from web.console.assets import assets, sources

STYLE: Final = "console.css"
SCRIPTS: Final = ("sha256.js", "proof.js")  # proof.js imports sha256.js
_IMPORT: Final = re.compile(r"^import .*;\n", re.MULTILINE)
_EXPORT: Final = re.compile(r"^export ", re.MULTILINE)


def proof_file(shown: Mapping[str, Any]) -> str:
    """Return the file. Its policy allows only the script and the style in it."""
    style = _whole(STYLE, assets().files[STYLE].plain)
    texts = [
        _whole(name, sources()[name]) for name in SCRIPTS
    ]  # unminified, so that people can read what is checked
    script = "\n".join(_EXPORT.sub("", _IMPORT.sub("", text)) for text in texts)
    policy = f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'"
    # The text between these tags must not change after its hash is taken.
    return render.page(
        "proof_file.html",
        {
            **shown,
            "policy": policy,
            "style": Markup("<style>{}</style>").format(Markup(style)),  # noqa: S704
            "script": Markup('<script type="module">{}</script>').format(Markup(script)),  # noqa: S704
        },
    )


def _whole(name: str, plain: bytes) -> str:
    text = plain.decode()
    assert "</" not in text, f"{name} would end its own tag"
    return text


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
