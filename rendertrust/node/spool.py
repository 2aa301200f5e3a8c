"""Spool of results on disk until the gateway has booked them, across restarts of either side.

Each result has a row. The row's state is ``uploading`` until all files are in the object store,
then ``ready`` until the gateway acks the result. Each file that is not uploaded yet has a row in
another table. The files themselves are beside the database.
"""

import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import attrs
import orjson

from rendertrust.node.safe_open import open_plain
from rendertrust.protocol import (
    Evidence,
    JobResult,
    Malformed,
    Output,
    Running,
    Unknown,
    encode,
)
from rendertrust.protocol import decode_from_node as decode

RESULT: Final = "result"
EVIDENCE: Final = "evidence"
SHEET: Final = "sheet"  # the comparison sheet of a check; the check's result does not depend on it
_SCHEMA: Final = """
    create table if not exists results (
        job_id  text not null,
        unit    integer not null,
        attempt integer not null,
        state   text not null check (state in ('uploading', 'ready')),
        result  text not null,
        since   real not null,
        primary key (job_id, unit, attempt)
    );
    create table if not exists files (
        job_id  text not null,
        unit    integer not null,
        attempt integer not null,
        what    text not null,
        file    text not null,
        output  text not null,
        primary key (job_id, unit, attempt, what)
    );
    delete from files where (job_id, unit, attempt)
        not in (select job_id, unit, attempt from results);
"""
_NONE: Final = -1
_CHUNK: Final = 1024 * 1024


@attrs.frozen(kw_only=True)
class SpooledFile:
    """A file to upload to ``output``. ``what`` is ``result``, ``evidence`` or ``sheet``."""

    ref: Running
    what: str
    file: Path
    output: Output
    since: float


@attrs.frozen(kw_only=True)
class CopiedFile:
    """A file copied into the spool."""

    path: Path
    sha256: str
    size: int


@attrs.frozen
class StoredFile:
    """A file in the object store: the key, and the SHA-256 of each part of a multipart upload."""

    key: str
    part_sums: tuple[str, ...] = ()


