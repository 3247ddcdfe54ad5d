"""A plugin: each test starts from the same random numbers, whichever ran before and where."""

import os
import random

# tests run in parallel, each on small arrays; read when NumPy and PyTorch are imported
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True)
def _same_random_numbers():
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - whoever uses the old generator gets the same numbers too
    torch.manual_seed(0)
