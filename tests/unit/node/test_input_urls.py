"""Requests of a node for the URLs of a manifest's files, with answers in any order."""

import asyncio
from collections.abc import Sequence

from rendertrust.node.input_urls import InputUrls
from rendertrust.node.plugin import Failed
from rendertrust.protocol import FromNode, Input, Running, Urls, UrlsRequest
from tests.unit.simulated_time import simulated

A, B, C = "aa" * 32, "bb" * 32, "cc" * 32
REF = Running(job_id="j1", unit=0, attempt=1)


def answer(*files: str) -> Urls:
    inputs = [Input(path=one, url=f"http://s/{one}", sha256=one, size=1) for one in files]
    return Urls(job_id="j1", unit=0, attempt=1, inputs=tuple(inputs))


class Asking:
    """The input URLs of one unit; ``asked`` are the requests that were sent."""

    def __init__(self) -> None:
        self.asked: list[FromNode] = []
        self.addresses = InputUrls(REF, self.asked.append, again_seconds=10, within_seconds=60)

    async def of(self, files: Sequence[str], *answers: Urls) -> object:
        """Return the outcome of a request that gets these answers in this order."""
        asking = asyncio.ensure_future(self.addresses.of(files))
        await asyncio.sleep(1)
        for one in answers:
            self.addresses.take(one)
        return await asking


@simulated
async def test_an_answer_names_where_each_file_is() -> None:
    asking = Asking()
    found = await asking.of([A, B], answer(B, A))
    assert isinstance(found, dict)
    assert {sha256: given.url for sha256, given in found.items()} == {
        A: f"http://s/{A}",
        B: f"http://s/{B}",
    }
    assert asking.asked == [UrlsRequest(job_id="j1", unit=0, attempt=1, files=(A, B))]


@simulated
async def test_an_answer_to_the_question_before_is_not_taken_for_this_one() -> None:
    asking = Asking()
    await asking.of([A, B], answer(A, B))
    found = await asking.of([C], answer(A, B), answer(C))
    assert isinstance(found, dict)
    assert set(found) == {C}


@simulated
async def test_files_that_are_left_out_are_gone() -> None:
    found = await Asking().of([A, B], answer(A))
    assert found == Failed(failure="gateway", error="1 files of the job no longer exist")


@simulated
async def test_without_an_answer_it_is_asked_again_and_given_up_in_the_end() -> None:
    asking = Asking()
    found = await asking.of([A])
    assert isinstance(found, Failed)
    assert found.failure == "network"
    assert len(asking.asked) == 6
