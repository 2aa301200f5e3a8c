"""Visitors of the console, who are signed in and send requests as a browser does."""

from typing import Any
from urllib.parse import urlencode

import attrs
from aiohttp import ClientSession, CookieJar

from tests.integration.web.accounts import PASSWORD, register
from tests.support.databases import execute
from tests.support.http_gateway import Face

OWN = {"Sec-Fetch-Site": "same-origin"}


def live(*addresses: str) -> str:
    """Return the address of one stream with the changes of all pages at ``addresses``."""
    return "/console/live?" + urlencode([("of", address) for address in addresses])


@attrs.frozen
class Visitor:
    """A user's browser with cookies of its own."""

    face: Face
    jar: CookieJar
    id: str = ""
    email: str = ""

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Return status and text of a page, without following redirects."""
        answer = await self.ask("GET", path, headers=headers)
        return answer.status, await answer.text()

    async def post(self, path: str, form: dict[str, str], **headers: str) -> Any:
        """Send a form as from the console's own page, unless ``headers`` say otherwise."""
        return await self.ask("POST", path, data=form, headers=headers or OWN)

    async def ask(self, method: str, path: str, **more: Any) -> Any:
        url = self.face.client.make_url(path)
        async with ClientSession(cookie_jar=self.jar) as browser:
            answer = await browser.request(method, url, allow_redirects=False, **more)
            await answer.read()
        return answer

    def cookie(self) -> str:
        """Return the Cookie header that this browser sends."""
        found = self.jar.filter_cookies(self.face.client.make_url("/console"))
        return "; ".join(f"{name}={morsel.value}" for name, morsel in found.items())


def nobody(face: Face) -> Visitor:
    """Return a browser in which nobody is signed in."""
    return Visitor(face, CookieJar(unsafe=True))


async def signed_in(face: Face, email: str, password: str = PASSWORD) -> Visitor:
    """Sign in a user who has an account."""
    visitor = nobody(face)
    answer = await visitor.post("/console/sign-in", {"email": email, "password": password})
    assert answer.status == 303, await answer.text()
    return attrs.evolve(visitor, email=email)


async def newcomer(
    face: Face, dsn: str = "", role: str = "user", email: str = "jane@example.org"
) -> Visitor:
    """Register a user, give them a role in the database if it is not ``user``, and sign them in."""
    person = await register(face, email)
    if role != "user":
        await execute(dsn, f"UPDATE users SET role = '{role}' WHERE id = '{person.id}'")
    return attrs.evolve(await signed_in(face, email), id=person.id)
