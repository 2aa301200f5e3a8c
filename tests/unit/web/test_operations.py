"""Declarations that every operation must have."""

from collections.abc import Iterable
from typing import Any, get_args
from uuid import UUID

import pytest

from supervisors.engines.system_clock import SystemClock
from tests.support.http_gateway import settings_for_tests
from web.http.operations import Audience, Call, Operation, Operations
from web.http.problem import Problem
from web.http.rate_limits import PER_CALLER, RATES
from web.identity.authentication import ADMINS_ONLY, PEOPLE_ONLY, forbidden
from web.identity.roles import RoleName, Scope, ScopeName, UserRole
from web.identity.tokens import Claims, TokenType
from web.routes import OPERATIONS


def name_of(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


@pytest.mark.parametrize("operation", list(OPERATIONS), ids=name_of)
def test_every_operation_has_an_audience_and_a_limit(operation: Operation) -> None:
    assert operation.audience in Audience
    assert operation.rate in RATES
    if operation.rate in PER_CALLER:
        assert operation.audience is not Audience.PUBLIC, (
            "a public operation knows no caller whose requests it could count"
        )


@pytest.mark.parametrize("operation", list(OPERATIONS), ids=name_of)
def test_what_an_api_key_may_do_is_said_of_every_operation(operation: Operation) -> None:
    for_people = operation.path.startswith("/api/v1/auth/")
    if operation.audience in (Audience.USER, Audience.ANYONE) and not for_people:
        assert operation.scope is not None
    else:
        assert operation.scope is None


def claims(role: UserRole, scopes: Iterable[Scope] | None = None) -> Claims:
    """Return claims of a user, or with ``scopes`` those of an API key."""
    now, of_key = SystemClock().now(), None if scopes is None else frozenset(scopes)
    ids = (UUID(int=1), UUID(int=2), UUID(int=3))
    return Claims(*ids, TokenType.ACCESS, now, now, role, of_key)


def test_what_is_for_admins_an_auditor_may_read_and_nobody_else() -> None:
    for operation in OPERATIONS:
        for role in UserRole:
            may = role is UserRole.ADMIN or (role is UserRole.AUDITOR and operation.method == "GET")
            is_refused = operation.audience is Audience.ADMIN and not may
            found = forbidden(claims(role), operation)
            assert found is (ADMINS_ONLY if is_refused else None), (name_of(operation), role)


def test_an_api_key_may_do_what_its_scopes_say() -> None:
    for operation in OPERATIONS:
        for role in (UserRole.USER, UserRole.ADMIN):
            others = [scope for scope in Scope if scope is not operation.scope]
            refused = forbidden(claims(role, others), operation)
            assert refused is not None, name_of(operation)
            assert refused.status == 403
            found = forbidden(claims(role, Scope), operation)
            assert found is (PEOPLE_ONLY if operation.scope is None else None), name_of(operation)


def test_scopes_and_roles_are_named_alike_everywhere() -> None:
    assert [scope.value for scope in Scope] == list(get_args(ScopeName))
    assert [role.value for role in UserRole] == list(get_args(RoleName))


def test_an_operation_has_the_limit_of_reads_or_of_writes_unless_it_names_one() -> None:
    operations = Operations()

    async def anything(call: Call[Any]) -> Problem | None:
        """Do nothing."""
        return None

    operations.get("/read", answers={200: None})(anything)
    operations.post("/written", answers={200: None})(anything)
    operations.post("/named", answers={200: None}, rate="login")(anything)
    assert [operation.rate for operation in operations] == ["read", "write", "login"]


def test_each_limit_is_a_setting() -> None:
    limits = settings_for_tests().limits
    assert all(getattr(limits, rate) >= 1 for rate in RATES)
