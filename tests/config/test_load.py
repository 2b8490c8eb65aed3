import pytest

from glc import config
from glc.errors import ConfigError

KEYS = ("validation", "po", "train", "model", "decode")


@pytest.mark.parametrize("name", config.experiment_names())
def test_every_experiment_loads_and_survives_a_round_trip(name):
    experiment = config.load_any(name)
    assert experiment.name == name
    assert experiment.description
    keys = ("location", "localisation", "head") if config.is_of_encoder(name) else KEYS
    for section in (getattr(experiment, key) for key in keys):
        assert config.build(type(section), config.to_dict(section), "again") == section


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('model = "votes"\nvalidaton = {}', "unknown key 'validaton'.*did you mean 'validation'"),
        ('model = "vote"', "unknown model 'vote'.*did you mean 'votes'"),
        ('model = "votes"\nvalidation = { run = 11 }', "validation.run: found 11, expected 1 to validation.count"),
        ('model = "votes"\nvalidation = { run = "3" }', "validation.run: found '3', expected an integer"),
        ('model = "votes"\nvalidation = { scheme = "quadrat" }', "validation.scheme: found 'quadrat', expected"),
        (
            'model = "votes"\nvalidation = { held_out = 1.0 }',
            "validation.held_out: found 1.0, expected above 0 and below 1",
        ),
        ('model = { name = "votes", priors = 3 }', "unknown key 'priors'"),
        ('model = { name = "votes", prior = -1.0 }', "model 'votes': prior: found -1.0, expected above 0"),
        ('model = "votes"\ndecode = { name = "top_k", k = 0 }', "k: found 0, expected at least 1"),
        ('model = "geolocation"\ntrain = { loss = { name = "asl", gama = 1 } }', "unknown key 'gama'"),
        (
            'model = "tile_cnn"\n[[inputs]]\nblock = 8',
            "inputs.0.tiles: found '', expected one of tiles, cube, table, graph and location",
        ),
        ('model = "tighnari"\n[[inputs]]\nlocation = "raw"\ntable = ["soil"]', "expected one of tiles, cube, table"),
        ('model = "geolocation"\n[[inputs]]\nlocation = "encodr"', "location 'encodr'.*harmonics.*mean 'encoder'"),
        ('model = "geolocation"\n[[inputs]]\nlocation = { name = "xyz", degree = 3 }', "unknown key 'degree'"),
        ('model = "geolocation"\n[[inputs]]\nlocation = { name = "encoder", file = "a" }', "'encoder': unknown key"),
        ('model = "geolocation"\n[[inputs]]\nlocation = { name = "harmonics", degree = -1 }', "degree"),
        (
            'model = "geolocation"\n[[inputs]]\nlocation = "raw"\nbands = ["b"]',
            r"bands: found \('b',\), expected none: a location",
        ),
        ('model = "geolocation"\n[[inputs]]\nlocation = "raw"\nblock = 4', "block: found 4, expected its default, 8"),
        ('model = "geolocation"\n[[inputs]]\nlocation = "raw"\nsize = 64', "size: found 64, expected its default, 128"),
        (
            'model = "geolocation"\n[[inputs]]\nlocation = "raw"\noptional = true',
            "optional: found True, expected false: only tiles",
        ),
        ('model = "tile_cnn"\n[[inputs]]\ntiles = "sentinel3"', "unknown covariate 'sentinel3'.*did you mean"),
        (
            'model = "tile_cnn"\n[[inputs]]\ncube = "serie"',
            "cube: found 'serie', expected one of '', 'series', 'landsat', 'bioclim'; did you mean 'series'",
        ),
        (
            'model = "tile_cnn"\n[[inputs]]\ncube = "bioclim"\ncoeffs = true',
            "coeffs: found True, expected false: only series",
        ),
        (
            'model = "tile_cnn"\n[[inputs]]\ntiles = "bioclim"\nby_year = true',
            "by_year: found True, expected false: only cubes without coeffs",
        ),
        (
            'model = "tile_cnn"\n[[inputs]]\ncube = "bioclim"\nclasses_as = "codes"',
            "classes_as: found 'codes', expected 'declared': only tiles",
        ),
        (
            'model = "tile_cnn"\n[[inputs]]\ntiles = "bioclim"\nclasses_as = "codes"',
            "tiles 'bioclim': classes_as: found 'codes', expected 'declared': it has no classes",
        ),
        (
            'model = "votes"\n[[inputs]]\ntiles = "bioclim"',
            "model 'votes' is not a neural network and reads no imagery",
        ),
        (
            'model = "votes"\n[[inputs]]\ntable = ["bioclim"]',
            "model 'votes' is not a neural network and reads no imagery",
        ),
        ('model = "random_forest"', "inputs: found none, expected for model 'random_forest' one .*table = "),
        ('model = "random_forest"\n[[inputs]]\ntiles = "bioclim"', "inputs: found bioclim, expected for model"),
        ('model = "random_forest"\npretrain = "tile2vec"\n[[inputs]]\ntable = ["soil"]', "pretrain: found 'tile2vec'"),
        (
            'model = "tile_cnn"\npo = { use = "pseudo" }\n[[inputs]]\ntiles = "bioclim"',
            "pseudo-surveys have no inputs",
        ),
        ('model = "tighnari"\npretrain = "tile2vec"\n[[inputs]]\ngraph = "gfv"', "pretrain: found a graph among"),
        ('model = "tighnari"\n[[inputs]]\ngraph = { name = "gfv", radius = 3 }', "unknown key 'radius'"),
        (
            'model = "tile_cnn"\ntrain = { freeze = true }\n[[inputs]]\ntiles = "bioclim"',
            "a random encoder would be kept",
        ),
        ('model = "tile_cnn"\n[[inputs]]\ntiles = "sentinel2"\nbands = ["rde"]', "no band 'rde'.*did you mean 'red'"),
        (
            'model = "tile_cnn"\n[[inputs]]\ntiles = "bioclim"\n[[inputs]]\ntiles = "bioclim"',
            "'bioclim' appears twice",
        ),
        ('model = "votes"\ncompare_with = ["vots"]', "unknown experiment 'vots'.*did you mean 'votes'"),
        ('model = "tile_cnn"\npretrain = "tile3vec"\n[[inputs]]\ntiles = "bioclim"', "unknown pretraining 'tile3vec'"),
        ('model = "tile_cnn"\npretrain = { name = "tile2vec", species = "both" }', "species: found 'both'"),
        ('description = "no model"', "key 'model' is missing"),
        ("model = ", "not a TOML file"),
    ],
)
def test_an_impossible_experiment_is_refused_with_file_key_and_remedy(tmp_path, text, words):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=f"mine.toml.*{words}"):
        config.load(path)


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b'model = "votes"\ndescription = "C\xf4te"\n')
    with pytest.raises(ConfigError, match=r"mine.toml: line 2 is not UTF-8.*save the file as UTF-8"):
        config.load(path)


