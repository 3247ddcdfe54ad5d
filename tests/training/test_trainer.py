"""Precision by hardware, and memory that is kept between steps."""

import os
import subprocess
import sys

import pytest
import torch

from rgflow.training.trainer import fast_precision


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [({"avx512_bf16": True}, "bf16-mixed"), ({"avx512_bf16": False}, "32-true"), ({}, "32-true")],
)
def test_bfloat16_only_where_the_processor_multiplies_it(monkeypatch, capabilities, precision):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert fast_precision("cpu") == precision


def test_older_versions_of_torch_take_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert fast_precision("cpu") == "32-true"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_freed_memory_is_kept():
    """Resident memory after freeing 300 MB in pieces: given back by default, kept on advice."""
    program = """
import sys
from rgflow.training.allocator import keep_freed_memory
import torch
if sys.argv[1] == "keep" and not keep_freed_memory():
    print(-1)
    sys.exit()
pieces = [torch.ones(2**18) for _ in range(300)]
del pieces
print(int(open("/proc/self/statm").read().split()[1]) * 4096 // 2**20)
"""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC", "GLIBC"))}
    resident = {
        mode: int(subprocess.check_output([sys.executable, "-c", program, mode], env=environment))
        for mode in ("plain", "keep")
    }
    if resident["keep"] == -1:
        pytest.skip("no glibc")
    assert resident["keep"] > resident["plain"] + 200
