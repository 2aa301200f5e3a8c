"""Messages of the VideoMaker."""

import attrs

from actors.kernel import Message


class VideoMaker:
    """Marker type for the address of the video maker."""


@attrs.frozen
class VideosDue(Message[VideoMaker, None]):
    """From the VideoMaker's own timer: order the videos of jobs that have completed."""
