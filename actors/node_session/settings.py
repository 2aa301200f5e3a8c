"""Settings of node sessions."""

from typing import Final
from uuid import UUID

import attrs

from config.settings import DEFAULTS, Earnings, Leases
from rendertrust.verdict_reason import OFF, VerdictReason

URL_SECONDS: Final = 3600  # validity of presigned URLs


@attrs.frozen
class NodeSessionSettings:
    """Settings of node sessions.

    ``bucket``: the gateway's bucket in the object store. ``require_object``: refuse results that
    have no object in this bucket.
    """

    bucket: str
    require_object: bool = False
    earnings: Earnings = DEFAULTS.earnings
    leases: Leases = DEFAULTS.leases
    pong_seconds: float = 90.0  # close the socket after this time without a pong
    first_lease_seconds: float = 2.0  # delay of the lease renewal after the units changed
    answer_seconds: float = 10.0  # wait for the Ledger's answer, then send the commit again
    retry_seconds: float = 1.0  # first pause between tries; doubled up to retry_seconds_most
    retry_seconds_most: float = 15.0
    look_seconds: float = 300.0  # limit for inspecting a result in the store, then try again
    part_bytes: int = 64 << 20  # size of a part; longer files may be uploaded in parts
    aborted_uploads_most: int = 8  # multipart uploads that a node may cause to be aborted
    send_seconds: float = 10.0  # limit for sending a relay frame, then the socket is aborted
    verified_types: frozenset[str] = frozenset()  # job types whose results wait for a verdict
    unverified_why: VerdictReason = OFF  # while results of no job type wait for verdicts
    require_evidence: bool = True  # if False, results without evidence are unverified
    pays_unverified: bool = True  # whether nodes are paid for unverified work
    own: frozenset[UUID] = frozenset()  # the gateway's own nodes, whose reports are trusted
    result_bytes_most: int = 16 * 2**30  # limit of one object, as evidence is large
    runtime_seconds_most: float = 6 * 3600.0  # limit of one attempt's run time
    stall_seconds: float = 1800.0  # limit without progress; transfers of files extend it
    expected_times: float = 20.0  # run time limit, a multiple of the job's median; 0 for no limit
    quote_start_seconds: float = 60.0  # allowance for loading the scene, not part of quotes
    flood_seconds: float = 10.0  # window of the rate limit of relay frames
    flood_relay_frames: int = 2000  # relay frames that a node may send in that window
