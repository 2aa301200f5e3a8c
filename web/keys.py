"""The key that signs tokens: from the settings, or made in the data folder."""

from pathlib import Path

import attrs

from config.settings import Settings
from supervisors.engines.secret import keep_secret


def with_key(settings: Settings, data: Path) -> Settings:
    """The settings with a key. Production brings its own: ``load`` refused it otherwise."""
    if settings.jwt.secret:
        return settings
    folder = data / "gateway"
    data.mkdir(mode=0o711, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    secret = keep_secret(folder / "jwt")  # 24 random bytes as 32 characters
    return attrs.evolve(settings, jwt=attrs.evolve(settings.jwt, secret=secret))
