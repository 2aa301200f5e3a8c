"""Multipart uploads of results in the in-memory database."""

from datetime import datetime

from sql.multiparts import MultipartName, ResultMultipart


class MultipartsOfResults:
    """Base class of the store with the multipart uploads of results, by name."""

    def __init__(self) -> None:
        self.result_multiparts: dict[MultipartName, ResultMultipart] = {}

    async def result_multipart(self, name: MultipartName) -> ResultMultipart | None:
        return self.result_multiparts.get(name)

    async def keep_result_multipart(self, begun: ResultMultipart, now: datetime) -> ResultMultipart:
        return self.result_multiparts.setdefault(begun.name, begun)

    async def end_result_multipart(self, multipart: ResultMultipart) -> None:
        if self.result_multiparts.get(multipart.name) == multipart:
            del self.result_multiparts[multipart.name]
