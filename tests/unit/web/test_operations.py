"""What every operation has to declare."""

from typing import get_args

import pytest

from tests.support.http_gateway import settings_for_tests
from web.http.operations import PER_CALLER, RATES, Audience, Operation, Operations
from web.identity.rights import Role, RoleName, Scope, ScopeName
from web.routes import OPERATIONS


def name_of(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


@pytest.mark.parametrize("operation", list(OPERATIONS), ids=name_of)
def test_every_operation_has_an_audience_and_a_limit(operation: Operation) -> None:
    assert operation.audience in Audience
    assert operation.rate in RATES
    if operation.rate in PER_CALLER:
        assert operation.audience is not Audience.PUBLIC, "nobody is known there to be counted"


@pytest.mark.parametrize("operation", list(OPERATIONS), ids=name_of)
def test_what_an_api_key_may_do_is_said_of_every_operation(operation: Operation) -> None:
    for_people = operation.path.startswith("/api/v1/auth/")
    if operation.audience in (Audience.USER, Audience.ANYONE) and not for_people:
        assert operation.scope is not None
    else:
        assert operation.scope is None


def test_scopes_and_roles_are_named_alike_everywhere() -> None:
    assert [scope.value for scope in Scope] == list(get_args(ScopeName))
    assert [role.value for role in Role] == list(get_args(RoleName))


def test_an_operation_without_a_limit_is_not_declared() -> None:
    declare = Operations().get("/anything", answers={200: None})

    async def anything(call: object) -> None:
        """Nothing."""

    with pytest.raises(TypeError, match="rate"):
        declare(anything)


def test_each_limit_is_a_setting() -> None:
    limits = settings_for_tests().limits
    assert all(getattr(limits, rate) >= 1 for rate in RATES)
