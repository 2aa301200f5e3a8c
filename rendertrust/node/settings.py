"""What an operator may set about the agent, and the times it keeps."""

import attrs

GIB = 2**30


@attrs.frozen(kw_only=True)
class Settings:
    """Frozen settings of one run; times in seconds, sizes in bytes.

    ``threads`` are per slot; None shares the processors evenly. ``health_port`` None turns the
    health page off, 0 takes a free port.
    """

    slots: int = attrs.field(default=1, validator=attrs.validators.in_(range(1, 65)))
    threads: int | None = None
    health_port: int | None = 8081
    unsafe_no_sandbox: bool = False
    cache_bytes_max: int = 10 * GIB
    queued_units_max: int = 64
    runtime_seconds_max: float = 6 * 3600.0
    heartbeat_seconds: float = 30.0
    lease_seconds: float = 15.0
    progress_seconds_least: float = 0.25
    resend_seconds: float = 30.0
    backoff_seconds_least: float = 0.5
    backoff_seconds_most: float = 30.0
    stop_seconds: float = 3.0
    upload_seconds_max: float = 3600.0
    spool_seconds_max: float = 7 * 86_400.0
