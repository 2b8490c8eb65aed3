import pandas as pd
import pytest

from glc.applicability import weights
from glc.errors import DataError

FRAME = pd.DataFrame(
    {
        "input": "table",
        "column": ["", "warm", "wet", "high", "warm"],
        "mean": [0.9, 0.02, -0.01, None, 0.05],
    }
)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_importance_is_a_weight_of_at_least_0(tmp_path, suffix):
    path = tmp_path / f"importance{suffix}"
    FRAME.to_csv(path, index=False) if suffix == ".csv" else FRAME.to_parquet(path)
    assert weights.read(path) == {"warm": 0.05, "wet": 0.0}


def test_only_columns_that_are_predictors_have_a_weight():
    assert weights.of_table(FRAME, ["warm", "wet"]) == {"warm": 0.05, "wet": 0.0}
    assert weights.of_table(FRAME, ["wet", "high"]) is None  # nothing of them is important


def test_tables_that_say_nothing_are_refused(tmp_path):
    path = tmp_path / "importance.csv"
    FRAME.drop(columns="mean").to_csv(path)
    with pytest.raises(DataError, match=r"importance\.csv: no column 'mean'"):
        weights.read(path)
    FRAME.assign(mean=-1.0).to_csv(path)
    with pytest.raises(DataError, match="no predictor has an importance above 0"):
        weights.read(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read as a table of importance"):
        weights.read(path)
