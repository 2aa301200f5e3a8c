"""Check of a video against the pictures from which the video was encoded.

Encoding is lossy and differs between machines, so a frame of the video never equals its picture. A
drawn frame must be close enough to its picture, or as close as in our own encoding. No other
picture may be clearly closer to the frame: neither a neighbour or other drawn frame, nor a plain
colour.
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
    film = _film(bpy, order, scene, count)
    drawn = picked(order["shown"], count) or [0]
    near = {other for n in drawn for other in (n - 1, n, n + 1) if 0 <= other < count}
    Progress(say, 1).next("frames")
    ours = {n: _frame(bpy, scene, n, order["out"]) for n in sorted(near)}
    theirs = {n: _frame(bpy, film, n, order["out"]) for n in drawn}
    losses = {n: _loss(theirs[n], ours[n]) for n in drawn}
    if poor := [n for n in drawn if losses[n].is_far(LEAST)]:
        say("doubt")
        _hold_to_own(bpy, order, say, {n: (losses[n], ours[n]) for n in poor})
    found = [_compared(n, theirs[n], losses[n], ours) for n in drawn]
    if not order["shown"]:
        return {"looked": True}
    return {"crops": found, "finish": {"equal": True, "off": None}}


def _hold_to_own(
    bpy: Any, order: dict[str, Any], say: Say, poor: dict[int, tuple[SignalToNoise, Array]]
) -> None:
    """Raise DeliveryFault if a frame of our own encoding is clearly closer to its picture."""
    scene = played(bpy, order)
    path = os.path.join(order["out"], "our-video" + KINDS[order["container"]][2])
    write(bpy, scene, order["container"], path, say)
    film = _playing(bpy, path, scene)
    for n, (theirs, mine) in poor.items():
        own = _loss(_frame(bpy, film, n, order["out"]), mine)
        if theirs.is_far(SignalToNoise(own.grey - NEARER, own.colour - NEARER)):
            raise DeliveryFault(
                f"frame {n + 1} of the video differs from its picture: {theirs}, our encoding {own}"
            )


# ── the file ──────────────────────────────────────────────────────────────────────────────────────


def _film(bpy: Any, order: dict[str, Any], scene: Any, count: int) -> Any:
    """Check the delivered video; return a scene that plays the video."""
    render, suffix = scene.render, KINDS[order["container"]][2]
    size = (render.resolution_x, render.resolution_y)
    if os.path.getsize(order["picture"]) > count * size[0] * size[1] * 6 + BYTES_MORE:
        raise DeliveryFault("the video is larger than possible for these frames")
    path = os.path.join(order["out"], "their-video" + suffix)
    shutil.copyfile(order["picture"], path)
    with open(path, "rb") as file:
        if not _IS_OF[order["container"]](file):
            raise DeliveryFault(f"the video is not {order['container']} with the requested codec")
    _fits(bpy, path, (size, count, render.fps / render.fps_base))
    return _playing(bpy, path, scene)


def _playing(bpy: Any, path: str, like: Any) -> Any:
    """Return a scene that plays a video with the rate and size of the scene ``like``."""
    film, render = studio(bpy, None), like.render
    film.render.fps, film.render.fps_base = render.fps, render.fps_base
    film.render.resolution_x, film.render.resolution_y = render.resolution_x, render.resolution_y
    strips = film.sequence_editor_create().strips
    strip = strips.new_movie("film", path, 1, 1, fit_method="ORIGINAL")
    strip.transform.filter = "NEAREST"
    return film


def _fits(bpy: Any, path: str, wanted: tuple[tuple[int, int], int, float]) -> None:
    size, count, rate = wanted
    try:
        clip = bpy.data.movieclips.load(path)
    except RuntimeError as fault:
        raise DeliveryFault(f"the video cannot be read: {one_line(fault)}") from fault
    found, frames, fps = tuple(clip.size), clip.frame_duration, clip.fps
    bpy.data.movieclips.remove(clip)
    if found != size:
        raise DeliveryFault(f"the video is {found[0]} by {found[1]}, not {size[0]} by {size[1]}")
    if frames != count:
        raise DeliveryFault(f"the video has {frames} frames, not {count}")
    if abs(fps - rate) > rate * 1e-3:
        raise DeliveryFault(f"the video has {fps:.4g} frames a second, not {rate:.4g}")


def _is_mp4(file: Any) -> bool:
    """Return True if the first video track is H.264."""
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


def _compared(
    number: int, theirs: Array, loss: SignalToNoise, ours: dict[int, Array]
) -> dict[str, Any]:
    """Compare a frame with its picture. Raises DeliveryFault if the frame shows another picture."""
    mine = ours[number]
    for what, other in _others(number, ours):
        is_other = _near(_halved(mine), _halved(other)) < ALIKE
        if is_other and _near(_halved(theirs), _halved(other)) > loss.colour + NEARER:
            raise DeliveryFault(
                f"frame {number + 1} of the video is closer to {what} than to its own picture"
            )
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
