"""DGCA's z-score against a plain loop, and its power beside that of the project's tests."""

import numpy as np
from scipy import stats
from test_calibrate import DESIGN, data_of

from validation.dgca import compared, dgca_p, measure


def test_z_score_is_that_of_a_plain_loop():
    """A gene that one study lacks has the others' scores; with k_min 4, none."""
    data = data_of(genes=6)
    data.matrices[2].values[1] = np.nan
    pairs = np.arange(len(data.a))
    r, n = data.draw(data.matrices).correlate(data, pairs)
    side = DESIGN.sides[0]
    expected = []
    for a, b in zip(data.a, data.b, strict=True):
        scores = []
        for matrix in data.matrices:
            shock, sepsis = (
                stats.spearmanr(*matrix.values[[a, b]][:, matrix.labels == label]).statistic
                for label in ("SEPTIC_SHOCK", "SEPSIS")
            )
            score = (np.arctanh(shock) - np.arctanh(sepsis)) / np.sqrt(1.06 / 9 + 1.06 / 8)
            scores += [] if np.isnan(score) else [score]
        expected.append(2 * stats.norm.sf(abs(sum(scores)) / np.sqrt(len(scores))))
    np.testing.assert_allclose(dgca_p(side, r, n, 3), expected, rtol=1e-9)
    has_p = ~np.isnan(dgca_p(side, r, n, 4))
    np.testing.assert_array_equal(has_p, (data.a != 1) & (data.b != 1))


def test_power_beside_the_other_tests():
    """Eight studies that agree: DGCA finds what z finds, Hartung-Knapp little of it."""
    data = data_of(genes=40, studies=8)
    measured = measure(data, "ss", draws=25, seed=3)
    tests = compared(data, "ss")
    assert tests == ("ss_z", "ss_hk", "combined_dependent", "dgca")
    share = {name: dict(zip(tests, values, strict=True)) for name, values in measured.items()}
    assert all(0.03 < share["LABELS"][test] < 0.06 for test in tests)
    power = share["0.9"]
    assert power["ss_z"] > 0.8
    assert power["dgca"] >= power["ss_z"]
    assert power["combined_dependent"] >= power["ss_z"]
    assert power["ss_hk"] < 0.3
