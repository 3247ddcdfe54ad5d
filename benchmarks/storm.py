"""Storms: trainings that are killed, damaged and starved, each then resumed or refused.

A try holds if every run of it ended as it should: a resumed one with the state of one that was
never stopped, to the last bit; a damaged file refused in one line, or without any effect.

python benchmarks/storm.py [--quick] [--only NAME ...] [--tries 10] [--seed 0] [--json FILE]
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: no threads before a fork

import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import storm_tries
import torch
from measure import print_table
from storm_faults import flip, truncate
from storm_runs import IMAGES, Run, last, load, resumed

from rgflow.runtime.command_line import Parser, one_line_errors
from rgflow.runtime.json_text import write_json


class Storm:
    """What all storms share: a folder, random numbers, and a run that was never stopped.

    Args:
        folder: Where the runs go.
        elsewhere: A folder for temporary files, on another file system.
        seed: Seed of the moments and damages.
    """

    def __init__(self, folder: Path, elsewhere: Path, seed: int) -> None:
        self.folder, self.elsewhere = folder, elsewhere
        self.random = random.Random(seed)
        self.images = [*IMAGES, f"data.root={folder}/data"]
        os.environ["NUMBA_CACHE_DIR"] = str(folder / "code")
        self.notes: Counter[str] = Counter()
        self._runs = 0
        for name in ("first", "reference"):  # the first draws the images and compiles
            begin = time.perf_counter()
            ending = self.start(folder=folder / name).wait()
            self.seconds = time.perf_counter() - begin
            if ending.status:
                raise OSError(f"the reference run failed: {ending.err}")
        self.reference = load(last(folder / "reference"))
        middle = self.start(folder=folder / "middle")
        middle.until(last(folder / "middle").exists)
        middle.kill()
        middle.wait()
        self.middle = last(folder / "middle")

    def start(self, *more: str, folder: Path | None = None, **how: Any) -> Run:
        """A training on images, by default in a new folder."""
        self._runs += 1
        folder = folder or self.folder / f"{self._runs}/run"
        how["environment"] = {"TMPDIR": str(self.elsewhere)}
        return Run(folder, *self.images, *more, **how)

    def goes_on(self, run: Run) -> bool:
        """Whether a stopped run can be resumed and no bit is lost; tidies up."""
        how = {"environment": {"TMPDIR": str(self.elsewhere)}}
        is_right = resumed(self.reference, run.folder, *self.images, **how)
        is_right &= not any(self.elsewhere.iterdir())
        shutil.rmtree(run.folder.parent)
        return is_right

    def caught(self, least: float = 0.05) -> Run:
        """A run at a random moment: none of those that were faster than that is taken."""
        while True:
            run, begin = self.start(), time.perf_counter()
            moment = begin + self.random.uniform(least, 1) * self.seconds
            run.until(lambda moment=moment: time.perf_counter() > moment)
            if not run.is_over:
                return run
            self.seconds = time.perf_counter() - begin
            run.wait()
            shutil.rmtree(run.folder.parent)

    def damage(self, folder: Path, pattern: str) -> None:
        """Change a bit of each file of a folder, or cut off its end, or leave it as it is."""
        for path in sorted(p for p in folder.rglob(pattern) if p.is_file()):
            change = self.random.choice((flip, truncate, lambda content, _: content))
            path.write_bytes(change(path.read_bytes(), self.random))


STORMS: dict[Callable[[Storm], bool], tuple[int, int]] = {
    storm_tries.kills_at_random: (100, 5),
    storm_tries.kills_while_writing: (50, 10),
    storm_tries.signals: (20, 4),
    storm_tries.double_signals: (13, 3),
    storm_tries.damaged_files: (120, 15),
    storm_tries.damaged_states: (80, 18),
    storm_tries.full_disks: (20, 5),
    storm_tries.image_caches: (20, 4),
    storm_tries.image_caches_in_use: (10, 2),
    storm_tries.machine_code: (10, 2),
    storm_tries.wild_rates: (10, 3),
    storm_tries.energies: (20, 5),
    storm_tries.lost_processes: (3, 1),
    storm_tries.gradients_of_two: (3, 1),
}
"""How often each is tried: by default, and with ``--quick``."""


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few tries of each, for minutes")
    names = [function.__name__ for function in STORMS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="these storms")
    parser.add_argument("--tries", type=int, help="as many tries of each")
    parser.add_argument("--seed", type=int, default=0, help="of moments and damages")
    parser.add_argument("--elsewhere", default="/dev/shm", help="on another file system")
    parser.add_argument("--json", help="write the table also to this file")
    args = parser.parse_args()
    rows = []
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory(dir=args.elsewhere) as elsewhere,
    ):
        storm = Storm(Path(folder), Path(elsewhere), args.seed)
        for function, counts in STORMS.items():
            if function.__name__ not in args.only:
                continue
            tries = args.tries or counts[args.quick]
            begin, held = time.perf_counter(), 0
            storm.notes.clear()
            for number in range(tries):
                is_right = function(storm)
                held += is_right
                if not is_right:
                    print(f"{function.__name__}: try {number} did not hold", file=sys.stderr)
            seconds = round(time.perf_counter() - begin)
            notes = ", ".join(f"{count} {note}" for note, count in storm.notes.items() if count)
            row = {"storm": function.__doc__, "tries": tries, "held": held}
            rows.append(row | {"of them": notes, "seconds": seconds})
            print(f"{function.__name__}: {held} of {tries} in {seconds} s", file=sys.stderr)
    print_table(rows)
    if args.json:
        write_json(args.json, {"seed": args.seed, "torch": torch.__version__, "rows": rows})


if __name__ == "__main__":
    with one_line_errors():
        main()