def test_a_name_too_long_for_a_file_is_an_unknown_one(tmp_path):
    (tmp_path / "mine.toml").write_text(f'base = "{"9" * 400}"\n')
    with pytest.raises(ConfigError, match=r"mine.toml: base: unknown experiment '9+'"):
        config.load(tmp_path / "mine.toml")
    with pytest.raises(ConfigError, match="no such experiment file"):
        config.load(f"{'x' * 400}.toml")


def test_an_unknown_experiment_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"unknown experiment 'vots'.*expected one of.*votes.*did you mean 'votes'"):
        config.load("vots")


def test_options_of_decode_without_a_name_are_those_of_its_default():
    empty = config.Choice("expected_f1", {"empty": True})
    assert config.load("votes+decode.empty=true").decode == empty
    with pytest.raises(ConfigError, match="unknown key 'k'"):
        config.load("votes+decode.k=3")


def test_values_can_be_changed_behind_the_name():
    experiment = config.load("votes+model.prior=500+validation.run=1+decode=all")
    assert experiment.model.options["prior"] == 500
    assert experiment.validation.run == 1
    assert experiment.decode == config.Choice("all")
    assert experiment.name == "votes+decode=all+model.prior=500+validation.run=1"
    with pytest.raises(ConfigError, match=r"expected table\.key=value"):
        config.load("votes+prior")
    with pytest.raises(ConfigError, match="unknown key 'nonsense'"):
        config.load("votes+model.nonsense=1")


def test_another_member_drops_the_options_of_the_former():
    experiment = config.load("geolocation-published+decode.name=top_k+decode.k=20")
    assert experiment.decode == config.Choice("top_k", {"k": 20})
    assert config.load("frequency+decode.name=top_k").decode.options == {"k": 25}


def test_values_of_an_input_are_changed_by_its_number():
    experiment = config.load("tile-cnn-rasters+inputs.1.block=4+inputs.2.size=64")
    assert [(one.block, one.size) for one in experiment.inputs] == [(8, 128), (4, 128), (8, 64)]
    with pytest.raises(ConfigError, match=r"found '3' in 'inputs\.3\.block', expected 0 to 2"):
        config.load("tile-cnn-rasters+inputs.3.block=4")


def test_an_input_may_be_a_location_and_is_not_stored():
    inputs = config.load('geolocation+inputs=[{location="encoder"},{location={name="harmonics",degree=3}}]').inputs
    assert [(one.name, one.stored) for one in inputs] == [("location_encoder", False), ("location_harmonics", False)]
    assert inputs[1].location == config.Choice("harmonics", {"degree": 3})
    assert config.Input(table=("soil",)).stored


def test_equal_sections_have_equal_canonical_text():
    one = config.build(config.Po, {"radius_m": 3000}, "x")
    assert config.canonical(one) == config.canonical(config.Po())
    assert config.canonical(one) != config.canonical(config.Po(radius_m=2_000))


def test_a_member_may_be_a_variant():
    members = config.load('inria-run4+model.members=["frequency+decode.k=3","knn"]').model.options["members"]
    assert list(members) == ["frequency+decode.k=3", "knn"]


