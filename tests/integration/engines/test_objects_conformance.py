"""Tests of the Objects port: the twin and the real store must behave alike."""

from collections.abc import AsyncIterator, Mapping
from io import BytesIO

import aiohttp
import pytest

from supervisors.engines.current_endpoint import CurrentEndpoint
from supervisors.engines.objects_endpoint import ObjectsEndpoint
from supervisors.engines.objects_s3 import S3Objects
from tests.integration.engines.conformance_objects import ObjectsConformance, Store
from tests.integration.engines.conformance_parts import PartsConformance
from tests.twins.objects import TwinObjects


class Twin(Store):
    def __init__(self) -> None:
        self._seconds = 0.0
        self.twin = self.objects = TwinObjects(lambda: self._seconds)

    async def request(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> tuple[int, bytes]:
        answer = await self.twin.request(method, url, headers, body)
        return answer.status, answer.body

    def let_pass(self, seconds: int) -> None:
        self._seconds += seconds


class Real(Store):
    def __init__(self, objects: S3Objects, session: aiohttp.ClientSession) -> None:
        self.objects = objects
        self._session = session

    async def request(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> tuple[int, bytes]:
        data = BytesIO(body) if body else b""
        async with self._session.request(method, url, headers=headers, data=data) as answer:
            return answer.status, await answer.read()

    def let_pass(self, seconds: int) -> None:
        """Do nothing: the store uses the machine's clock."""


class TestTwin(ObjectsConformance, PartsConformance):
    @pytest.fixture
    def store(self) -> Store:
        return Twin()


class TestReal(ObjectsConformance, PartsConformance):
    @pytest.fixture
    async def store(self, objects_endpoint: ObjectsEndpoint) -> AsyncIterator[Store]:
        objects = S3Objects(CurrentEndpoint(objects_endpoint))
        async with aiohttp.ClientSession() as session:
            yield Real(objects, session)
        await objects.aclose()