class Spool:
    """The spool in ``folder``. The state folder's lock ensures that only one agent opens it.

    If a row cannot be written, ``on_fault`` is called, and the result stays in memory until it is
    acked. A result with files then becomes a failure, so that another node does the unit.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], float] = time.time,
        on_fault: Callable[[str], None] = lambda _: None,
    ) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._clock = clock
        self._on_fault = on_fault
        self._unkept: dict[Running, JobResult] = {}
        self._fault = ""  # error of the database's last write
        self._rows = sqlite3.connect(folder / "results.sqlite", isolation_level=None)
        self._rows.execute("pragma journal_mode = wal")
        self._rows.execute("pragma synchronous = full")
        self._rows.executescript(_SCHEMA)
        self._remove_strays()

    def close(self) -> None:
        self._rows.close()

    def put(
        self, result: JobResult, files: Mapping[str, tuple[CopiedFile, Output]] | None = None
    ) -> None:
        """Store a result.

        The result is ready once its ``files`` are uploaded, or at once without files.
        """
        key = _key(_ref(result))
        for what, (taken, output) in (files or {}).items():
            self._change(
                "insert or replace into files values (?, ?, ?, ?, ?, ?)",
                (*key, what, str(taken.path), _output_text(output)),
            )
        changed = self._change(
            "insert or replace into results (job_id, unit, attempt, state, result, since)"
            " values (?, ?, ?, ?, ?, ?)",
            (*key, "uploading" if files else "ready", encode(result), self._clock()),
        )
        if not changed:
            self._keep_in_memory(result, files or {})

    def _keep_in_memory(
        self, result: JobResult, files: Mapping[str, tuple[CopiedFile, Output]]
    ) -> None:
        """Keep a result in memory if its row cannot be written.

        A result with files becomes a failure, because nothing would resume its upload after a
        restart.
        """
        if files:
            for taken, _ in files.values():
                taken.path.unlink(missing_ok=True)
            result = _lost(result, self._fault)
        self._unkept[_ref(result)] = result

    def uploads(self) -> list[SpooledFile]:
        """Return the files to upload, oldest first; a unit's result comes before its evidence."""
        rows = self._rows.execute(
            "select job_id, unit, attempt, what, files.file, files.output, since"
            " from results join files using (job_id, unit, attempt)"
            " where state = 'uploading' order by since, what desc"
        )
        return [
            SpooledFile(
                ref=Running(job_id=job, unit=_or_none(unit), attempt=_or_none(attempt)),
                what=what,
                file=Path(file),
                output=Output(**orjson.loads(output)),
                since=since,
            )
            for job, unit, attempt, what, file, output, since in rows.fetchall()
        ]

    def ready(self) -> list[JobResult]:
        """Return the results to report, oldest first."""
        rows = self._rows.execute("select result from results where state = 'ready' order by since")
        results = [_result(text) for (text,) in rows.fetchall()]
        return [result for result in results if result is not None] + [*self._unkept.values()]

    def is_ready(self, ref: Running) -> JobResult | None:
        """Return the result of exactly this unit and attempt if the result is ready."""
        return next((result for result in self.ready() if _ref(result) == ref), None)

    def held(self) -> list[Running]:
        """Return all units that have a result in the spool."""
        rows = self._rows.execute("select job_id, unit, attempt from results order by since")
        return [
            Running(job_id=job, unit=_or_none(unit), attempt=_or_none(attempt))
            for job, unit, attempt in rows.fetchall()
        ] + [*self._unkept]

    def uploaded(self, ref: Running, what: str, sent: StoredFile) -> None:
        """Record that a file was uploaded, or that a SHEET was given up.

        After the last file, the result is ready.
        """
        row = self._rows.execute(
            "select result from results where (job_id, unit, attempt) = (?, ?, ?)", _key(ref)
        ).fetchone()
        result = _result(row[0]) if row else None
        if result is None:
            return  # the result was acked or cancelled in the meantime
        self._change(
            "update results set result = ? where (job_id, unit, attempt) = (?, ?, ?)",
            (encode(_with(result, what, sent)), *_key(ref)),
        )
        self._forget_files(ref, what)
        self._change(
            "update results set state = 'ready' where (job_id, unit, attempt) = (?, ?, ?)"
            " and not exists (select 1 from files where (job_id, unit, attempt) = (?, ?, ?))",
            (*_key(ref), *_key(ref)),
        )

    def give_up(self, result: JobResult) -> None:
        """Store the failure ``result`` instead of a result whose files cannot be uploaded."""
        self._forget_files(_ref(result))
        self._change(
            "update results set state = 'ready', result = ?"
            " where (job_id, unit, attempt) = (?, ?, ?)",
            (encode(result), *_key(_ref(result))),
        )

    def redirect(self, ref: Running, what: str, output: Output) -> bool:
        """Change the destination of a file's upload to ``output``.

        Return False if the file does not wait for an upload.
        """
        changed = self._change(
            "update files set output = ? where (job_id, unit, attempt) = (?, ?, ?) and what = ?",
            (_output_text(output), *_key(ref), what),
        )
        return changed > 0

    def settle(self, ref: Running) -> bool:
        """Remove the results of ``ref``, in which None stands for all units or all attempts.

        Return True if there was such a result.
        """
        matching = [held for held in self.held() if _covers(ref, held)]
        for held in matching:
            self._unkept.pop(held, None)
            self._forget_files(held)
            self._change(
                "delete from results where (job_id, unit, attempt) = (?, ?, ?)", _key(held)
            )
        return bool(matching)

    def prune(self, seconds: float) -> None:
        """Remove results that were stored more than ``seconds`` ago."""
        rows = self._rows.execute(
            "select job_id, unit, attempt from results where since < ?", (self._clock() - seconds,)
        ).fetchall()
        for job, unit, attempt in rows:
            self.settle(Running(job_id=job, unit=_or_none(unit), attempt=_or_none(attempt)))

    def _change(self, statement: str, values: tuple[object, ...]) -> int:
        """Run a statement.

        Return the number of changed rows; 0 if the database cannot be written.
        """
        try:
            return self._rows.execute(statement, values).rowcount
        except sqlite3.OperationalError as fault:
            self._fault = str(fault)
            self._on_fault(f"the spool cannot be written: {fault}")
            return 0

    def _remove_strays(self) -> None:
        """Remove files without a row, left by an agent that was killed before it wrote the row."""
        named = {name for (name,) in self._rows.execute("select file from files").fetchall()}
        for what in (RESULT, EVIDENCE, SHEET):
            for file in self._folder.glob(f"*.{what}"):
                if str(file) not in named:
                    file.unlink()

    def take(self, file: Path, ref: Running, what: str = RESULT) -> CopiedFile:
        """Copy a plugin's ``file`` into the spool and hash it; runs in a thread.

        The file comes from the sandbox, so links are not followed. Raises NotARegularFile.
        """
        unit, attempt = _key(ref)[1:]
        name = hashlib.sha256(f"{ref.job_id}\n{unit}\n{attempt}".encode()).hexdigest()[:32]
        target = self._folder / f"{name}.{what}"
        sum_, size = hashlib.sha256(), 0
        with open_plain(file) as source, target.open("wb") as copy:
            while chunk := source.read(_CHUNK):
                sum_.update(chunk)
                size += copy.write(chunk)
            copy.flush()
            os.fsync(copy.fileno())
        return CopiedFile(path=target, sha256=sum_.hexdigest(), size=size)

    def _forget_files(self, ref: Running, what: str | None = None) -> None:
        rows = self._rows.execute(
            "select what, file from files where (job_id, unit, attempt) = (?, ?, ?)", _key(ref)
        )
        for each, file in rows.fetchall():
            if what in (None, each):
                self._change(
                    "delete from files where (job_id, unit, attempt) = (?, ?, ?) and what = ?",
                    (*_key(ref), each),
                )
                Path(file).unlink(missing_ok=True)


