"""What has become of the jobs of a sweep: a record of each, and a table of all at the end."""

import csv
import io
import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from rgflow.runtime.command_line import USER_MISTAKES, StoppedError, is_first_process, one_line
from rgflow.runtime.files import write_atomically, write_stdout
from rgflow.runtime.json_text import write_json
from rgflow.runtime.run_folder import remove_made

log = logging.getLogger(__name__)

RECORDS = ".jobs"
"""Folder of the records in that of the sweep, which the sweep claims by making it."""
RESULTS = "results.csv"
HEADLINES = (
    "bits_per_dim",
    "loss_nats",
    "divergence_nats",
    "free_energy_bound",
    "kl_nats",
    "ess",
    "forward_ess",
)
"""Numbers of ``metrics.json`` that say how good a flow is, as far as a training has them."""
FINISHED, FAILED, STARTED = "finished", "failed", "did not end"

running: ContextVar[Path | None] = ContextVar("running", default=None)
"""Folder of the sweep that this process has started."""


@dataclass
class Job:
    """One job of a sweep.

    Attributes:
        number: Its number, from 0.
        sweep: Folder of the sweep.
        folder: Where it writes.
        overrides: Its settings on the command line, by name.
        status: How it has ended.
        error: Why it failed, in one line.
    """

    number: int
    sweep: str
    folder: str
    overrides: dict[str, str] = field(default_factory=dict)
    status: str = STARTED
    error: str = ""

    @classmethod
    def of_hydra(cls) -> Self | None:
        """The job that Hydra is running; None if it is not one of a sweep."""
        from hydra.core.hydra_config import HydraConfig

        hydra = HydraConfig.get()
        if hydra.mode.name != "MULTIRUN":
            return None
        pairs = (text.lstrip("+").partition("=") for text in hydra.overrides.task)
        overrides = {name: value for name, _, value in pairs}
        folders = Path(hydra.sweep.dir).absolute(), hydra.runtime.output_dir
        return cls(hydra.job.num, *map(str, folders), overrides)

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Inside, an error ends this job and not the sweep; how the job ends is recorded."""
        self._write()
        try:
            yield
            self.status = FINISHED
        except Exception as error:
            self.status, self.error = FAILED, one_line(error)
            is_expected = isinstance(error, (StoppedError, *USER_MISTAKES))
            log.error("job %d failed: %s", self.number, self.error, exc_info=not is_expected)
        finally:
            self._write()

    def name(self, swept: set[str]) -> str:
        """Its number, and the settings that differ from job to job."""
        names = sorted(swept & self.overrides.keys())
        return " ".join([str(self.number), *(f"{name}={self.overrides[name]}" for name in names)])

    def metrics(self) -> dict[str, Any]:
        """Its numbers, as far as it has written some."""
        try:
            found = json.loads((Path(self.folder) / "metrics.json").read_text())
        except (OSError, ValueError):
            return {}
        return {k: v for k, v in found.items() if not isinstance(v, dict | list) and k != "status"}

    def _write(self) -> None:
        if is_first_process():
            write_json(Path(self.sweep) / RECORDS / f"{self.number}.json", asdict(self))


@contextmanager
def results_of_sweep(failures: list[str]) -> Iterator[None]:
    """Prints a table at the end, if a sweep was started inside, and writes it as CSV.

    Args:
        failures: Takes what is to be told of each job that failed.
    """
    token = running.set(None)
    try:
        yield
    finally:
        folder = running.get()
        running.reset(token)
        if folder is not None:
            failures += _conclude(folder)


def _conclude(folder: Path) -> list[str]:
    paths = (folder / RECORDS).glob("*.json")
    jobs = [Job(**json.loads(path.read_text())) for path in paths]
    jobs.sort(key=lambda job: job.number)
    names = {name for job in jobs for name in job.overrides}
    swept = {name for name in names if len({job.overrides.get(name) for job in jobs}) > 1}
    if any(Path(job.folder).is_dir() for job in jobs):
        _write_results(folder / RESULTS, jobs, swept)
    else:  # no job has begun
        shutil.rmtree(folder / RECORDS, ignore_errors=True)
        (folder / "multirun.yaml").unlink(missing_ok=True)
        remove_made(folder.absolute(), *folder.absolute().parents)
    return [
        f"job {job.name(swept)}: {job.error or job.status}"
        for job in jobs
        if job.status != FINISHED
    ]


def _write_results(path: Path, jobs: list[Job], swept: set[str]) -> None:
    """The table: briefly on stdout, with all numbers in the file."""
    rows = []
    for job in jobs:
        start = {"job": job.number, "status": job.status}
        settings = {name: job.overrides.get(name) for name in sorted(swept)}
        end = {"folder": job.folder, "error": job.error}
        rows.append(start | settings | job.metrics() | end)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, lambda file: file.write(text.getvalue().encode()))
    names = (*HEADLINES, "steps", "seconds")
    shown = [name for name in names if any(row.get(name) is not None for row in rows)]
    lines = [["job", "status", *shown]]
    for job, row in zip(jobs, rows, strict=True):
        lines.append([job.name(swept), job.status, *(_number(row.get(name)) for name in shown)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        write_stdout("  ".join(cells).rstrip())
    write_stdout(f"all numbers: {path}")


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)
