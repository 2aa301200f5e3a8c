"""The TypeScript client, installed from its package, with a gateway: in Node and in Chromium."""

import asyncio
import hashlib
import json
import re
from pathlib import Path

import attrs
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser

import rendertrust
from scripts.nodejs import NODE, NpmFailed, npm
from scripts.typescript_client import build
from supervisors.engines.postgres import PostgresEndpoint
from tests.browser.conftest import WITHIN_MS
from tests.support.http_gateway import face_over
from tests.support.lent_engines import StartGateway
from web.downloads.npm_package import NpmPackage, npm_package
from web.routes import downloads

pytestmark = pytest.mark.heavy  # npm downloads the compiler
# What npm says if nobody answers for its registry.
UNREACHED = re.compile(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT|SOCKET_TIMEOUT")
PROGRAM = """\
import { connect, dataOf, Refused, type webhooks } from "rendertrust";

export async function tour(url: string): Promise<unknown> {
  const person = { email: "coder@example.org", password: "a long pass phrase of one who codes" };
  const stranger = connect(url);
  await dataOf(stranger.POST("/api/v1/auth/register", { body: { ...person, name: "Coder" } }));
  const login = await dataOf(stranger.POST("/api/v1/auth/login", { body: person }));
  const farm = connect(`${url}/`, { token: async () => login.access_token });
  const balance = await dataOf(farm.GET("/api/v1/credits/balance"));
  const job_id = "7d0a7f0e-6f43-4b3a-9a0e-2f6d1d1f0c11";
  try {
    await dataOf(farm.GET("/api/v1/jobs/{job_id}", { params: { path: { job_id } } }));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { available: balance.available, status: error.status, code: error.refusal.code };
  }
  throw new Error("a job that does not exist was found");
}

export type Completed =
  webhooks["job.completed"]["post"]["requestBody"]["content"]["application/json"]["data"]["job_id"];
"""
MISTAKE = 'import { connect } from "rendertrust";\nconnect("").GET("/api/v1/credits/balnce", {});\n'
RUN = (
    'import { tour } from "./tour.js";\nconsole.log(JSON.stringify(await tour(process.argv[2])));\n'
)
PAGE = """<!doctype html><title>Application</title><script type="importmap">{"imports": {
  "rendertrust": "/node_modules/rendertrust/dist/index.js",
  "openapi-fetch": "/node_modules/openapi-fetch/dist/index.mjs"}}</script>"""
FOUND = {"available": "100.0000", "status": 404, "code": "job_not_found"}


@attrs.frozen
class Installed:
    """The package, the folder in which it was built, and a program that has it installed."""

    package: Path
    built: Path
    program: Path

    async def compiled(self, name: str, source: str) -> tuple[int, str]:
        """Compile a module of the program; return the compiler's status and output."""
        (self.program / f"{name}.ts").write_text(source)
        options = ["--strict", "--target", "es2022", "--module", "nodenext"]
        tsc = self.built / "node_modules/.bin/tsc"
        return await output(self.program, str(NODE), str(tsc), *options, f"{name}.ts")


async def output(folder: Path, *command: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build the package, and install it as users do. Skip the test without npm's registry."""
    built, program = tmp_path_factory.mktemp("built"), tmp_path_factory.mktemp("program")
    try:
        package = build(built, tmp_path_factory.mktemp("dist"))
    except NpmFailed as failed:
        if UNREACHED.search(str(failed)):
            pytest.skip("npm's registry cannot be reached, so the client cannot be built")
        raise
    (program / "package.json").write_text('{"type": "module", "private": true}')
    npm(program, "install", "--ignore-scripts", "--no-audit", "--no-fund", str(package))
    return Installed(package, built, program)


async def test_it_works_in_node_and_in_a_page_of_another_origin(
    installed: Installed, browser: Browser, start_gateway: StartGateway
) -> None:
    status, said = await installed.compiled("tour", PROGRAM)
    assert status == 0, said
    (installed.program / "run.js").write_text(RUN)
    async with start_gateway() as gateway:
        status, said = await output(installed.program, str(NODE), "run.js", gateway.url)
        assert status == 0, said
        assert json.loads(said) == FOUND

    async def show(_: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    site = web.Application()
    site.router.add_get("/", show)
    site.router.add_static("/", installed.program)
    async with TestServer(site) as server:
        origin = f"http://127.0.0.1:{server.port}"
        context = await browser.new_context()
        context.set_default_timeout(WITHIN_MS)
        page = await context.new_page()
        await page.goto(origin)
        async with start_gateway(RENDERTRUST_CORS_ORIGINS=origin) as gateway:
            tour = "async url => (await import('/tour.js')).tour(url)"
            assert await page.evaluate(tour, gateway.url) == FOUND
        await context.close()


async def test_npm_installs_it_from_a_gateway(
    installed: Installed,
    database: PostgresEndpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def built() -> NpmPackage | None:
        return npm_package(installed.package.parent)

    monkeypatch.setattr(downloads, "npm_package", built)
    (tmp_path / "package.json").write_text('{"type": "module", "private": true}')
    async with face_over(database) as face:
        async with face.client.get("/api/v1/downloads") as answer:
            package = (await answer.json())["typescript"]
        words = ("install", "--ignore-scripts", "--no-audit", "--no-fund", package["url"])
        await asyncio.to_thread(npm, tmp_path, *words)
    assert (tmp_path / "node_modules/rendertrust/dist/index.js").is_file()
    locked = json.loads((tmp_path / "package-lock.json").read_text())["packages"]
    assert locked["node_modules/rendertrust"]["integrity"].startswith("sha512-")


async def test_the_compiler_finds_a_path_that_does_not_exist(installed: Installed) -> None:
    status, said = await installed.compiled("mistake", MISTAKE)
    assert status != 0
    assert "balnce" in said


@pytest.mark.nightly
def test_the_same_sources_give_the_same_package(installed: Installed, tmp_path: Path) -> None:
    again = build(tmp_path / "built", tmp_path / "dist")
    assert again.name == installed.package.name == f"rendertrust-{rendertrust.__version__}.tgz"
    first, second = (hashlib.sha256(path.read_bytes()) for path in (installed.package, again))
    assert first.hexdigest() == second.hexdigest()
