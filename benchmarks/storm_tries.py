"""One try of each storm: what is done to a run, and whether it ended as it should."""

from __future__ import annotations

import math
import os
import signal
import time
from typing import TYPE_CHECKING

import torch
from storm_faults import EDITS, flip, largest_file, truncate
from storm_runs import ENERGY, Run, ends_as, last, load, run_command

from rgflow.energies import as_energy
from rgflow.objectives import Batch
from rgflow.runtime.config import build
from rgflow.runtime.seeds import generator_for
from rgflow.training.optimizer import adamw

if TYPE_CHECKING:
    from storm import Storm


def kills_at_random(storm: Storm) -> bool:
    """`kill -9` at a random moment, then resumed"""
    run = storm.caught()
    run.kill()
    run.wait()
    storm.notes["before the first checkpoint"] += not last(run.folder).exists()
    return storm.goes_on(run)


def kills_while_writing(storm: Storm) -> bool:
    """`kill -9` while a checkpoint is being written, then resumed"""
    run = storm.start()
    for _ in range(storm.random.randint(1, 20)):
        run.until(lambda: not run.is_writing)
        run.until(lambda: run.is_writing)
    moment = time.perf_counter() + storm.random.uniform(0, 2e-3)
    run.until(lambda: time.perf_counter() > moment)
    run.kill()
    run.wait()
    storm.notes["with half a file left"] += run.is_writing
    return storm.goes_on(run)


def signals(storm: Storm, signum: int | None = None, times: int = 1) -> bool:
    """SIGTERM or SIGINT at a random moment, then resumed"""
    signum = signum or storm.random.choice((signal.SIGTERM, signal.SIGINT))
    run = storm.caught(least=0.3)
    for _ in range(times):
        run.kill(signum)
    ending = run.wait()
    return storm.goes_on(run) and ending.status in (0, 128 + signum) and len(ending.err) <= 1


def double_signals(storm: Storm) -> bool:
    """SIGINT twice, then resumed"""
    return signals(storm, signal.SIGINT, 2)


def damaged_files(storm: Storm) -> bool:
    """A bit of a checkpoint changed, or its end cut off: refused, or resumed exactly"""
    change = storm.random.choice((flip, flip, truncate))
    path = storm.folder / "damaged.ckpt"
    path.write_bytes(change(storm.middle.read_bytes(), storm.random))
    run = storm.start(f"ckpt_path={path}")
    ending = run.wait()
    storm.notes["refused"] += ending.is_one_line
    return ending.is_one_line or (ending.status == 0 and ends_as(storm.reference, run.folder))


def damaged_states(storm: Storm) -> bool:
    """A state that cannot be (shapes, NaN, text, counters): refused"""
    content = load(storm.middle)
    storm.random.choice(EDITS)(content)
    path = storm.folder / "damaged.ckpt"
    torch.save(content, path)
    return storm.start(f"ckpt_path={path}").wait().is_one_line


def full_disks(storm: Storm) -> bool:
    """No file may grow beyond a random size: one line, then resumed"""
    size = storm.random.randint(2_000, 200_000)
    run = storm.start(before=lambda: largest_file(size))
    ending = run.wait()
    return storm.goes_on(run) and (ending.is_one_line or ending.status == 0)


def image_caches(storm: Storm) -> bool:
    """Files of drawn images damaged: drawn again"""
    storm.damage(storm.folder / "data", "*")
    run = storm.start()
    return run.wait().status == 0 and storm.goes_on(run)


def image_caches_in_use(storm: Storm) -> bool:
    """Files of drawn images cut off under a running training: no effect"""
    run = storm.start()
    run.until(last(run.folder).exists)
    for path in (storm.folder / "data").rglob("*"):
        if path.is_file():
            os.truncate(path, 100)
    return run.wait().status == 0 and storm.goes_on(run)


def machine_code(storm: Storm) -> bool:
    """Files of machine code damaged: compiled again"""
    storm.damage(storm.folder / "code", "*.nb?")
    run = storm.start()
    ending = run.wait()
    storm.notes["with a warning"] += "is damaged" in ending.said
    return ending.status == 0 and storm.goes_on(run)


def wild_rates(storm: Storm) -> bool:
    """Learning rates of 1e6 to 1e30: a true line, and finite weights where there are any"""
    rate = 10 ** storm.random.uniform(6, 30)
    run = storm.start(f"training.lr={rate}", "training.gradient_clip=null")
    ending, content = run.wait(), load(last(run.folder))
    is_finite = content is None or all(w.isfinite().all() for w in content["state_dict"].values())
    says_truth = content is None or f"weights of step {content['global_step']}" in ending.said
    return is_finite and (ending.status == 0 or (ending.is_one_line and says_truth))


def energies(storm: Storm) -> bool:
    """Energies that are NaN or infinite now and then, or a wall: finite weights, a true reason"""
    name = storm.random.choice(("Holes", "Peaks", "Wall"))
    folder = storm.folder / "energy"
    ending = Run(folder, *ENERGY, f"energy._target_=storm_faults.{name}").wait()
    content = load(last(folder))
    is_finite = all(w.isfinite().all() for w in content["state_dict"].values())
    if name == "Wall":
        return is_finite and ending.is_one_line and "the energy or its force is not" in ending.said
    return is_finite and ending.status == 0 and content["nonfinite"][0] > 0


TWO = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")


def lost_processes(storm: Storm) -> bool:
    """One of two processes killed: the other ends in one line"""
    settings = [*ENERGY, *TWO, "energy._target_=storm_faults.Mortal"]
    return run_command(storm.folder / "mortal", *settings).is_one_line


def gradients_of_two(storm: Storm) -> bool:
    """The gradient of two processes is the mean of both, computed in one, to 1e-5"""
    folder, seed = storm.folder / "two", storm.random.randrange(1000)
    settings = [*ENERGY, "energy._target_=storm_faults.Wells", "training.gradient_clip=null"]
    settings += [*TWO, "trainer.precision=32-true", "max_steps=1", f"seed={seed}"]
    run_command(folder, *settings)
    content = load(last(folder))
    config = content["config"]
    torch.manual_seed(seed)
    parts = {"flow": build(config["flow"], "flow")}
    parts["energy"] = as_energy(build(config["energy"], "energy"))
    module = build(config["training"], "training", **parts)
    for rank in (0, 1):
        batch = Batch(module.batch_size, generator_for("step", seed, rank, 0, 0), None)
        nats = module.objective.loss(module.flow, module.energy, batch).nats
        (nats / 2 / math.prod(module.flow.event_shape)).backward()
    groups = adamw(module, module.settings).param_groups
    parameters = [parameter for group in groups for parameter in group["params"]]
    moments = [m["exp_avg"] for m in content["optimizer_states"][0]["state"].values()]
    pairs = zip(moments, parameters, strict=True)
    beta = module.settings.betas[0]
    two, one = (
        torch.cat([t.flatten() for t in side])
        for side in zip(*((m / (1 - beta), p.grad) for m, p in pairs), strict=True)
    )
    difference = float((two - one).norm() / one.norm())
    storm.notes[f"with a relative difference of {difference:.0e}"] += 1
    return difference < 1e-5
