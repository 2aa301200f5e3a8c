"""Map the client's exceptions to exit codes, messages and hints."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

import attrs

from rendertrust.cli import exit_codes, value_text
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.pins import PinFile
from rendertrust.client import errors

UNDERQUOTED: Final = "underquoted"  # the gateway's error code, which the command prints, too


def ending_of(error: Exception, url: str) -> Exit | None:
    """Return the exit code, message and hint for an exception; return None for a bug."""
    if isinstance(error, CommandExit):
        return error.ending
    if isinstance(error, errors.Refused):
        return _refused(error)
    for kind, words in _OTHERS.items():
        if isinstance(error, kind):
            return words(error, url)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        detail = f"{place}{error.strerror or error}"
        return Exit(exit_codes.FAILURE, "file", detail, "Fix this and try again.")
    return None


def _refused(error: errors.Refused) -> Exit:
    kind = next(kind for kind in type(error).__mro__ if kind in _REFUSALS)
    code, name, hint = _REFUSALS[kind](error)
    faults = [attrs.asdict(fault) for fault in error.errors]
    facts = {"status": error.status, "request_id": error.request_id, "errors": faults or None}
    return Exit(code, name, error.detail, hint, {**error.extra, **facts})


_Words = tuple[int, str, str]


def _insufficient(error: errors.Refused) -> _Words:
    assert isinstance(error, errors.InsufficientCredits)
    hint = (
        "Buy more: rendertrust credits buy SKU (see what is on sale: rendertrust credits "
        "offers)\n"
        "Render on your own nodes for free: --pool mine\n"
        "See how much is held for open jobs: rendertrust credits balance"
    )
    if error.available is not None and error.requested is not None:
        known = f"Available: {error.available} credits. Needed: {error.requested} credits."
        hint = f"{value_text.harmless(known)}\n{hint}"
    return exit_codes.INSUFFICIENT_CREDITS, "insufficient_credits", hint


# Hints by the gateway's error code, most of them the command that lists what the request named.
_OF_CODE: Mapping[str, str] = {
    "password_incorrect": "Check the current password.",
    "account_unsettled": (
        "See what is open: rendertrust jobs list, rendertrust credits balance, rendertrust "
        "earnings list, rendertrust disputes list"
    ),
    "nothing_payable": ("See when your earnings become payable: rendertrust earnings list"),
    "node_not_found": "List your nodes: rendertrust nodes list",
    "session_not_found": "List your sessions: rendertrust account sessions",
    "key_not_found": "List your keys: rendertrust keys list",
    "registration_closed": "Ask an admin of this gateway for an account.",
    "invitation_needed": "Set RENDERTRUST_INVITATION to the link that an admin gave you.",
    "invitation_invalid": "Ask an admin of this gateway for a new invitation.",
    "entry_not_found": "List your entries: rendertrust credits history",
    "organisation_not_found": (
        "List your organisations: rendertrust organisations list\n"
        "Only your own nodes can be lent and taken back: rendertrust nodes list"
    ),
    "not_trusted": "List the users you trust: rendertrust trusted list",
    "own_account": "List the users you trust: rendertrust trusted list",
    "too_many_trusted": "List the users you trust: rendertrust trusted list",
    "too_many_organisations": "List your organisations: rendertrust organisations list",
}
_JOBS: Final = "List your jobs: rendertrust jobs list"
_RIGHTS: Final = (
    "An API key needs the right scope: rendertrust keys create NAME --scope SCOPE;\n"
    "a user needs the right role, which an admin can assign"
)


def _later(error: errors.Refused, name: str) -> _Words:
    when = "later" if error.retry_after is None else f"in {value_text.duration(error.retry_after)}"
    return exit_codes.UNAVAILABLE, name, f"Try again {when}."


def _as_things_stand(error: errors.Refused) -> _Words:
    if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        hint = "List your files:      rendertrust uploads list\n"
        hint += "Delete unused files:  rendertrust uploads delete ID"
        return exit_codes.FAILURE, "too_much_kept", hint
    hint = "The gateway refuses this in the present state: rendertrust jobs list shows your jobs."
    name = UNDERQUOTED if error.code == UNDERQUOTED else "refused"
    return exit_codes.FAILURE, name, _OF_CODE.get(error.code or "", hint)


_REFUSALS: Mapping[type[errors.Refused], Callable[[errors.Refused], _Words]] = {
    errors.NotAuthenticated: lambda _: (
        exit_codes.NOT_AUTHENTICATED,
        "not_authenticated",
        "Log in: rendertrust login EMAIL (or open an account: rendertrust register EMAIL)",
    ),
    errors.InsufficientCredits: _insufficient,
    errors.Forbidden: lambda error: (
        exit_codes.FAILURE,
        "forbidden",
        _OF_CODE.get(error.code or "", _RIGHTS),
    ),
    errors.NotFound: lambda error: (
        exit_codes.NOT_FOUND,
        "not_found",
        _OF_CODE.get(error.code or "", _JOBS),
    ),
    errors.Invalid: lambda _: (
        exit_codes.USAGE,
        "invalid",
        "Fix what the gateway objects to and try again.",
    ),
    errors.RateLimited: lambda error: _later(error, "rate_limited"),
    errors.Unavailable: lambda error: _later(error, "unavailable"),
    errors.GatewayFault: lambda _: (
        exit_codes.FAILURE,
        "gateway_fault",
        "The gateway has failed. Try again; if it persists, contact its operator.",
    ),
    errors.Refused: _as_things_stand,
}


def _no_answer(error: Exception, url: str) -> _Words:
    if isinstance(error, errors.NoAnswer) and error.untrusted:
        hint = (
            "If the certificate is of an authority of your own, set SSL_CERT_FILE to a file with "
            "that authority's certificate."
        )
        return exit_codes.UNAVAILABLE, "no_answer", hint
    hint = (
        "Is the gateway running? 'rendertrust serve' starts a gateway in a checkout.\n"
        f"Use --url to name another gateway (this is {url})."
    )
    return exit_codes.UNAVAILABLE, "no_answer", hint


def _transfer(error: Exception, _: str) -> _Words:
    status = error.status if isinstance(error, errors.TransferFailed) else None
    lasting = status is not None and 400 <= status < 500 and status not in (403, 408, 429)
    code = exit_codes.FAILURE if lasting else exit_codes.UNAVAILABLE
    return code, "transfer_failed", "Try again; a file that arrived completely is not sent twice."


def _other(words: Callable[[Exception, str], _Words]) -> Callable[[Exception, str], Exit]:
    def ending(error: Exception, url: str) -> Exit:
        code, name, hint = words(error, url)
        return Exit(code, name, str(error), hint)

    return ending


_OTHERS: Mapping[type[Exception], Callable[[Exception, str], Exit]] = {
    errors.NoAnswer: _other(_no_answer),
    errors.StillRunning: _other(
        lambda error, _: (
            exit_codes.STILL_RUNNING,
            "still_running",
            f"Watch again: rendertrust jobs watch {getattr(error, 'job_id', '')}",
        )
    ),
    errors.NotReady: _other(
        lambda error, _: (
            exit_codes.STILL_RUNNING,
            "not_ready",
            f"See the job's progress: rendertrust jobs units {getattr(error, 'job_id', '')}",
        )
    ),
    errors.Forked: _other(
        lambda error, url: (
            exit_codes.FAILURE,
            "forked",
            value_text.evidence(
                getattr(error, "before", ""), getattr(error, "now", ""), PinFile(url).forks()[-1:]
            ),
        )
    ),
    errors.PinUnreadable: _other(
        lambda _, __: (
            exit_codes.FAILURE,
            "pin_unreadable",
            (
                "Restore the file from a copy, or accept the current log: rendertrust ledger "
                "checkpoint --accept"
            ),
        )
    ),
    errors.NotProved: _other(
        lambda _, __: (
            exit_codes.FAILURE,
            "not_proved",
            "Keep the proof and contact the operator of the gateway.",
        )
    ),
    errors.FileChanged: _other(
        lambda _, __: (
            exit_codes.FAILURE,
            "file_changed",
            "Wait until the program that writes the file has finished, then submit again.",
        )
    ),
    errors.TransferFailed: _other(_transfer),
    errors.BadAnswer: _other(
        lambda _, url: (
            exit_codes.FAILURE,
            "bad_answer",
            f"Check that {url} is a RenderTrust gateway, or name another with --url.",
        )
    ),
}
