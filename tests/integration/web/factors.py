"""Second factors for tests: users with an authenticator app, and its codes."""

import re
from typing import Any
from uuid import UUID

import attrs

from sql.second_factors import AppSetup
from tests.integration.web.accounts import PASSWORD, Person, ask, register
from tests.support.databases import execute
from tests.support.http_gateway import Face
from web.identity.second_factor import confirm_app, start_app, unconfirmed_secret
from web.identity.totp import RecoveryCodes, code_at, step_of


@attrs.frozen
class Secured:
    """A user with an authenticator app and recovery codes. ``dsn``: the database's owner."""

    person: Person
    dsn: str
    secret: bytes = attrs.field(repr=False)
    codes: tuple[str, ...] = attrs.field(repr=False)

    @property
    def face(self) -> Face:
        return self.person.face

    def code(self, ahead: int = 0) -> str:
        """Return the app's code of the present step, or of one near it."""
        return code_at(self.secret, step_of(self.face.gateway.ports.clock.now()) + ahead)

    async def fresh(self) -> str:
        """Return a code that was not used, as if some time had passed."""
        await execute(self.dsn, "UPDATE authenticators SET last_step = 0")
        return self.code()

    async def log_in(self, otp: str | None, password: str = PASSWORD) -> tuple[int, Any]:
        """Send a login."""
        body = {"email": self.person.email, "password": password}
        body |= {} if otp is None else {"otp": otp}
        return await ask(self.face, "POST", "/api/v1/auth/login", body)


def wrong(code: str) -> str:
    """Return another code of the same form."""
    return code[:-1] + str((int(code[-1]) + 5) % 10)


async def with_app(face: Face, dsn: str, person: Person) -> Secured:
    """Give a user an authenticator app."""
    user = UUID(person.id)
    setup = AppSetup(user, bytes(32))
    assert await start_app(face.gateway, setup)
    secret = await unconfirmed_secret(face.gateway, setup)
    assert secret is not None
    step = step_of(face.gateway.ports.clock.now())
    codes = await confirm_app(face.gateway, setup, code_at(secret, step))
    assert isinstance(codes, RecoveryCodes)
    await execute(dsn, "UPDATE authenticators SET last_step = 0")
    return Secured(person, dsn, secret, codes.texts)


async def secured(face: Face, dsn: str, email: str = "jane@example.org") -> Secured:
    """Register a user with an authenticator app."""
    return await with_app(face, dsn, await register(face, email))


def secret_in(page: str) -> str:
    """Return the secret that a page shows as text."""
    found = re.search(r'<p class="secret"><code>([A-Z2-7 ]+)</code>', page)
    assert found is not None, page
    return found[1].replace(" ", "")