def test_options_of_prediction_are_those_of_the_net():
    assert config.load("inria-run2").predict == {"dropout": True}
    experiment = config.load("inria-run3+predict.damaged_country=France+predict.damaged=0.25")
    assert experiment.predict == {"damaged_country": "France", "damaged": 0.25}
    with pytest.raises(ConfigError, match=r"damaged: found 2\.0, expected 0 to 1"):
        config.load("inria-run3+predict.damaged=2.0")
    with pytest.raises(ConfigError, match=r"predict: dropout: found 1, expected true or false"):
        config.load("inria-run3+predict.dropout=1")


@pytest.mark.parametrize("name", ["votes", "geolocation", "best", "tighnari-mean"])
def test_a_model_without_an_option_of_prediction_refuses_it_and_the_error_names_those_that_have_it(name):
    model = config.load(name).model.name
    expected = f"model '{model}' has no dropout at prediction time; only 'inception' supports it"
    with pytest.raises(ConfigError, match=expected):
        config.load(f"{name}+predict.dropout=true")
    with pytest.raises(ConfigError, match=r"predict: unknown key 'droput'.*did you mean 'dropout'"):
        config.load(f"{name}+predict.droput=true")


def test_folds_of_cross_fusion_are_long_enough_to_be_validated():
    fused = "geolocation+train.validate_every=2+cross_fusion.max_epochs=1"
    assert not config.load(fused).cross_fusion.use
    with pytest.raises(ConfigError, match=r"train\.validate_every: found 2, expected 1 to 1"):
        config.load(f"{fused}+cross_fusion.use=true")
    with pytest.raises(ConfigError, match=r"cross_fusion\.rate: found 0\.0, expected above 0"):
        config.load("geolocation+cross_fusion.rate=0.0")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ("votes+start.experiment=geolocation", "which is no net"),
        ("tile2vec+start.experiment=tile-cnn", "pre-train in the stage before"),
        ("geolocation+cross_fusion.use=true+start.experiment=geolocation", "start from the first fold's net"),
        ("geolocation+start.experiment=geolocations", "unknown experiment 'geolocations'"),
    ],
)
def test_a_stage_before_is_one_of_a_net_whose_weights_count(changes, why):
    with pytest.raises(ConfigError, match=why):
        config.load(changes)


def test_stages_that_go_round_are_refused(tmp_path):
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    first.write_text(f'base = "geolocation"\nstart = {{ experiment = "{second}" }}\n')
    second.write_text(f'base = "geolocation"\nstart = {{ experiment = "{first}" }}\n')
    with pytest.raises(ConfigError, match=rf"found {first} after {second} after {first}, expected stages that end"):
        config.load(first)
    second.write_text('base = "geolocation-staged"\n')
    assert config.load(first).start.experiment == str(second)


def test_a_training_watches_what_its_loss_has():
    assert config.load("geolocation+train.loss=cross_entropy+train.monitor=top30").train.monitor == "top30"
    with pytest.raises(ConfigError, match=r"train\.monitor: found 'top30', expected one of 'f1', 'loss' with the loss"):
        config.load("geolocation+train.loss=asl+train.monitor=top30")


def test_an_experiment_of_the_location_encoder_is_told_by_its_table(tmp_path):
    assert config.is_of_encoder("location")
    assert config.is_of_encoder("location-published")  # by its base
    assert not config.is_of_encoder("votes")
    assert config.load_encoder("location") == config.load_any("location")
    with pytest.raises(ConfigError, match=r"found one of species, expected one of the location encoder, .*: location"):
        config.load_encoder("votes")
    with pytest.raises(ConfigError, match=r"found one of the location encoder, .*glc run location"):
        config.load("location")
    path = tmp_path / "both.toml"
    path.write_text('model = "votes"\n[location]\n')
    with pytest.raises(ConfigError, match="unknown key 'location'"):
        config.load_any(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("location.epoch=3", "location: unknown key 'epoch'.*did you mean 'epochs'"),
        ("location.epochs=0", "location.epochs: found 0, expected at least 1"),
        ("location.network.name=sirn", "location.network: unknown network 'sirn'.*did you mean 'siren'"),
        (
            "location.network.name=siren+location.network.dropout=1.0",
            "location.network: .*dropout: found 1.0, expected at least 0 and below 1",
        ),
        (
            "location.image.name=resnet18",
            "location.image: unknown image encoder 'resnet18'; expected one of: cnn, timm",
        ),
        (
            "location.features.name=harmonics+location.features.degree=0",
            "location.features: .*degree: found 0, expected 1 to",
        ),
        ("localisation.over=see", "localisation.over: found 'see', expected one of 'land', 'sphere'"),
        ("head.kind=tree", "head.kind: found 'tree', expected one of 'mlp', 'linear'"),
    ],
)
def test_what_a_location_encoder_cannot_have_is_refused(change, words):
    with pytest.raises(ConfigError, match=words):
        config.load_encoder(f"location+{change}")


def test_the_published_location_encoder_is_as_the_poster_says():
    published = config.load_encoder("location-published")
    assert published.location.regression == 0
    assert published.location.image.name == "timm"
    assert (published.localisation.over, published.localisation.gallery) == ("sphere", 100_000)
    assert not published.localisation.refine
