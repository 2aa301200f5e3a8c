"""Files that the gateway hands out."""

from collections.abc import Mapping

import attrs

from rendertrust.value_types import ABSENT, SENT


@attrs.frozen
class DownloadableFile:
    """A file to download. ``sha256`` is in hexadecimal, ``size`` in bytes."""

    name: str
    url: str
    sha256: str
    size: int


@attrs.frozen
class DownloadableExtension:
    """Blender's extension for one platform and some versions of Blender.

    It works from Blender ``blender_from`` on, and in no version from ``blender_before`` on; null if
    no such version is known. Blender installs it when somebody drags ``drop_url`` into its window.
    """

    name: str
    url: str
    sha256: str
    size: int
    platform: str
    blender_from: str
    blender_before: str | None
    drop_url: str


@attrs.frozen
class DownloadableAddon:
    """An add-on of Blender that scenes may use. ``id`` and ``version`` are those of its manifest.

    It works from Blender ``blender_from`` on, and in no version from ``blender_before`` on; null if
    no such version is known.
    """

    id: str
    title: str
    version: str
    blender_from: str
    blender_before: str | None
    name: str
    url: str
    sha256: str
    size: int


@attrs.frozen
class RepositoryEntry:
    """A zip in Blender's index of a repository. ``archive_url`` is relative to the index."""

    schema_version: str
    id: str
    name: str
    tagline: str
    version: str
    type: str
    maintainer: str
    license: tuple[str, ...]
    tags: tuple[str, ...]
    permissions: Mapping[str, str]
    platforms: tuple[str, ...]
    blender_version_min: str
    archive_url: str
    archive_size: int
    archive_hash: str
    blender_version_max: str | None = attrs.field(default=None, metadata=ABSENT)


@attrs.frozen
class ExtensionRepository:
    """Blender's index of a repository of extensions. Blender chooses the entry that fits it."""

    version: str
    blocklist: tuple[str, ...]
    data: tuple[RepositoryEntry, ...]


@attrs.frozen
class Downloads:
    """Files that the gateway hands out.

    ``version``: the version of the gateway and its files. ``wheel``: client, node agent and offline
    verifier, as a Python package. ``install``: the line that installs the wheel. ``join_script``:
    the URL of the script that installs the wheel on a machine, and joins the machine as a node.
    ``extensions``: Blender's extension, once for each platform and line of Blender; empty if the
    gateway's admin has not built it. ``extension_repository``: the URL that Blender asks for
    updates.
    ``typescript``: the TypeScript client as a package for npm; None if it was not built here.
    ``addons``: add-ons of Blender that scenes may use.
    ``release_key``: the key that signs releases of this gateway; None without one. ``signature``:
    the signed statement that the wheel is a release; None if it is not signed.
    """

    version: str
    wheel: DownloadableFile
    install: str
    join_script: str
    extensions: tuple[DownloadableExtension, ...] = attrs.field(default=(), metadata=SENT)
    extension_repository: str = attrs.field(default="", metadata=SENT)
    typescript: DownloadableFile | None = None
    release_key: str | None = None
    signature: str | None = None
    addons: tuple[DownloadableAddon, ...] = attrs.field(default=(), metadata=SENT)
