"""A plugin: each test starts from the same random numbers, whichever ran before and where."""

import random

import numpy as np
import pytest
import torch

torch.set_num_threads(1)  # tests run in parallel, each in small tensors


@pytest.fixture(autouse=True)
def _same_random_numbers():
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - whoever uses the old generator gets the same numbers too
    torch.manual_seed(0)
