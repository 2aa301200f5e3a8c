"""The buttons: a button starts work in a thread, or shows a result."""

# pyright: reportAttributeAccessIssue=false, reportUntypedBaseClass=false
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from . import pictures, scene
from .background import Background, Work
from .gateway import Gateway, Verb
from .preferences import url_of
from .state import settings_of, show, show_findings, state_of, terms_of

if TYPE_CHECKING:
    from rendertrust import JobSpec
    from rendertrust.cli.scene_dependencies import SceneBundle

props = bpy.props
HEAR_SECONDS = 0.25
DONE, NOT_DONE = {"FINISHED"}, {"CANCELLED"}

rendering = Background("busy")
asking = Background("asking")
left = threading.Event()


def hear() -> float | None:
    """Apply the threads' reports.

    Return the seconds until the next call, or None if nothing runs.
    """
    is_busy = rendering.is_busy or asking.is_busy
    for background in (asking, rendering):
        background.hear(lambda told: show(bpy.context, told))
    return HEAR_SECONDS if is_busy else None


def gateway_of(context: Any) -> Gateway:
    """Return the gateway of the preferences."""
    return Gateway(url_of(context), left.is_set)


def spec_of(context: Any) -> "JobSpec":
    """Return the job that the artist's settings describe, without its files."""
    from rendertrust import JobSpec

    settings = settings_of(context)
    return JobSpec(
        "render",
        frames=scene.frames_of(context.scene, settings.frames),
        queue=True,
        as_is=state_of(context).as_is,
        **terms_of(settings),
    )


def packed_of(
    context: Any, spec: "JobSpec"
) -> "tuple[tempfile.TemporaryDirectory[str], SceneBundle]":
    """Return a temporary folder with a copy of the scene, and the scene's files.

    Raise ValueError if the scene has errors, unless the artist chose Submit as it is.
    """
    looked = scene.looked_into(context.scene, spec.frames or "")
    show_findings(context, looked.findings)
    if looked.stops and not spec.as_is:
        said = "Fix the findings that are marked as errors first, or choose Submit as it is"
        raise ValueError(f"{said}; nothing was sent")
    folder = tempfile.TemporaryDirectory(prefix="rendertrust-")
    return folder, scene.copied(looked, Path(folder.name))


class Button(bpy.types.Operator):
    """Base of all buttons. An error that people can fix becomes a report instead of a traceback."""

    def execute(self, context: Any) -> set[str]:
        """Run the button; Blender calls this function."""
        try:
            return self.act(context)
        except (ValueError, OSError, RuntimeError) as fault:
            state_of(context).error = str(fault)
            self.report({"WARNING"}, str(fault))
            return NOT_DONE

    def act(self, context: Any) -> set[str]:
        """Perform the button's action."""
        raise NotImplementedError

    def start(self, background: Background, doing: str, work: Work) -> set[str]:
        """Start ``work`` in the thread of ``background``."""
        background.start(doing, work)
        if not bpy.app.timers.is_registered(hear):
            bpy.app.timers.register(hear)
        return DONE


class SignIn(Button):
    """Log in to the gateway, also for the command line."""

    bl_idname = "rendertrust.sign_in"
    bl_label = "Sign In"
    __annotations__ = {
        "email": props.StringProperty(name="E-mail"),
        "password": props.StringProperty(
            name="Password", subtype="PASSWORD", options={"SKIP_SAVE", "HIDDEN"}
        ),
    }

    def invoke(self, context: Any, event: Any) -> set[str]:
        """Show the dialog for address and password."""
        answer: set[str] = context.window_manager.invoke_props_dialog(self)
        return answer

    def draw(self, context: Any) -> None:
        """Draw the dialog."""
        self.layout.prop(self, "email")
        self.layout.prop(self, "password")

    def act(self, context: Any) -> set[str]:
        """Log in; the password is not stored."""
        typed = self.properties
        gateway, email, password = gateway_of(context), typed.email.strip(), typed.password
        typed.password = ""
        return self.start(asking, "Signing in", lambda tell: gateway.sign_in(email, password, tell))


class SignOut(Button):
    """Log out of the gateway, also for the command line."""

    bl_idname = "rendertrust.sign_out"
    bl_label = "Sign Out"

    def act(self, context: Any) -> set[str]:
        """Log out."""
        return self.start(asking, "Signing out", gateway_of(context).sign_out)


class Check(Button):
    """Find problems of this scene on other machines, and the files that the scene links."""

    bl_idname = "rendertrust.check"
    bl_label = "Check Scene"

    def act(self, context: Any) -> set[str]:
        """Run the check in this Blender; nothing is sent."""
        looked = scene.looked_into(context.scene, spec_of(context).frames or "")
        show_findings(context, looked.findings)
        state_of(context).error = ""
        return DONE


