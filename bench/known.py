"""The gateway with one additional operation, which requires a token and reads nothing.

    python -m bench.known serve …

On this route a benchmark measures the cost of the whole HTTP stack and of nothing else.
"""

from uuid import UUID

import attrs

from rendertrust.__main__ import main
from web.http.operations import Call
from web.identity.roles import Scope
from web.routes import OPERATIONS

PATH = "/api/v1/bench/known"


@attrs.frozen
class Known:
    user_id: UUID


async def known(call: Call) -> Known:
    """Answer with the caller's id."""
    return Known(call.caller)


if __name__ == "__main__":
    # Not at import: tests that import this module also read the list of operations.
    OPERATIONS.get(PATH, scope=Scope.CREDITS_READ, rate="read", answers={200: Known})(known)
    raise SystemExit(main())
