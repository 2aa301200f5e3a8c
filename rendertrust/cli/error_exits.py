"""Map the client's exceptions to exit codes, messages and hints."""

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

import attrs

from rendertrust.api.refusal_code import RefusalCode, help_path, refusal_code
from rendertrust.cli import exit_codes, value_text
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.pins import PinFile
from rendertrust.client import errors
from rendertrust.money import credit_count

_CODE: Final = re.compile("[a-z][a-z0-9_]{0,63}")


def ending_of(error: Exception, url: str) -> Exit | None:
    """Return the exit code, message and hint for an exception; return None for a bug."""
    if isinstance(error, CommandExit):
        cause = error.__cause__
        if isinstance(cause, errors.Refused):
            return attrs.evolve(error.ending, more=_more(cause, url))
        return error.ending
    if isinstance(error, errors.Refused):
        return _refused(error, url)
    for kind, words in _OTHERS.items():
        if isinstance(error, kind):
            return words(error, url)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        detail = f"{place}{error.strerror or error}"
        return Exit(exit_codes.FAILURE, "file", detail, "Fix this and try again.")
    return None


def _refused(error: errors.Refused, url: str) -> Exit:
    kind = next(kind for kind in type(error).__mro__ if kind in _REFUSALS)
    code, name, hint = _REFUSALS[kind](error)
    faults = [attrs.asdict(fault) for fault in error.errors]
    facts = {"status": error.status, "request_id": error.request_id, "errors": faults or None}
    return Exit(code, name, error.detail, hint, {**error.extra, **facts}, _more(error, url))


def _more(error: errors.Refused, url: str) -> str:
    """Return the URL of the gateway's page about the code; '' if the refusal has no valid code."""
    code = error.code or ""
    return f"{url.rstrip('/')}{help_path(code)}" if _CODE.fullmatch(code) else ""


_Words = tuple[int, str, str]


def _insufficient(error: errors.Refused) -> _Words:
    assert isinstance(error, errors.InsufficientCredits)
    hint = (
        "Buy more: rendertrust credits buy --need CREDITS (see what is on sale: rendertrust "
        "credits offers)\n"
        "Render on your own nodes for free: --pool mine\n"
        "See how much is held for open jobs: rendertrust credits balance"
    )
    if error.available is not None and error.requested is not None:
        known = f"Available: {credit_count(error.available)}."
        known += f" Needed: {credit_count(error.requested)}."
        hint = f"{value_text.harmless(known)}\n{hint}"
    return exit_codes.INSUFFICIENT_CREDITS, "insufficient_credits", hint


# Hints by the gateway's error code, most of them the command that lists what the request named.
HINTS: Mapping[str, str] = {
    RefusalCode.PASSWORD_INCORRECT: (
        "If you forgot it, the sign-in page of the gateway's console has a link for a new one."
    ),
    RefusalCode.RECENT_FACTOR_NEEDED: (
        "Run this in a terminal to be asked for the code, or set RENDERTRUST_OTP to it."
    ),
    RefusalCode.ACCOUNT_UNSETTLED: (
        "See what is open: rendertrust jobs list, rendertrust credits balance, rendertrust "
        "earnings list, rendertrust disputes list"
    ),
    RefusalCode.NOTHING_PAYABLE: (
        "See when your earnings become payable: rendertrust earnings list"
    ),
    RefusalCode.PAYOUT_BELOW_MINIMUM: (
        "See and change your minimum: rendertrust earnings schedule"
    ),
    RefusalCode.PAYOUT_ACCOUNT_NOT_FOUND: "Set one: rendertrust earnings account set",
    RefusalCode.PAYOUT_CHANGE_NOT_FOUND: "See your account: rendertrust earnings account",
    RefusalCode.CREDIT_NOTE_NOT_FOUND: "List your purchases: rendertrust credits purchases",
    RefusalCode.PAYMENTS_OFF: (
        "Take your earnings as credits: rendertrust earnings payout --to credits\n"
        "An admin can add credits to your account."
    ),
    RefusalCode.NODE_NOT_FOUND: "List your nodes: rendertrust nodes list",
    RefusalCode.SHARING_OFF: (
        "An admin can turn sharing on, by the gateway's setting sharing.enabled."
    ),
    RefusalCode.PICTURE_NOT_SHAREABLE: "See which frames are verified: rendertrust jobs units JOB",
    RefusalCode.SHARE_LINK_NOT_FOUND: "List your share links: rendertrust share list",
    RefusalCode.TOO_MANY_SHARE_LINKS: "List your share links: rendertrust share list",
    RefusalCode.SESSION_NOT_FOUND: "List your sessions: rendertrust account sessions",
    RefusalCode.KEY_NOT_FOUND: "List your keys: rendertrust keys list",
    RefusalCode.REGISTRATION_CLOSED: "Ask an admin of this gateway for an account.",
    RefusalCode.INVITATION_NEEDED: "Set RENDERTRUST_INVITATION to the link that an admin gave you.",
    RefusalCode.INVITATION_INVALID: "Ask an admin of this gateway for a new invitation.",
    RefusalCode.ENTRY_NOT_FOUND: "List your entries: rendertrust credits history",
    RefusalCode.ORGANISATION_NOT_FOUND: (
        "List your organisations: rendertrust organisations list\n"
        "Only your own nodes can be lent and taken back: rendertrust nodes list"
    ),
    RefusalCode.NOT_TRUSTED: "List the users you trust: rendertrust trusted list",
    RefusalCode.OWN_ACCOUNT: "List the users you trust: rendertrust trusted list",
    RefusalCode.TOO_MANY_TRUSTED: "List the users you trust: rendertrust trusted list",
    RefusalCode.TOO_MANY_ORGANISATIONS: "List your organisations: rendertrust organisations list",
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
    is_underquoted = refusal_code(error.code) is RefusalCode.UNDERQUOTED
    name = RefusalCode.UNDERQUOTED.value if is_underquoted else "refused"
    return exit_codes.FAILURE, name, HINTS.get(error.code or "", hint)


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
        HINTS.get(error.code or "", _RIGHTS),
    ),
    errors.NotFound: lambda error: (
        exit_codes.NOT_FOUND,
        "not_found",
        HINTS.get(error.code or "", _JOBS),
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
