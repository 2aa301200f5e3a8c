"""Fixtures with a site over the real Ledger, where new users get 100 credits, and with its
visitors.
"""

import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import Visitor, newcomer
from tests.support.http_gateway import Face, face_with, with_ledger
from tests.support.patience import patient

__all__ = ["patient"]
face = face_with(with_ledger)


@pytest.fixture
async def jane(face: Face) -> Visitor:
    """Register and sign in a creator."""
    return await newcomer(face)


@pytest.fixture
async def ann(face: Face, database: PostgresEndpoint) -> Visitor:
    """Register and sign in an admin."""
    return await newcomer(face, database.owner_dsn, "admin", "ann@example.org")
