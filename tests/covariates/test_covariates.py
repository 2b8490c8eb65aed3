"""Every registered covariate, and how files are found."""

from fnmatch import fnmatchcase

import pytest

from glc import registry, schema
from glc.covariates import Metadata, Patches, Raster
from glc.covariates._base import column_name, file_name, natural, places
from glc.errors import ConfigError, DataError


@pytest.mark.parametrize("name", registry.covariates.choices())
def test_every_covariate_says_what_it_looks_for(name, tmp_path):
    covariate = registry.covariates.get(name)
    assert isinstance(covariate, Raster | Patches | Metadata)
    assert covariate.name == name
    if covariate.kind == "metadata":
        assert set(covariate.columns) <= set(schema.TABLES["surveys"].names)
        with pytest.raises(ConfigError, match=f'has no tiles.*table = \\["{name}"\\]'):
            covariate.find([tmp_path])
        return
    with pytest.raises(DataError, match=f"no file of covariate '{name}'.*expected one of: .*; put the files there"):
        covariate.find([tmp_path])


@pytest.mark.parametrize(
    ("name", "folder", "files"),
    [
        ("bioclim", "rasters_eu", 1),
        ("koeppen", "rasters_eu", 1),
        ("elevation", "rasters_eu", 1),
        ("footprint", "glc23_sample", 2),
        ("globe", "rasters_global", 1),
        ("bioclim", "fixtures/malpolon_montpellier", 4),
    ],
)
def test_rasters_are_found_in_real_folders(shared_data, name, folder, files):
    assert len(registry.covariates.get(name).find([shared_data / folder])) == files


def test_the_first_folder_that_has_it_wins_and_files_are_in_natural_order(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()
    for number in (10, 2, 1):
        (second / f"bio_{number}.tif").touch()
    found = registry.covariates.get("bioclim").find([first, second])
    assert [path.name for path in found] == ["bio_1.tif", "bio_2.tif", "bio_10.tif"]


@pytest.mark.parametrize(
    ("folder", "name", "count"),
    [
        ("EnvironmentalRasters/Climate/Yearly", "climate_{year}.tif", 3),
        ("EnvironmentalRasters/Climate/Climatic_Monthly_1979-2019", "CHELSA_pr_{month:02d}_{year}_V.2.1.tif", 36),
        (".", "CHELSA_pr_{month:02d}_{year}_V.2.1.tif", 36),
    ],
)
def test_the_climate_of_years_is_found_if_all_three_are_there(tmp_path, folder, name, count):
    covariate, other = registry.covariates.get("climate_years"), registry.covariates.get("bioclim")
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    for year in (2001, 2002, 2010):
        for month in range(1, 13):
            (tmp_path / folder / name.format(year=year, month=month)).touch()
    assert not covariate.there(tmp_path)
    with pytest.raises(DataError, match="no file of covariate 'climate_years'"):
        covariate.find([tmp_path])
    for month in range(1, 13):
        (tmp_path / folder / name.format(year=2019, month=month)).touch()
    assert covariate.there(tmp_path)
    found = covariate.find([tmp_path])
    assert len(found) == count
    assert not any("2002" in path.name for path in found)
    assert not other.there(tmp_path)


def test_tile_paths_follow_the_last_four_digits():
    assert file_name("rgb/{cd}/{ab}/{id}.jpeg", 3018575) == "rgb/75/85/3018575.jpeg"
    assert file_name("{cd}/{ab}/{id}", 7) == "07/00/7"


def test_a_folder_comes_before_its_archive_and_an_archive_stands_in_for_it(tmp_path):
    (tmp_path / "a.tar").touch()
    assert places(tmp_path, "a/b/{cd}/{id}.jpeg") == [(tmp_path / "a.tar", "b/{cd}/{id}.jpeg")]
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert places(tmp_path, "a/b/{cd}/{id}.jpeg") == [(tmp_path / "a" / "b", "{cd}/{id}.jpeg")]
    assert places(tmp_path, "c/{id}.jpeg") == []


def test_column_names_are_words():
    assert column_name("organic carbon g/kg") == "organic_carbon_g_kg"
    assert column_name("clay %") == "clay"
    assert sorted(["b10", "b9"], key=natural) == ["b9", "b10"]


def test_unknown_ways_with_classes_are_refused():
    with pytest.raises(ConfigError, match="classes_as: found 'mean', expected one of: onehot"):
        Raster("x", patterns=("x.tif",), classes_as="mean")


def test_modis_confidences_are_measurements_and_the_other_layers_classes():
    modis = registry.covariates.get("landcover_modis")
    continuous = [name for number, name in enumerate(modis.bands, start=1) if number not in modis.classes]
    assert continuous == ["prop1_confidence", "prop2_confidence", "prop3_confidence"]
    assert [modis.bands[i - 1] for i in (9, 10, 11)] == ["prop1", "prop2", "prop3"]
    # sizes of the user guide's legends, tables 3 to 11, without "unclassified"
    assert [len(modis.classes[i]) for i in (1, 2, 3, 4, 5, 9, 10, 11, 12)] == [17, 16, 11, 9, 12, 16, 11, 10, 11]


def test_the_last_word_of_a_name_tells_the_area_and_what_counts_as_nodata():
    bioclim, soil = (registry.covariates.get(name) for name in ("bioclim", "soil"))
    assert bioclim.area_of("rasters/bio_10/bio_10_FR.tif") == ("bio_10", "FR")
    assert bioclim.area_of("bio_10_USA.tif") == ("bio_10", "USA")
    assert bioclim.area_of("bio_10_crop.tif") == ("bio_10_crop", "")
    assert Raster("x", patterns=("x.tif",)).area_of("bio_1_FR.tif") == ("bio_1_FR", "")
    assert bioclim.nodata_of("bio_10_USA.tif") == soil.nodata_of("bdticm_FR.tif") == -2147483647
    assert soil.nodata_of("clyppt_FR.tif") == -32768
    assert bioclim.nodata_of("bio_10.tif") is soil.nodata_of("phh2o.tif") is None
    assert Raster("x", patterns=("x.tif",), nodata=7).nodata_of("x.tif") == 7


def test_globs_of_one_pattern_are_taken_together(tmp_path):
    for name in ("bdticm", "bldfie", "bio_1"):
        (tmp_path / "rasters" / name).mkdir(parents=True)
        for area in ("FR", "USA"):
            (tmp_path / "rasters" / name / f"{name}_{area}.tif").touch()
    soil = registry.covariates.get("soil")
    assert [path.stem for path in soil.find([tmp_path])] == ["bdticm_FR", "bdticm_USA", "bldfie_FR", "bldfie_USA"]
    assert [path.stem for path in registry.covariates.get("bioclim").find([tmp_path])] == ["bio_1_FR", "bio_1_USA"]
    assert soil.there(tmp_path)
    assert not soil.there(tmp_path / "rasters")


@pytest.mark.parametrize(
    ("column", "possible", "impossible"),
    [
        ("bdticm", 112_467, -1),  # the deepest of GeoLifeCLEF's own
        ("bldfie", 1_828, 3_000),
        ("phihox", 98, 141),
        ("clyppt", 100, 101),
        ("phh2o", 98, 141),
    ],
)
def test_limits_of_the_soil_take_what_is_possible(column, possible, impossible):
    soil = registry.covariates.get("soil")
    lowest, highest = next(pair for glob, pair in soil.limits.items() if fnmatchcase(column, glob))
    assert lowest <= possible <= highest
    assert not lowest <= impossible <= highest
