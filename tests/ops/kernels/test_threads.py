"""Distribution of the samples of a batch over threads."""

import pytest
import torch

from rgflow.ops.kernels import threads


@pytest.fixture(autouse=True)
def _three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=["openmp", "openmp_with_one_thread", "pool"])
def _kind(request, monkeypatch):
    if request.param == "pool":
        monkeypatch.setattr(threads, "_openmp", lambda: None)
    elif request.param == "openmp_with_one_thread":
        start = threads._openmp()
        if start is not None:
            monkeypatch.setattr(
                threads, "_openmp", lambda: lambda body, *_: start(body, None, 1, 0)
            )


@pytest.mark.usefixtures("_kind")
@pytest.mark.parametrize("samples", [1, 10, 11, 30, 95])
def test_every_sample_is_in_one_share(samples):
    shares = []
    threads.in_parallel(lambda *share: shares.append(share), samples, 10)
    shares.sort()
    assert [i for i, _, _ in shares] == list(range(min(3, -(-samples // 10))))
    covered = [n for _, start, stop in shares for n in range(start, stop)]
    assert covered == list(range(samples))
    assert all(start % 10 == 0 for _, start, _ in shares)


@pytest.mark.usefixtures("_kind")
def test_errors_come_back():
    def work(thread, start, stop):
        if thread == 2:
            raise ZeroDivisionError("here")

    with pytest.raises(ZeroDivisionError, match="here"):
        threads.in_parallel(work, 95, 10)


def test_the_threads_are_torchs_own():
    assert threads._openmp() is not None or "OpenMP" not in torch.__config__.parallel_info()


def test_work_that_was_not_begun_is_not_taken_for_done(monkeypatch):
    monkeypatch.setattr(threads, "_openmp", lambda: lambda body, *_: None)
    with pytest.raises(KeyboardInterrupt):
        threads.in_parallel(lambda *share: None, 95, 10)


@pytest.mark.usefixtures("_kind")
def test_sums_over_threads():
    def work(part, start, stop):
        part[:] += [1, stop - start]

    assert threads.summed_in_parallel(work, 95, 10, 2).tolist() == [3, 95]
