"""Precision by hardware, and memory that is kept between steps."""

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
    """300 MB in pieces stay resident after they are freed, and serve the next pieces."""
    program = """
import sys
import torch
from rgflow.training.allocator import keep_freed_memory
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 // 2**20
if not keep_freed_memory():
    sys.exit("no glibc")
values = [resident()]
for _ in range(2):
    pieces = [torch.ones(2**18) for _ in range(300)]
    values.append(resident())
    del pieces
    values.append(resident())
print(*values)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    if "no glibc" in result.stderr:
        pytest.skip("no glibc")
    start, used, kept, again, _ = map(int, result.stdout.split())
    assert used > start + 250
    assert kept > start + 250
    assert again < used + 50
