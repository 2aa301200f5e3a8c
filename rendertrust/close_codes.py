"""Close codes of nodes' sockets."""

from enum import IntEnum


class CloseCode(IntEnum):
    """Reason for closing a socket; the comments say how the node reacts."""

    MALFORMED = 1007  # not a relay frame: reconnect
    FLOOD = 1008  # too many frames: reconnect, later
    SERVICE_RESTART = 1012  # the gateway or this session restarts: reconnect soon
    AUTHENTICATION_FAILED = 4001  # get a new token, or stop
    HEARTBEAT_TIMEOUT = 4002  # no pong for 90 s: reconnect
    REPLACED = 4003  # another connection of this node took over: stop
