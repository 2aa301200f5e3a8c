"""The service manager that started this process, if any: systemd's notifications, see
sd_notify(3).
"""

import os
import socket
from collections.abc import Mapping

import attrs
import structlog

log = structlog.get_logger("service")


@attrs.frozen
class ServiceManager:
    """A service manager: the ``address`` of its datagram socket, or '', and the timeout of its
    watchdog, or 0.

    An address that begins with @ is in the abstract namespace.
    """

    address: str = ""
    watchdog_seconds: float = 0.0

    def say(self, **state: object) -> None:
        """Send variables, like READY=1, to the service manager, if there is one. Never waits."""
        if not self.address:
            return
        message = "\n".join(f"{name}={value}" for name, value in state.items())
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
                sender.sendto(message.encode(), address)
        except OSError as error:
            log.warning("the service manager cannot be notified", why=type(error).__name__)


def service_manager(environment: Mapping[str, str] = os.environ) -> ServiceManager:
    """Return the service manager that the environment names; without one, an object that sends
    nothing.
    """
    watched = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    microseconds = environment.get("WATCHDOG_USEC", "") if watched else ""
    seconds = int(microseconds) / 1e6 if microseconds.isascii() and microseconds.isdigit() else 0.0
    return ServiceManager(environment.get("NOTIFY_SOCKET", ""), seconds)