def _with(result: JobResult, what: str, sent: StoredFile) -> JobResult:
    """Return the result with the key and the part hashes of the uploaded file."""
    if what == SHEET:
        return result
    if what == RESULT:
        return attrs.evolve(result, result_ref=sent.key, part_sums=sent.part_sums)
    assert result.evidence is not None, "the result was spooled with its evidence"
    evidence: Evidence = attrs.evolve(result.evidence, part_sums=sent.part_sums)
    return attrs.evolve(result, evidence=evidence)


def _lost(result: JobResult, fault: str) -> JobResult:
    """Return a failure that replaces a result that cannot be stored."""
    return JobResult(
        job_id=result.job_id,
        unit=result.unit,
        attempt=result.attempt,
        status="failed",
        failure="node",
        error=f"this machine cannot keep the result: {fault}",
    )


def _output_text(output: Output) -> bytes:
    return orjson.dumps(attrs.asdict(output))


def _result(text: str) -> JobResult | None:
    frame = decode(text)
    assert not isinstance(frame, (Malformed, Unknown)), "rows are written by encode()"
    return frame if isinstance(frame, JobResult) else None


def _ref(result: JobResult) -> Running:
    return Running(job_id=result.job_id, unit=result.unit, attempt=result.attempt)


def _key(ref: Running) -> tuple[str, int, int]:
    return (
        ref.job_id,
        _NONE if ref.unit is None else ref.unit,
        _NONE if ref.attempt is None else ref.attempt,
    )


def _or_none(number: int) -> int | None:
    return None if number == _NONE else number


def _covers(ref: Running, held: Running) -> bool:
    return (
        ref.job_id == held.job_id
        and (ref.unit is None or held.unit is None or ref.unit == held.unit)
        and (ref.attempt is None or held.attempt is None or ref.attempt == held.attempt)
    )
