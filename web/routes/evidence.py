"""Evidence: the render passes of which a picture was made, for verifiers and its creator."""

from rendertrust.api.jobs import ResultUrl
from rendertrust.api.refusal_code import RefusalCode
from web.http.operations import Call, Operations, Scope
from web.http.problem import Problem
from web.jobs.job_view import URL_SECONDS
from web.openapi.examples import jobs as examples
from web.routes.units import UnitWord

operations = Operations()
NONE = Problem(404, "The unit has no evidence", code=RefusalCode.EVIDENCE_NOT_FOUND)


@operations.get(
    "/api/v1/jobs/{job_id}/units/{number}/evidence",
    scope=Scope.JOBS_READ,
    words=UnitWord,
    refusals={404: "No such unit of yours, or it has no evidence, or the evidence has expired"},
    absent=NONE,
    example=examples.RESULT,
)
async def of_unit(call: Call) -> ResultUrl | Problem:
    """Get the download address of the render passes of a frame; valid for an hour.

    Nodes deliver the passes of frames that were to be verified, as rendered, before denoising and
    compositing: OpenEXR, 32 bits.
    """
    found = await call.gateway.tables.evidence.of(
        call.ids["job_id"], int(call.words["number"]), call.caller
    )
    if found is None:
        return NONE
    url = await call.gateway.ports.objects.presign_get(
        found.key, within=URL_SECONDS, base=call.base
    )
    return ResultUrl(str(found.job_id), url, URL_SECONDS, found.size, found.sha256.hex())
