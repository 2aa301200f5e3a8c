"""Check of a video against the pictures from which the video was encoded.

Encoding is lossy and differs between machines, so a frame of the video never equals its picture. A
drawn frame must be close enough to its picture, or as close as in our own encoding. No other
picture may be clearly closer to the frame: neither a neighbour or other drawn frame, nor a plain
colour. What our own encoding does, too, is no fault: codecs lose faint noise, and readers estimate
the number of frames of unusual rates.
"""

import os
import shutil
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..ipc import MachineError, Progress, Say, SceneError, one_line
from ..render.video_encoder import KINDS, played, studio, write
from ..scene.output import set_format
from .crop_placement import picked
from .delivered_files import DeliveryFault, pixels_of

Array = Any
# In decibels. Encoded white noise has 31 for brightness and 25 for colour; coloured noise has less.
NEARER = 2.0  # in a film without motion, a frame may be up to 0.3 closer to another picture
ALIKE = 40.0  # no visible difference: the pictures are interchangeable
GREY = np.array([0.2126, 0.7152, 0.0722], np.float32)
BYTES_MORE = 1 << 20
HEAD = 4096
OFF = 0.1  # the difference reported for a frame at the threshold


class SignalToNoise(NamedTuple):
    """Peak signal-to-noise ratios of a picture in decibels.

    ``grey``: the ratio of the brightness. ``colour``: the ratio of the colours, averaged over
    two by two pixels as codecs store them.
    """

    grey: float
    colour: float

    def is_far(self, least: "SignalToNoise") -> bool:
        """Return True if the ratio of brightness or colour is below ``least``."""
        return self.grey < least.grey or self.colour < least.colour

    def __str__(self) -> str:
        return f"{self.grey:.0f} dB, colours {self.colour:.0f} dB"


LEAST = SignalToNoise(27.0, 22.0)


