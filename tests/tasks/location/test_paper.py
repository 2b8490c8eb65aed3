"""The page of the location encoder: downstream tasks, maps and localisation of a small pre-training."""

import luigi
import pytest

from glc.location.downstream import sources
from tasks import location_2024
from tests.location import places
from tests.tasks.location.small import small

HEAD = {"width": 8, "epochs": 1, "least_steps": 3, "batch": 256}
WHOLE = [-180.0, -90.0, 180.0, 90.0]


@pytest.mark.slow
def test_one_page_shows_all_tables_and_says_what_an_encoder_is_missing_for(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "DEGREES", (2,))
    monkeypatch.setattr("glc.report.location.fibonacci.__defaults__", (300,))
    places.write_location(tmp_path / "location")
    places.write_raster(tmp_path / "globe.tif")
    experiment = small(regression=0.0, bounds=WHOLE).changed(head=HEAD, localisation={"gallery": 200, "queries": 40})
    luigi.task_register.Register.clear_instance_cache()
    task = location_2024.Paper(
        root=str(tmp_path / "out"), places=str(tmp_path / "location"), imagery=str(tmp_path / "globe.tif"),
        experiment=experiment, threads=1, seeds=1,
    )  # fmt: skip
    assert luigi.build([task], local_scheduler=True, log_level="WARNING")
    html = (tmp_path / "out/papers/globe/location-2024.html").read_text()
    assert "3 of 4 tables and figures were run on globe" in html
    assert "location, fold_block10" in html
    assert "Errors of tiles that are placed" in html
    assert html.count('role="img" aria-label="Maps of errors and of embeddings: ') >= 3
    assert 'role="img" aria-label="Geo-localisation (experiment D). ' in html
    assert "Not run. It needs an encoder that lasts" in html
    assert luigi.build([task], local_scheduler=True, log_level="WARNING")
    assert task.complete()
