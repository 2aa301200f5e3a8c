"""What a gateway hands out: the wheel, its hash, the script that joins a machine, and Blender's
extension.
"""

import asyncio
import hashlib
import io
import os
import re
import signal
import socket
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import attrs
import pytest
from structlog.testing import capture_logs

import rendertrust
from rendertrust import release
from scripts.blender_extension import LINES, zip_name
from tests.integration.web.accounts import ask
from tests.support.extension_zips import make_zip
from tests.support.http_gateway import Face, face_with, settings_for_tests
from tests.support.releases import KEY, KEY_TEXT, statement_of
from web.downloads import extension_build, extensions
from web.downloads.extension_build import build_missing
from web.downloads.join_script import join_script
from web.downloads.npm_package import NAME, NpmPackage, npm_package
from web.downloads.release_signature import ReleaseSignature, release_signature
from web.downloads.wheel import Wheel, built_wheel
from web.routes import downloads

face = face_with(data="~/data")
FILES = "/api/v1/downloads"


async def handed_out(face: Face) -> dict[str, Any]:
    status, found = await ask(face, "GET", FILES)
    assert status == 200
    return dict(found)


async def test_the_wheel_has_the_version_and_the_hash_that_are_named(face: Face) -> None:
    found = await handed_out(face)
    url, wheel = str(face.client.make_url("/")).rstrip("/"), found["wheel"]
    assert found["version"] == rendertrust.__version__
    assert wheel["url"] == f"{url}/download/{wheel['name']}"
    assert (
        found["install"] == f"pip install 'rendertrust @ {wheel['url']}#sha256={wheel['sha256']}'"
    )
    answer = await face.client.get(f"/download/{wheel['name']}")
    body = await answer.read()
    assert (answer.status, len(body)) == (200, wheel["size"])
    assert hashlib.sha256(body).hexdigest() == wheel["sha256"]
    with zipfile.ZipFile(io.BytesIO(body)) as opened:
        assert opened.testzip() is None
        assert "rendertrust/__main__.py" in opened.namelist()
        assert not [name for name in opened.namelist() if not name.startswith("rendertrust")]


@pytest.fixture
def dist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder, where an admin's zips of the extension are."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(extensions, "DIST", tmp_path / "dist")
    (tmp_path / "dist").mkdir()
    return tmp_path / "dist"


@pytest.fixture
def folders(dist: Path) -> tuple[Path, ...]:
    """Return the folders of the gateway, which cannot write to the checkout."""
    dist.rmdir()
    dist.write_text("no folder, so that not even root can write here")
    return extensions.extension_folders(settings_for_tests(data="~/data"))


async def test_the_extension_is_a_repository_that_blender_reads(face: Face, dist: Path) -> None:
    for line in LINES:
        make_zip(dist, line, "linux-x64")
    status, index = await ask(face, "GET", "/download/index.json?blender_version=4.2.0")
    assert (status, index["version"], index["blocklist"]) == (200, "v1", [])
    older, newer = index["data"]
    assert (older["id"], older["version"]) == ("rendertrust", rendertrust.__version__)
    assert (older["blender_version_min"], older["blender_version_max"]) == ("4.2.0", "5.1.0")
    assert newer["blender_version_min"] == "5.1.0"
    assert "blender_version_max" not in newer, "Blender takes no null"
    assert older["platforms"] == ["linux-x64"]
    name = older["archive_url"].removeprefix("./")
    answer = await face.client.get(f"/download/{name}?repository=.%2Findex.json")
    body = await answer.read()
    assert (answer.status, answer.content_type) == (200, "application/zip")
    assert len(body) == older["archive_size"]
    assert f"sha256:{hashlib.sha256(body).hexdigest()}" == older["archive_hash"]


async def test_the_extension_is_on_the_page_and_in_the_api(face: Face, dist: Path) -> None:
    text = await (await face.client.get("/download")).text()
    assert "has no Blender extension" in text
    assert (await handed_out(face))["extensions"] == []
    make_zip(dist, "4.2", "windows-x64")
    found = await handed_out(face)
    [each] = found["extensions"]
    url = str(face.client.make_url("/download"))
    assert found["extension_repository"] == f"{url}/index.json"
    assert each["url"] == f"{url}/{each['name']}"
    assert each["drop_url"].startswith(f"{each['url']}?repository=.%2Findex.json&")
    assert each["drop_url"].endswith("&platforms=windows-x64")
    text = await (await face.client.get("/download")).text()
    assert each["drop_url"].replace("&", "&amp;") in text
    assert "4.2 or newer, before 5.1" in text


