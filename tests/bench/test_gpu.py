"""The bench of nets on a GPU, which runs without one on tiny counts."""

import pytest
import torch

from glc import config
from glc.bench import gpu, stage, training
from glc.errors import ConfigError


def test_rates_of_a_net_that_is_trained():
    rows = gpu.measure(geolocation(), 128, 3, gpu.SETTINGS[:2])
    assert len(rows) == 2
    for row in rows:
        assert row.parameters == 2 * 256 + 256 + 256 * 50 + 50
        assert row.per_second > 0
        assert 0 <= row.waiting <= 1
        assert row.headroom > 0


@pytest.mark.slow  # torch compiles
def test_the_table_has_every_net_and_setting(capsys):
    gpu.main(["--surveys", "192", "--steps", "3", "--nets", "tile_cnn"])
    text = capsys.readouterr().out
    assert text.splitlines()[0].startswith(training.chip())
    assert torch.cuda.is_available() or "say nothing of a GPU" in text
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| tile_cnn")]
    assert [row[1] for row in rows] == [setting.name for setting in gpu.SETTINGS]
    assert all(float(row[2].replace(",", "")) > 0 for row in rows)
    assert all(0 <= float(row[3].removesuffix("%")) <= 100 for row in rows)
    assert all(float(row[4].removesuffix(" x")) > 0 for row in rows)


def test_the_stage_counts_the_surveys_of_its_steps(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "nets", lambda: {"geolocation": geolocation()})
    ours = stage.get("gpu")
    ours.prepare(tmp_path, 0.25)
    facts = ours.ways[0].run(tmp_path, tmp_path)
    assert facts["rows"] % geolocation().batch[0 if torch.cuda.is_available() else 1] == 0
    assert facts["seconds"] > 0


def geolocation():
    return gpu.Net(config.Choice("geolocation", {}), config.Train(loss=config.Choice("asl")), {}, 50, (32, 32))


def test_a_net_that_it_does_not_know_is_refused():
    with pytest.raises(SystemExit):
        gpu.main(["--nets", "resnet"])
    with pytest.raises(ConfigError, match="gpu"):
        stage.get("gpus")
