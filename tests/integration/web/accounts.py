"""Users for tests over HTTP: how they register, log in and send requests."""

from typing import Any

import attrs
import jwt

from tests.support.databases import execute
from tests.support.http_gateway import Face

PASSWORD = "a long password"


@attrs.frozen
class Person:
    """A user with the tokens of the registration or of a login."""

    face: Face
    id: str
    email: str
    access: str = attrs.field(repr=False)
    refresh: str = attrs.field(repr=False)

    async def ask(self, method: str, path: str, body: Any = None, token: str = "") -> Any:
        """Send a request as this user, and return status and body of the answer."""
        headers = {"Authorization": f"Bearer {token or self.access}"}
        return await ask(self.face, method, path, body, headers)

    async def may(self, token: str = "") -> bool:
        """Return True if the token gives access to the user's balance.

        A busy gateway is asked again.
        """
        status, _ = await self.ask("GET", "/api/v1/credits/balance", token=token)
        while status == 503:
            status, _ = await self.ask("GET", "/api/v1/credits/balance", token=token)
        assert status in (200, 401), status
        return bool(status == 200)

    async def balance(self) -> str:
        """Return the user's balance, including held credits."""
        status, found = await self.ask("GET", "/api/v1/credits/balance")
        assert status == 200, found
        return str(found["balance"])


async def ask(
    face: Face, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    """Send a request, and return status and body of the answer."""
    async with face.client.request(method, path, json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def register(face: Face, email: str = "jane@example.org") -> Person:
    """Register a user and log them in.

    A busy gateway is asked again, and may have registered them already.
    """
    body = {"email": email, "name": "Jane", "password": PASSWORD}
    status, answer = await ask(face, "POST", "/api/v1/auth/register", body)
    asked_again = status == 503
    while status == 503:
        status, answer = await ask(face, "POST", "/api/v1/auth/register", body)
    if asked_again and status == 409:
        person = await log_in(face, Person(face, "", email, "", ""))
        assert person is not None
        subject = jwt.decode(person.access, options={"verify_signature": False})["sub"]
        return attrs.evolve(person, id=subject)
    assert status == 201, answer
    tokens = answer["tokens"]
    user = answer["user"]["id"]
    return Person(face, user, email, tokens["access_token"], tokens["refresh_token"])


async def log_in(face: Face, person: Person, password: str = PASSWORD) -> Person | None:
    """Log the same user in once more; return None if the login is refused.

    A busy gateway is asked again.
    """
    body = {"email": person.email, "password": password}
    status, answer = await ask(face, "POST", "/api/v1/auth/login", body)
    while status == 503:
        status, answer = await ask(face, "POST", "/api/v1/auth/login", body)
    if status != 200:
        assert status == 401, answer
        return None
    return attrs.evolve(person, access=answer["access_token"], refresh=answer["refresh_token"])


async def refresh(face: Face, token: str) -> tuple[int, Any]:
    """Exchange a refresh token, and return status and body of the answer."""
    return await ask(face, "POST", "/api/v1/auth/refresh", {"refresh_token": token})


async def with_role(face: Face, dsn: str, role: str, email: str = "ann@example.org") -> Person:
    """Register a user, give them a role in the database, and log them in with it."""
    person = await register(face, email)
    await execute(dsn, f"UPDATE users SET role = '{role}' WHERE id = '{person.id}'")
    again = await log_in(face, person)
    assert again is not None
    return again
