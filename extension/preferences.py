"""Preferences: the gateway's address. The login is stored by the command line, not in Blender."""

# pyright: reportAttributeAccessIssue=false, reportUntypedBaseClass=false
from typing import Any

import bpy

DEFAULT = "http://localhost:8000"


class Preferences(bpy.types.AddonPreferences):
    """Edit > Preferences > Add-ons > RenderTrust."""

    bl_idname = __package__ or "rendertrust"
    __annotations__ = {
        "url": bpy.props.StringProperty(
            name="Gateway", description="The address of the RenderTrust gateway", default=DEFAULT
        ),
    }

    def draw(self, context: Any) -> None:
        """Draw the address field."""
        self.layout.prop(self, "url")


def url_of(context: Any) -> str:
    """Return the gateway's address as typed."""
    addon = context.preferences.addons.get(Preferences.bl_idname)
    return str(addon.preferences.url) if addon is not None else DEFAULT


def register() -> None:
    """Register the preferences."""
    bpy.utils.register_class(Preferences)


def unregister() -> None:
    """Unregister the preferences."""
    bpy.utils.unregister_class(Preferences)