async def page(face: Face) -> str:
    return await (await face.client.get("/download")).text()


async def test_the_extension_is_built_where_there_is_none_of_these_sources(
    face: Face, folders: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    own = built_wheel()
    folders[0].mkdir(parents=True)
    make_zip(folders[0], "5.1", "linux-x64", attrs.evolve(own, body=own.body + b"changed"))
    built = make_zip(other, "5.1", "linux-x64")
    os.mkfifo(gate := other / "gate")
    builder = ("sh", "-c", 'read -r _ <"$0"; cp "$1" "$3"', str(gate), str(built))
    build = asyncio.create_task(build_missing(folders, builder))
    with await asyncio.to_thread(gate.open, "w") as opened:  # waits for the builder
        assert "is building the Blender extension" in await page(face)
        await build_missing(folders, ("false",))  # another gateway leaves it to the first
        opened.write("go on\n")
    await build
    assert built.name in await page(face)
    with capture_logs() as logs:
        await build_missing(folders, ("false",))  # nothing is missing
    assert logs == []


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


async def test_a_build_removes_what_older_gateways_have_left(
    folders: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    built = make_zip(tmp_path_factory.mktemp("other"), "5.1", "linux-x64")
    builder = ("sh", "-c", 'cp "$0" "$2"', str(built))
    (folders[0] / ".extension-killed").mkdir(parents=True)
    (folders[0] / ".extension-killed" / "half.zip").touch()
    old = [zip_name(f"0.0.{number}", "5.1", "linux-x64") for number in (9, 10)]
    for when, name in enumerate((*old, "mine.zip")):
        (folders[0] / name).touch()
        os.utime(folders[0] / name, (when, when))
    await build_missing(folders, ("false",))
    assert left(folders[0]) == sorted([*old, "mine.zip"]), "nothing is built, nothing is replaced"
    await build_missing(folders, builder, keep_old=True)
    assert left(folders[0]) == sorted([*old, "mine.zip", built.name])
    (folders[0] / built.name).unlink()
    await build_missing(folders, builder)
    assert left(folders[0]) == sorted([old[1], "mine.zip", built.name]), "one older version stays"


async def test_a_gateway_killed_between_two_zips_leaves_no_half_extension(
    folders: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    others = tmp_path_factory.mktemp("other")
    zips = [make_zip(others, line, "linux-x64") for line in LINES]
    finished = folders[0] / ".extensions-built"
    finished.mkdir(parents=True)
    zips[0].replace(folders[0] / zips[0].name)
    zips[1].replace(finished / zips[1].name)
    with capture_logs() as logs:
        await build_missing(folders, ("false",))
    assert logs == [], "nothing is built"
    assert left(folders[0]) == sorted(each.name for each in zips)


def test_the_builder_ends_with_its_gateway(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as index:
        url = f"http://127.0.0.1:{index.getsockname()[1]}"
        with subprocess.Popen(
            [*extension_build.COMMAND, "--out", str(tmp_path)],
            env={**os.environ, "PIP_INDEX_URL": url, "PIP_NO_CACHE_DIR": "1"},
            stdin=subprocess.PIPE,
            start_new_session=True,
        ) as builder:
            connection, _ = index.accept()  # of pip, which gets no answer
            with connection:
                assert connection.recv(4) == b"GET "
                assert builder.stdin is not None
                builder.stdin.close()
                assert builder.wait() == -signal.SIGKILL
                while connection.recv(65536):
                    pass  # ends when pip has ended


def test_the_builder_says_why_it_failed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as index:
        closed = index.getsockname()[1]
    with subprocess.Popen(
        [*extension_build.COMMAND, "--out", str(tmp_path)],
        env={**os.environ, "PIP_INDEX_URL": f"http://127.0.0.1:{closed}", "PIP_RETRIES": "0"}
        | {"PIP_NO_CACHE_DIR": "1"},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as builder:
        assert builder.stderr is not None
        said = builder.stderr.read()
        assert builder.wait() == 1, "it ended in order while its input was open"
    assert "CalledProcessError" in said.splitlines()[-1]


async def test_what_an_admin_has_built_is_not_built_again(dist: Path) -> None:
    make_zip(dist, "5.1", "linux-x64")
    folders = extensions.extension_folders(settings_for_tests(data="~/data"))
    with capture_logs() as logs:
        await build_missing(folders, ("false",))
    assert (logs, folders[0].exists()) == ([], False)


async def test_a_build_that_fails_or_is_stopped_leaves_nothing(
    face: Face, folders: tuple[Path, ...]
) -> None:
    with capture_logs() as logs:
        await build_missing(folders, ("sh", "-c", "echo 'ERROR: no index' >&2; exit 1"))
    assert logs[-1]["why"] == "ERROR: no index"
    os.mkfifo(gate := folders[0] / ".gate")
    builder = ("sh", "-c", 'touch "$2/half.zip"; echo $$ >"$0"; sleep 1000', str(gate))
    build = asyncio.create_task(build_missing(folders, builder))
    pid = int(await asyncio.to_thread(gate.read_text))
    build.cancel()
    with pytest.raises(asyncio.CancelledError):
        await build
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert sorted(path.name for path in folders[0].iterdir()) == [".extension.lock", ".gate"]
    assert "has no Blender extension" in await page(face)


async def test_a_stop_while_the_builder_starts_waits_for_none_of_its_programs(
    folders: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    folders[0].mkdir(parents=True, exist_ok=True)
    os.mkfifo(gate := folders[0] / ".gate")
    real = asyncio.create_subprocess_exec

    async def start(*words: str, **options: Any) -> asyncio.subprocess.Process:
        starting = asyncio.ensure_future(real(*words, **options))
        await asyncio.sleep(0)  # the program runs, and asyncio does not know its pipes yet
        started.append(int(gate.read_text()))
        build.cancel()
        return await starting

    started = list[int]()
    monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
    builder = ("sh", "-c", 'sleep 1000 & echo $! >"$0"; wait', str(gate))
    build = asyncio.ensure_future(build_missing(folders, builder))
    done, _ = await asyncio.wait([build], timeout=60)
    os.kill(started[0], signal.SIGKILL)
    assert (done, build.cancelled()) == ({build}, True)


async def test_a_zip_of_other_sources_is_not_handed_out(face: Face, dist: Path) -> None:
    own = built_wheel()
    make_zip(dist, "4.2", "linux-x64", attrs.evolve(own, body=own.body + b"changed"))
    broken = dist / zip_name(rendertrust.__version__, "5.1", "linux-x64")
    broken.write_bytes(b"half a zip")
    assert (await handed_out(face))["extensions"] == []
    with zipfile.ZipFile(broken, "w", zipfile.ZIP_DEFLATED) as damaged:
        damaged.writestr(f"wheels/{own.name}", own.body)
        start = len(damaged.infolist()[0].FileHeader())
        damaged.writestr("blender_manifest.toml", "platforms = []")
        for source in extensions.SOURCES.glob("*.py"):
            damaged.writestr(source.name, source.read_bytes())
    assert (await handed_out(face))["extensions"] == [], "its manifest lacks members"
    content = broken.read_bytes()
    broken.write_bytes(content[:start] + b"\xff" * 64 + content[start + 64 :])
    assert (await handed_out(face))["extensions"] == []
    status, refused = await ask(face, "GET", f"/download/{broken.name}")
    assert (status, broken.name in refused["detail"]) == (404, False)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        pytest.param("^id = .*$", "", id="member-is-missing"),
        pytest.param("^platforms = .*$", 'platforms = "linux-x64"', id="text-for-a-list"),
        pytest.param("^blender_version_min = .*$", "blender_version_min = 5", id="number"),
    ],
)
async def test_a_zip_with_a_bad_manifest_is_left_out_of_page_and_index(
    face: Face, dist: Path, pattern: str, said: str
) -> None:
    whole = make_zip(dist, "4.2", "linux-x64")
    spoilt = dist / zip_name(rendertrust.__version__, "5.1", "linux-x64")
    with zipfile.ZipFile(whole) as opened, zipfile.ZipFile(spoilt, "w") as packed:
        for name in opened.namelist():
            content = opened.read(name)
            if name == extensions.MANIFEST:
                content = re.sub(pattern, said, content.decode(), flags=re.MULTILINE).encode()
            packed.writestr(name, content)
    assert [each["name"] for each in (await handed_out(face))["extensions"]] == [whole.name]
    status, index = await ask(face, "GET", "/download/index.json")
    assert (status, len(index["data"])) == (200, 1)


async def test_a_signed_wheel_has_its_signature(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await handed_out(face)
    own = release_signature(built_wheel())
    assert (found["release_key"], found["signature"]) == (own.key, own.statement)
    signed = release.sign(statement_of(built_wheel()), KEY)

    def signature(_: Wheel) -> ReleaseSignature:
        return ReleaseSignature(KEY_TEXT, signed)

    monkeypatch.setattr(downloads, "release_signature", signature)
    found = await handed_out(face)
    assert release.read(found["signature"], found["release_key"]) == statement_of(built_wheel())


async def test_another_file_is_not_there_and_says_which_is(face: Face) -> None:
    status, refused = await ask(face, "GET", "/download/rendertrust-0.0.1-py3-none-any.whl")
    assert (status, built_wheel().name in refused["detail"]) == (404, True)
    for name in ("..%2fpyproject.toml", "%20", "a" * 200):
        assert (await ask(face, "GET", f"/download/{name}"))[0] == 404


async def test_the_npm_package_is_handed_out_once_it_is_built(
    face: Face, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def built() -> NpmPackage | None:
        return npm_package(tmp_path)

    monkeypatch.setattr(downloads, "npm_package", built)
    assert (await handed_out(face))["typescript"] is None
    assert "has no TypeScript client" in await page(face)
    assert (await ask(face, "GET", f"/download/{NAME}"))[0] == 404
    (tmp_path / "rendertrust-0.0.1.tgz").write_bytes(b"of another version")
    assert (await handed_out(face))["typescript"] is None
    for body in (b"a package", b"the package, built again"):
        (tmp_path / NAME).write_bytes(body)
        package = (await handed_out(face))["typescript"]
        answer = await face.client.get(f"/download/{NAME}")
        assert (answer.status, await answer.read()) == (200, body)
        assert package["url"] == str(answer.url)
        assert package["sha256"] == hashlib.sha256(body).hexdigest()
        assert f"npm install {package['url']}" in await page(face)


async def test_a_gateway_without_sources_says_so(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking() -> None:
        raise FileNotFoundError("docs/PACKAGE.md")

    monkeypatch.setattr(downloads, "built_wheel", lacking)
    for path in (FILES, "/join.sh", "/download/x.whl", "/download/index.json", "/download"):
        answer = await face.client.get(path)
        assert answer.status == 404
        assert "whole checkout" in await answer.text()


async def test_the_script_names_the_address_and_the_hash(face: Face) -> None:
    answer = await face.client.get("/join.sh")
    text, url = await answer.text(), str(face.client.make_url("/")).rstrip("/")
    assert answer.content_type == "text/plain"
    assert f"farm={url}\n" in text
    assert f"sha256={built_wheel().sha256}\n" in text
    assert "@" not in text.partition("say()")[0]
    assert text.rstrip().endswith('main "$@"'), "a part of the script does nothing"


def run(script: str, *words: str, home: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run a script as `curl … | sh -s -- WORDS` does, on a machine with nothing but its system."""
    env = {"PATH": "/usr/bin:/bin", "HOME": str(home), **more}
    command = ["sh", "-s", "--", *words]
    return subprocess.run(
        command, input=script, env=env, cwd=home, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "name",
    ["it's", "$(touch it)", "a`touch it`", 'a"; touch it; "'],
    ids=["apostrophe", "command", "backquotes", "quotes"],
)
def test_an_address_cannot_break_out_of_the_script(tmp_path: Path, name: str) -> None:
    ran = run(join_script(f"http://{name}", built_wheel()), "--help", home=tmp_path)
    assert f"http://{name}/join.sh" in ran.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [(("ABC",), "has 48 characters"), (("--service",), "the CODE comes first")],
    ids=["short", "none"],
)
def test_what_is_no_code_installs_nothing(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    ran = run(join_script("http://farm.example", built_wheel()), *words, home=tmp_path)
    assert (ran.returncode, said in ran.stderr) == (1, True)
    assert "http://farm.example/console/fleet/add" in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_path_of_python_may_have_blanks(tmp_path: Path) -> None:
    python = tmp_path / "a folder" / "python"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\n[ "$1" = -c ] || { echo "asked: $*"; exit 1; }\n')
    python.chmod(0o755)
    script = join_script("http://farm.example", built_wheel())
    chosen = {"RENDERTRUST_PYTHON": str(python), "RENDERTRUST_BLENDER": "no"}
    ran = run(script, home=tmp_path, **chosen)
    assert (ran.returncode, "asked: -m venv" in ran.stderr) == (1, True), ran.stderr
    assert "no environment could be made" in ran.stderr
    assert not list((tmp_path / ".local/share/rendertrust/versions").iterdir())


def test_without_python_the_script_says_what_to_install(tmp_path: Path) -> None:
    script = join_script("http://farm.example", built_wheel())
    ran = run(script, home=tmp_path, RENDERTRUST_PYTHON="/nowhere/python")
    assert (ran.returncode, "apt-get install python3-venv" in ran.stderr) == (1, True)