class ShowFinding(Button):
    """Select the objects of this finding."""

    bl_idname = "rendertrust.show_finding"
    bl_label = "Show Objects"
    __annotations__ = {"index": props.IntProperty()}

    def act(self, context: Any) -> set[str]:
        """Select only the objects of the finding, and make the first object active."""
        finding = state_of(context).findings[self.properties.index]
        here = [
            one
            for one in scene.objects_of(finding.object)
            if one in set(context.view_layer.objects)
        ]
        if not here:
            raise ValueError(f"No object of this view layer is affected: {finding.object}")
        for one in context.view_layer.objects:
            one.select_set(one in here)
        context.view_layer.objects.active = here[0]
        return DONE


class Quote(Button):
    """Get the price of these frames; no credits are held."""

    bl_idname = "rendertrust.quote"
    bl_label = "Get Quote"

    def act(self, context: Any) -> set[str]:
        """Request the price."""
        gateway, spec = gateway_of(context), spec_of(context)
        return self.start(asking, "Asking", lambda tell: gateway.quote(spec, tell))


class Measure(Button):
    """Send the open scene, which a node measures; no credits are held."""

    bl_idname = "rendertrust.measure"
    bl_label = "Measure Scene"

    def act(self, context: Any) -> set[str]:
        """Start the measurement, which determines the price."""
        gateway, spec = gateway_of(context), spec_of(context)
        folder, packed = packed_of(context, spec)

        def work(tell: Any) -> None:
            with folder:
                gateway.measure(spec, packed, tell)

        return self.start(asking, "Sending", work)


class Submit(Button):
    """Send the open scene, and download each frame when the frame is ready."""

    bl_idname = "rendertrust.submit"
    bl_label = "Render on the Farm"

    def act(self, context: Any) -> set[str]:
        """Submit the scene, unless it has errors."""
        if rendering.is_busy:
            raise RuntimeError("A job is already being sent or followed")
        gateway, spec = gateway_of(context), spec_of(context)
        folder, packed = packed_of(context, spec)
        out, price = scene.out_of(context.scene), state_of(context).price

        def work(tell: Any) -> None:
            with folder:
                gateway.submit(spec, packed, out, tell, price)

        return self.start(rendering, "Sending", work)


class Follow(Button):
    """Download the frames of the job that was submitted from this scene."""

    bl_idname = "rendertrust.follow"
    bl_label = "Fetch Frames"

    def act(self, context: Any) -> set[str]:
        """Download the frames that are not in the folder yet."""
        job_id, out = settings_of(context).job_id, scene.out_of(context.scene)
        if not job_id:
            raise ValueError("This scene was not submitted yet")
        gateway = gateway_of(context)
        return self.start(rendering, "Rendering", lambda tell: gateway.follow(job_id, out, tell))


class LoadFrame(Button):
    """Load this frame, and show it in the open image editors."""

    bl_idname = "rendertrust.load_frame"
    bl_label = "Load Frame"
    __annotations__ = {"path": props.StringProperty()}

    def act(self, context: Any) -> set[str]:
        """Load the frame; without an image editor, say where it is."""
        image = pictures.load(self.properties.path)
        if not pictures.show(context, image):
            self.report({"INFO"}, f"Loaded as {image.name}: choose it in an Image Editor")
        return DONE


class Speak(Button):
    """Pause, resume or stop the job."""

    bl_idname = "rendertrust.speak"
    bl_label = "Pause, Resume or Stop"
    __annotations__ = {"verb": props.StringProperty()}

    @classmethod
    def description(cls, context: Any, properties: Any) -> str:
        """Return the tooltip of the button."""
        return {
            "pause": "Start no further frames; nodes finish the running frames",
            "resume": "Continue with the remaining frames; a job at its cap gets the Cap above",
            "stop": "End the job; holds of the remaining frames are released",
        }.get(properties.verb, "")

    def act(self, context: Any) -> set[str]:
        """Send the request to the gateway."""
        gateway, settings = gateway_of(context), settings_of(context)
        job_id, cap = settings.job_id, terms_of(settings)["max_credits"]
        if self.properties.verb == "resume":
            return self.start(asking, "Asking", lambda tell: gateway.resume(job_id, cap, tell))
        verb: Verb = self.properties.verb
        return self.start(asking, "Asking", lambda tell: gateway.speak(verb, job_id, tell))


def _who_is_signed_in() -> None:
    """Show which user is logged in, through the command line or in an earlier run of Blender."""
    from rendertrust.cli.credentials import CredentialsFile

    state_of(bpy.context).email = CredentialsFile().email(url_of(bpy.context).rstrip("/")) or ""


CLASSES = (SignIn, SignOut, Check, ShowFinding, Quote, Measure, Submit, Follow, LoadFrame, Speak)


def register() -> None:
    """Register the buttons."""
    left.clear()
    for one in CLASSES:
        bpy.utils.register_class(one)
    bpy.app.timers.register(_who_is_signed_in)


def unregister() -> None:
    """Unregister the buttons; a thread that follows a job ends at its next poll."""
    left.set()
    if bpy.app.timers.is_registered(hear):
        bpy.app.timers.unregister(hear)
    for one in reversed(CLASSES):
        bpy.utils.unregister_class(one)
