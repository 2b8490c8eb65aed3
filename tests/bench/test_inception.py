import pytest

from glc.bench import inception


@pytest.mark.slow
def test_operations_grow_with_the_pixels_and_a_stride_costs_what_half_the_side_does():
    # torchvision tells 5.71 GFLOP (a multiplication and an addition as one) of its own stem at 299
    assert inception.gflop(598, 2, 3) == pytest.approx(4 * 2 * 5.71, rel=0.12)
    assert inception.gflop(256) / inception.gflop(128) == pytest.approx(4, rel=0.2)
    assert inception.gflop(72, 2) == inception.gflop(36, 1)
    more = inception.gflop(256, 1, 39) - inception.gflop(256, 1, 6)
    assert more == pytest.approx(2 * 9 * 33 * 32 * 256**2 / 1e9)


@pytest.mark.slow
def test_sizes_are_trained_and_compared(capsys):
    inception.main(["--sides", "36", "72:2", "--seconds", "0.1", "--batch", "2", "--unstack"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("39 channels, ")
    rows = [[float(value) for value in line.strip("| ").split(" | ")] for line in lines[4:]]
    assert [row[:2] for row in rows] == [[36, 1], [72, 2]]
    for row in rows:
        trained, predicted, minutes = row[3:]
        assert predicted > trained > 0
        assert minutes == pytest.approx(6_000 / trained / 60, rel=0.05)
