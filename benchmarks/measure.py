"""Tools of the benchmarks: interleaved timings, matrix products of a step alone, peak memory."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

Row = TypeVar("Row")

PRODUCTS = {
    torch.ops.aten.mm.default,
    torch.ops.aten.addmm.default,
    torch.ops.aten.bmm.default,
    torch.ops.aten.baddbmm.default,
    torch.ops.aten.convolution.default,
    torch.ops.aten.convolution_backward.default,
}


class _Recorder(TorchDispatchMode):
    """Records every matrix product and convolution, with random arguments of the same shape."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, list[Any]]] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function in PRODUCTS:
            random_args = [
                torch.randn_like(a) if isinstance(a, Tensor) else a  # keeps the strides
                for a in args
            ]
            self.calls.append((function, random_args))
        return function(*args, **(kwargs or {}))


def rows_named(rows: dict[str, Row], only: str) -> dict[str, Row]:
    """The rows whose names contain a text.

    Raises:
        ValueError: If there is none.
    """
    found = {name: row for name, row in rows.items() if only in name}
    if not found:
        raise ValueError(f"--only: got {only!r}, expected a part of one of: {'; '.join(rows)}")
    return found


def train_alone(settings: list[str], folder: Path) -> float:
    """A run of ``python -m rgflow.train`` that evaluates next to nothing; its processor time.

    Objectives in this folder are found as modules.

    Raises:
        ValueError: If it fails.
    """
    command = [sys.executable, "-m", "rgflow.train", f"hydra.run.dir={folder}", *settings]
    command += ["training.report_samples=2", "training.eval_samples=2048"]
    here = str(Path(__file__).parent)
    paths = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    before = os.times()
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": paths}
    )
    if done.returncode:
        raise ValueError(f"{' '.join(settings)}: {done.stderr.strip().splitlines()[-1]}")
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])  # of ended child processes


def products_alone(step: Callable[[], None]) -> Callable[[], None]:
    """A function that repeats the matrix products and convolutions of one step, nothing else."""
    with _Recorder() as recorder:
        step()

    def replay() -> None:
        with torch.no_grad():
            for function, args in recorder.calls:
                function(*args)

    return replay


def interleaved_medians(
    functions: dict[str, Callable[[], None]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median milliseconds of functions, run in turn so that all share a drift of the machine.

    The clock ``time.process_time`` counts the processor's time alone: what else runs on the
    machine then matters little.
    """
    times: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(rounds):
        for name, function in functions.items():
            start = clock()
            function()
            times[name].append(1e3 * (clock() - start))
    return {name: sorted(t)[len(t) // 2] for name, t in times.items()}


def square_product(n: int = 1024) -> Callable[[], None]:
    """A float32 product of two n x n matrices, the yardstick of the machine's speed."""
    a, b = torch.randn(2, n, n)
    return lambda: torch.mm(a, b)


def training_step(flow: torch.nn.Module, x: Tensor) -> Callable[[], None]:
    """A training step in float32: negative log-likelihood, gradient, clipping and AdamW."""
    optimizer = torch.optim.AdamW(flow.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        (-flow(x).mean() / x[0].numel()).backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 1.0)
        optimizer.step()

    return step


def _report_peak(connection: Any, work: Callable[..., None], args: tuple[Any, ...]) -> None:
    work(*args)
    # getrusage would include the peak of the parent process
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    connection.send(int(peak.split()[1]) / 2**10)


def peak_memory_mib(work: Callable[..., None], *args: Any) -> float:
    """Peak resident memory in MiB of a fresh process that runs ``work(*args)`` (Linux)."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_report_peak, args=(send, work, args))
    process.start()
    send.close()
    try:
        peak = receive.recv()
    finally:
        process.join()
    return peak


def machine() -> dict[str, Any]:
    """The version of torch, the number of threads and the speed of a matrix product."""
    rate = interleaved_medians({"product": square_product()}, 20)["product"]
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "product_1024_ms": round(rate, 2),
        "gflops": round(2 * 1.024**3 / rate * 1e3),
    }


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print rows, all with the same keys, as a Markdown table."""
    keys = list(rows[0])
    print("| " + " | ".join(keys) + " |")
    print("|" + "---|" * len(keys))
    for row in rows:
        print("| " + " | ".join(str(row[key]) for key in keys) + " |")
