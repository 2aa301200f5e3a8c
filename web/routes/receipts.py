"""Receipts: what was done for a charge, signed by node and gateway."""

from uuid import UUID

import orjson

from rendertrust.api.jobs import ResultUrl
from rendertrust.api.ledger import EntryProof, ReceiptFile, Withdrawn
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.receipt_check import FILE
from sql.receipts import ReceiptRow
from web.gateway import Gateway
from web.http.operations import Call, Operations, Scope
from web.http.problem import Problem
from web.jobs.job_control import JOB_NOT_FOUND
from web.jobs.job_view import URL_SECONDS
from web.openapi.examples import jobs as job_examples
from web.openapi.examples import log as examples
from web.routes.ledger import LogPosition, known_position, logged_position, proof_of
from web.routes.units import UnitWord

operations = Operations()
NONE = Problem(404, "There is no receipt", code=RefusalCode.RECEIPT_NOT_FOUND)
ALONE = Problem(
    404,
    "The job has no list of files, or it is no longer kept",
    code=RefusalCode.FILE_LIST_NOT_FOUND,
)


@operations.get(
    "/api/v1/jobs/{job_id}/units/{number}/receipt",
    scope=Scope.JOBS_READ,
    words=UnitWord,
    refusals={404: "No unit that you ordered or earned by, or its node signed nothing"},
    absent=NONE,
    example=examples.RECEIPT_FILE,
)
async def of_unit(call: Call) -> ReceiptFile | Problem:
    """Get the receipt of a complete unit, as its creator or the operator who earned by it.

    The receipt comes with the proof that its hash is in the log.
    """
    return await _receipt(call, call.ids["job_id"], int(call.words["number"]))


@operations.get(
    "/api/v1/jobs/{job_id}/receipt",
    scope=Scope.JOBS_READ,
    refusals={404: "No such job of yours, or it has several units, or its node signed nothing"},
    absent=NONE,
    example=examples.RECEIPT_FILE,
)
async def of_job(call: Call) -> ReceiptFile | Problem:
    """Get the receipt of a job of one unit.

    In a job of several units, each unit has its own receipt.
    """
    row = await call.gateway.tables.jobs.by_id(call.ids["job_id"], call.caller)
    if row is None:
        return JOB_NOT_FOUND
    return NONE if row.units > 1 else await _receipt(call, row.id, 0)


@operations.get(
    "/api/v1/jobs/{job_id}/manifest",
    scope=Scope.JOBS_READ,
    refusals={404: "No such job of yours, its scene was sent alone, or the list is not kept"},
    absent=ALONE,
    example=job_examples.RESULT,
)
async def manifest(call: Call) -> ResultUrl | Problem:
    """Get the download address of the list of a job's files; valid for an hour.

    The list names the scene and its linked files, each with path, SHA-256 and size. The job's
    receipts name the list by its SHA-256.
    """
    row = await call.gateway.tables.jobs.past(call.ids["job_id"], call.caller)
    if row is None:
        return JOB_NOT_FOUND
    files, objects = row.plan.inputs.files, call.gateway.ports.objects
    if files is None or await objects.head(files.key) is None:
        return ALONE
    url = await objects.presign_get(files.key, within=URL_SECONDS, base=call.base)
    return ResultUrl(str(row.id), url, URL_SECONDS, files.size, files.sha256)


async def _receipt(call: Call, job: UUID, number: int) -> ReceiptFile | Problem:
    row = await call.gateway.tables.receipts.of(job, number, call.caller)
    return NONE if row is None else await file_of(call.gateway, row)


async def file_of(gateway: Gateway, row: ReceiptRow, *, as_logged: bool = False) -> ReceiptFile:
    """Return the file of a receipt, with the proof that its entry is in the log.

    An entry that is not in the log yet is added; with ``as_logged`` it is left without a proof.
    """
    found = await gateway.tables.receipts.withdrawn(row.job_id, row.unit)
    withdrawn = None
    if found is not None:
        proof = await _proof(gateway, found.entry_id, as_logged=as_logged)
        withdrawn = Withdrawn(found.entry_id, found.at, proof)
    return ReceiptFile(
        format=FILE,
        receipt=orjson.loads(row.document),
        signature=row.signature.hex(),
        entry_id=row.entry_id,
        proof=await _proof(gateway, row.entry_id, as_logged=as_logged),
        withdrawn=withdrawn,
    )


async def _proof(gateway: Gateway, entry: int | None, *, as_logged: bool) -> EntryProof | None:
    if entry is None:
        return None
    # The entry is the creator's, and others may read its proof, too: the proof reveals nothing
    # beyond the receipt.
    position: LogPosition | Problem | None
    if as_logged:
        position = await known_position(gateway, entry)
    else:
        position = await logged_position(gateway, None, entry)
    return await proof_of(gateway, position) if isinstance(position, LogPosition) else None
