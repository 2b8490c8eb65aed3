"""Which trainings an experiment asks for, and what each is made from; nothing is trained."""

import pytest

from glc.errors import ConfigError
from glc.tasks import Examples, FineTune, Fit, FoldScores, NetScores, Pretrain, Triplets
from glc.tasks.training import ANY_FOLD, fit_of, fits, pretraining, stages
from tests.tasks.pipeline import TINY


def scores(tmp_path, experiment):
    return NetScores(root=str(tmp_path), dataset=TINY, experiment=experiment)


def test_every_fold_that_is_run_has_a_net_of_its_own(tmp_path):
    task = scores(tmp_path, "geolocation+validation.run=3")
    assert [(type(fit), fit.fold) for fit in fits(task)] == [(Fit, 0), (Fit, 1), (Fit, 2)]
    folds = list(task.requires().values())
    assert [(type(fold), fold.fold) for fold in folds] == [(FoldScores, 0), (FoldScores, 1), (FoldScores, 2)]
    assert [fold.requires()["fit"] for fold in folds] == fits(task)
    assert fits(task)[1].requires()["examples"] == task.clone(Examples, fold=1)


def test_with_cross_fusion_later_folds_go_on_from_the_first(tmp_path):
    task = scores(tmp_path, "geolocation+validation.run=3+cross_fusion.use=true")
    first, *later = fits(task)
    assert type(first) is Fit
    assert {type(fit) for fit in later} == {FineTune}
    for fit in later:
        assert fit.requires()["first"] == first
        assert fit.requires()["first examples"].fold == 0
        assert "pretrain" not in fit.requires()
    plain = scores(tmp_path, "geolocation+validation.run=3")
    assert first.identity == fits(plain)[0].identity  # the first fold's net is the same without cross-fusion
    assert later[0].identity != fits(plain)[1].identity
    slower = scores(tmp_path, "geolocation+validation.run=3+cross_fusion.use=true+cross_fusion.rate=0.1")
    assert fit_of(slower, 0).identity == first.identity
    assert fit_of(slower, 1).identity != later[0].identity


def test_in_a_training_by_stages_each_fold_goes_on_from_its_own_net(tmp_path):
    before, seed = "geolocation+po.use=only+validation.count=7", "train.seed=3"
    task = scores(tmp_path, f"geolocation+validation.run=2+start.experiment={before}+{seed}")
    for number, fit in enumerate(fits(task)):
        earlier = fit.requires()["earlier"]
        assert (type(earlier), earlier.fold, fit.requires()["earlier examples"].fold) == (Fit, number, number)
        assert earlier.settings.validation == fit.settings.validation
        assert earlier.settings.train.seed == 3
        assert "earlier" not in earlier.requires()
        assert stages(fit) == [earlier, fit]
        assert stages(earlier) == [earlier]
    assert fits(task)[0].identity != fits(scores(tmp_path, f"geolocation+validation.run=2+{seed}"))[0].identity


def test_stages_have_the_same_net_and_the_same_inputs(tmp_path):
    for before, named in (("tighnari", "model.name = 'tighnari'"), ("geolocation-encoder", "location_encoder")):
        with pytest.raises(ConfigError, match=named):
            fits(scores(tmp_path, f"geolocation+start.experiment={before}"))[0].requires()


@pytest.mark.parametrize(("sources", "fold"), [('["po"]', ANY_FOLD), ('["po","train"]', 1)])
def test_a_pretraining_is_of_a_fold_only_where_it_sees_training_surveys(tmp_path, sources, fold):
    fit = Fit(root=str(tmp_path), dataset=TINY, experiment=f"tile2vec+pretrain.sources={sources}", fold=1)
    pretrain = fit.requires()["pretrain"]
    assert isinstance(pretrain, Pretrain)
    assert pretrain.fold == fold
    assert pretrain.requires()["triplets"] == pretrain.clone(Triplets)
    assert pretrain.parts() == {'["po"]': [("po",)], '["po","train"]': [("po",), ()]}[sources]


def test_a_net_without_pretraining_starts_from_nothing(tmp_path):
    fit = Fit(root=str(tmp_path), dataset=TINY, experiment="geolocation")
    assert pretraining(fit) == {}
    assert set(fit.requires()) == {"surveys", "folds", "examples"}


def test_presence_only_imagery_is_cut_for_training_alone(tmp_path):
    fit = Fit(root=str(tmp_path), dataset=TINY, experiment="tile-cnn+po.use=surveys")
    assert {"input sentinel2", "input sentinel2 po"} <= set(fit.requires())
    scored = fit.clone(FoldScores)
    assert "input sentinel2 po" not in scored.requires()


def test_how_predictions_are_made_trains_nothing_again(tmp_path):
    plain = FoldScores(root=str(tmp_path), dataset="virtual:glc20-tiny", experiment="inria-run3-cpu")
    dropped = plain.clone(experiment=plain.experiment.changed(predict={"dropout": True}))
    assert plain.requires()["fit"].identity == dropped.requires()["fit"].identity
    assert plain.identity != dropped.identity
