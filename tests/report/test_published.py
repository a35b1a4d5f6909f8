"""Published numbers are those of the files they were taken from."""

import numpy as np
import pandas as pd

from glassviz.report.published import MARKERS, PEARSON, TEMPERATURE


def test_pearson_correlations_of_bond_breaking(shared):
    """As printed, rounded to three digits."""
    path = shared / "reference" / "published" / f"ka2d_T{TEMPERATURE:.2f}_bond_breaking_pearson.csv"
    expected = pd.read_csv(path)[list(PEARSON)]
    np.testing.assert_array_equal(PEARSON["time"], expected["time"])
    np.testing.assert_allclose(PEARSON, expected, rtol=0, atol=6e-4)
    assert set(PEARSON) == {"time", "ceiling", *MARKERS}
