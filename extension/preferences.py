"""Preferences: the gateway's address. The login is stored by the command line, not in Blender.

An extension that came from a gateway's repository uses that gateway, unless an address is typed.
"""

# pyright: reportAttributeAccessIssue=false, reportUntypedBaseClass=false
from typing import Any

import bpy

DEFAULT = "http://localhost:8000"
REPOSITORY = "/download/index.json"  # a gateway's repository of extensions


class Preferences(bpy.types.AddonPreferences):
    """Edit > Preferences > Add-ons > RenderTrust."""

    bl_idname = __package__ or "rendertrust"
    __annotations__ = {
        "url": bpy.props.StringProperty(
            name="Gateway",
            description="The address of the RenderTrust gateway; empty: the gateway from which the"
            " extension came",
        ),
    }

    def draw(self, context: Any) -> None:
        """Draw the address field, and which address is used."""
        self.layout.prop(self, "url")
        if not self.url:
            self.layout.label(text=f"Used: {url_of(context)}", icon="INFO")


def url_of(context: Any) -> str:
    """Return the gateway's address as typed, or else that of the extension's repository."""
    addon = context.preferences.addons.get(Preferences.bl_idname)
    typed = str(addon.preferences.url).strip() if addon is not None else ""
    return typed or _origin(context) or DEFAULT


def _origin(context: Any) -> str:
    """Return the address of the gateway whose repository has this extension; '' if none has."""
    repositories = getattr(context.preferences.extensions, "repos", ())
    for repository in repositories:
        url = repository.remote_url.rstrip("/")
        is_ours = Preferences.bl_idname.split(".")[1:2] == [repository.module]
        if is_ours and repository.use_remote_url and url.endswith(REPOSITORY):
            return str(url.removesuffix(REPOSITORY))
    return ""


def register() -> None:
    """Register the preferences."""
    bpy.utils.register_class(Preferences)


def unregister() -> None:
    """Unregister the preferences."""
    bpy.utils.unregister_class(Preferences)