def watch(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Check the delivered ``picture``, a video of ``pictures``.

    The report has the difference of each frame that ``shown`` draws, or a ``fault``. If ``shown``
    is empty, the order is a quick look at the first frame.
    """
    started = time.monotonic()
    try:
        told = _held(bpy, order, say)
    except DeliveryFault as fault:
        told = {"fault": str(fault)}
    except SceneError as reason:  # the pictures are invalid
        told = {"unable": str(reason)}
    said = {"seconds": round(time.monotonic() - started, 3), "blender": bpy.app.version_string}
    say("done", frame=1, **told, **said)


def _held(bpy: Any, order: dict[str, Any], say: Say) -> dict[str, Any]:
    scene, count = played(bpy, order), len(order["pictures"])
    path = _file_of(order, scene, count)
    facts, film = _facts_of(bpy, path), _playing(bpy, path, scene)
    fault = facts.fault(VideoFacts.of(scene, count))
    drawn = picked(order["shown"], count) or [0]
    near = {other for n in drawn for other in (n - 1, n, n + 1) if 0 <= other < count}
    Progress(say, 1).next("frames")
    ours = {n: _frame(bpy, scene, n, order["out"]) for n in sorted(near)}
    theirs = {n: _frame(bpy, film, n, order["out"]) for n in drawn}
    losses = {n: _loss(theirs[n], ours[n]) for n in drawn}
    closer = {n: _closer(n, theirs[n], losses[n], ours) for n in drawn}
    odd = [n for n in drawn if closer[n] or losses[n].is_far(LEAST)]
    if fault is not None or odd:
        say("doubt")
        path, film = _own_encoding(bpy, order, say)
        if fault is not None and facts != _facts_of(bpy, path):
            raise DeliveryFault(fault)
        for n in odd:
            own = _frame(bpy, film, n, order["out"])
            _hold_to_own(n, (losses[n], closer[n]), own, ours)
    if not order["shown"]:
        return {"looked": True}
    found = [_told(n, losses[n]) for n in drawn]
    return {"crops": found, "finish": {"equal": True, "off": None}}


def _own_encoding(bpy: Any, order: dict[str, Any], say: Say) -> tuple[str, Any]:
    """Encode the pictures as nodes do; return the video's path, and a scene that plays it."""
    scene = played(bpy, order)
    path = os.path.join(order["out"], "our-video" + KINDS[order["container"]][2])
    write(bpy, scene, order["container"], path, say)
    return path, _playing(bpy, path, scene)


def _hold_to_own(
    n: int, theirs: tuple[SignalToNoise, list[str]], own: Array, ours: dict[int, Array]
) -> None:
    """Raise DeliveryFault if our ``own`` encoding of a frame lacks a fault of the delivered frame.

    ``theirs``: the delivered frame's loss, and the pictures to which it is closer.
    """
    (lost, closer), loss = theirs, _loss(own, ours[n])
    if lost.is_far(LEAST) and lost.is_far(SignalToNoise(loss.grey - NEARER, loss.colour - NEARER)):
        words = f"{lost}, our encoding {loss}"
        raise DeliveryFault(f"frame {n + 1} of the video differs from its picture: {words}")
    for what, other in _others(n, ours):
        if what in closer and _near(_halved(own), _halved(other)) <= loss.colour:
            raise DeliveryFault(
                f"frame {n + 1} of the video is closer to {what} than to its own picture"
            )


# ── the file ──────────────────────────────────────────────────────────────────────────────────────


class VideoFacts(NamedTuple):
    """Size, number of frames, and frames per second of a video, as Blender reads them."""

    size: tuple[int, int]
    frames: int
    rate: float

    @classmethod
    def of(cls, scene: Any, count: int) -> "VideoFacts":
        """Return the facts of a video of ``count`` frames of the scene."""
        render = scene.render
        size = (render.resolution_x, render.resolution_y)
        return cls(size, count, render.fps / render.fps_base)

    def fault(self, wanted: "VideoFacts") -> str | None:
        """Return how this video differs from the wanted one."""
        if self.size != wanted.size:
            size, other = self.size, wanted.size
            return f"the video is {size[0]} by {size[1]}, not {other[0]} by {other[1]}"
        if self.frames != wanted.frames:
            return f"the video has {self.frames} frames, not {wanted.frames}"
        if abs(self.rate - wanted.rate) > wanted.rate * 1e-3:
            return f"the video has {self.rate:.4g} frames a second, not {wanted.rate:.4g}"
        return None


def _file_of(order: dict[str, Any], scene: Any, count: int) -> str:
    """Copy the delivered video, and check its length and codec; return the copy's path."""
    suffix, (width, height) = KINDS[order["container"]][2], VideoFacts.of(scene, count).size
    if os.path.getsize(order["picture"]) > count * width * height * 6 + BYTES_MORE:
        raise DeliveryFault("the video is larger than possible for these frames")
    path = os.path.join(order["out"], "their-video" + suffix)
    shutil.copyfile(order["picture"], path)
    with open(path, "rb") as file:
        if not _IS_OF[order["container"]](file):
            raise DeliveryFault(f"the video is not {order['container']} with the requested codec")
    return path


def _playing(bpy: Any, path: str, like: Any) -> Any:
    """Return a scene that plays a video with the rate and size of the scene ``like``."""
    film, render = studio(bpy, None), like.render
    film.render.fps, film.render.fps_base = render.fps, render.fps_base
    film.render.resolution_x, film.render.resolution_y = render.resolution_x, render.resolution_y
    strips = film.sequence_editor_create().strips
    strip = strips.new_movie("film", path, 1, 1, fit_method="ORIGINAL")
    strip.transform.filter = "NEAREST"
    return film


def _facts_of(bpy: Any, path: str) -> VideoFacts:
    try:
        clip = bpy.data.movieclips.load(path)
    except RuntimeError as fault:
        raise DeliveryFault(f"the video cannot be read: {one_line(fault)}") from fault
    found = VideoFacts(tuple(clip.size), clip.frame_duration, clip.fps)
    bpy.data.movieclips.remove(clip)
    return found


def _is_mp4(file: Any) -> bool:
    """Return True if the first track is H.264."""
    if file.read(8)[4:] != b"ftyp":
        return False
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
        end = _entered(file, name, end)
    return end > 0 and bool(file.read(16)[12:] == b"avc1")


def _entered(file: Any, name: bytes, end: int) -> int:
    """Move to the content of the box with this name.

    Return the end of the box, or 0 if no box has this name.
    """
    at = file.tell()
    while at + 8 <= end:
        file.seek(at)
        head = file.read(16)
        length, skip = int.from_bytes(head[:4], "big"), 8
        if length == 1:
            length, skip = int.from_bytes(head[8:], "big"), 16
        if length < skip:
            return 0
        if head[4:8] == name:
            file.seek(at + skip)
            return int(min(at + length, end))
        at += length
    return 0


def _is_webm(file: Any) -> bool:
    """Return True if the file is WebM and names VP9."""
    head = file.read(HEAD)
    return head[:4] == b"\x1a\x45\xdf\xa3" and b"\x42\x82\x84webm" in head and b"V_VP9" in head


_IS_OF = {"MP4": _is_mp4, "WEBM": _is_webm}


# ── the frames ────────────────────────────────────────────────────────────────────────────────────


def _frame(bpy: Any, scene: Any, number: int, out: str) -> Array:
    """Return the scene's picture at frame ``number`` + 1, as (height, width, 3)."""
    set_format(scene.render.image_settings, "IMAGE", "PNG")
    scene.render.image_settings.color_mode = "RGB"
    # frame_set changes only the current scene, so render an animation of one frame
    scene.frame_start = scene.frame_end = number + 1
    scene.render.use_file_extension, scene.render.filepath = True, os.path.join(out, "shown-######")
    path = os.path.join(out, f"shown-{number + 1:06d}.png")
    try:
        bpy.ops.render.render(animation=True, scene=scene.name)
        return pixels_of(bpy, path)[..., :3]
    except RuntimeError as fault:
        raise MachineError(f"frame {number + 1} was not shown: {one_line(fault)}") from fault
    finally:
        if os.path.exists(path):
            os.unlink(path)


def _closer(number: int, theirs: Array, loss: SignalToNoise, ours: dict[int, Array]) -> list[str]:
    """Return the names of other pictures to which a frame is clearly closer than to its own."""
    mine = _halved(ours[number])
    return [
        what
        for what, other in _others(number, ours)
        if _near(mine, _halved(other)) < ALIKE
        if _near(_halved(theirs), _halved(other)) > loss.colour + NEARER
    ]


def _told(number: int, loss: SignalToNoise) -> dict[str, Any]:
    """Return the difference of a frame from its picture."""
    off = min(OFF * 10 ** ((LEAST.grey - loss.grey) / 20), OFF)
    return {"frame": number + 1, "equal": False, "off": float(f"{off:.3g}")}


def _others(number: int, ours: dict[int, Array]) -> Iterator[tuple[str, Array]]:
    """Yield name and pixels of pictures that a cheater might show instead of picture ``number``."""
    mine = ours[number]
    yield "black", np.zeros_like(mine)
    yield "a colour alone", np.broadcast_to(mine.mean((0, 1)), mine.shape)
    for other, picture in ours.items():
        if other != number:
            yield f"that of frame {other + 1}", picture


def _loss(theirs: Array, mine: Array) -> SignalToNoise:
    return SignalToNoise(_near(theirs @ GREY, mine @ GREY), _near(_halved(theirs), _halved(mine)))


def _halved(picture: Array) -> Array:
    """Return the means of two by two pixels. The sides of the picture are even."""
    height, width, channels = picture.shape
    return picture.reshape(height // 2, 2, width // 2, 2, channels).mean((1, 3))


def _near(one: Array, other: Array) -> float:
    """Return the peak signal-to-noise ratio in decibels; 99 for equal pictures."""
    apart = float(np.mean((one.astype(np.float64) - other) ** 2))
    return 99.0 if apart <= 10**-9.9 else -10 * float(np.log10(apart))
