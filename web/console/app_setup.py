"""The set-up of an authenticator app: the QR code, and what the pages say."""

from typing import Final
from urllib.parse import urlsplit

import segno
from markupsafe import Markup

from web.gateway import Gateway
from web.identity.totp import address_of

MODULE_PIXELS: Final = 4
BORDER_MODULES: Final = 4
CODES_SAID: Final = (
    "Your second factor is set up. Save these recovery codes now: each signs you in once if you "
    "lose it, and they are not shown again."
)
CODE_WRONG: Final = (
    "The code is wrong or was used. Wait for the next code of your app, and type that. After ten "
    "wrong codes, the app's codes are refused for an hour."
)
PASSKEY_WRONG: Final = "The passkey was not accepted. Try again."


def qr_of(gateway: Gateway, secret: bytes, email: str) -> Markup:
    """Return the QR code of a secret as inline SVG, which needs neither styles nor scripts."""
    host = urlsplit(gateway.url()).hostname or ""
    code = segno.make(
        address_of(secret, email, gateway.settings.farm_name, host), error="m", micro=False
    )
    drawn = code.svg_inline(scale=MODULE_PIXELS, border=BORDER_MODULES, light="#fff")
    return Markup(drawn)  # noqa: S704 - segno writes only numbers into the SVG
