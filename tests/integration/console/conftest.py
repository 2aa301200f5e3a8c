"""A site with the real Ledger (everybody begins with 100 credits), and people who look at it."""

import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import Visitor, newcomer
from tests.support.http_gateway import Face, face_with, with_ledger
from tests.support.patience import patient

__all__ = ["patient"]
face = face_with(with_ledger)


@pytest.fixture
async def jane(face: Face) -> Visitor:
    """A creator."""
    return await newcomer(face)


@pytest.fixture
async def ann(face: Face, database: PostgresEndpoint) -> Visitor:
    """An admin."""
    return await newcomer(face, database.owner_dsn, "admin", "ann@example.org")
