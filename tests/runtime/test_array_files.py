import weakref

import numpy as np
import pytest

from rgflow.runtime.array_files import write_npz


def test_arrays_are_written_as_they_come(tmp_path):
    alive = []

    def parts():
        for i, rows in enumerate((3, 3, 2)):
            fields = np.full((rows, 2, 4), i, np.float32)
            alive.append(weakref.ref(fields))
            assert sum(ref() is not None for ref in alive) <= 2
            yield {"log_prob": np.arange(rows) + 10.0 * i, "fields": fields}

    write_npz(tmp_path / "x.npz", 8, parts())
    content = np.load(tmp_path / "x.npz")
    assert sorted(content) == ["fields", "log_prob"]
    assert content["fields"].dtype == np.float32
    assert content["fields"][:, 1, 2].tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert content["log_prob"].tolist() == [0, 1, 2, 10, 11, 12, 20, 21]


@pytest.mark.parametrize("parts", [[], [{"x": np.zeros((2, 3))}]])
def test_a_wrong_number_of_rows_leaves_no_file(parts, tmp_path):
    with pytest.raises(ValueError, match="got"):
        write_npz(tmp_path / "x.npz", 3, parts)
    assert list(tmp_path.iterdir()) == []
