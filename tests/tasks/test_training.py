"""Which trainings an experiment asks for, and what each is made from; nothing is trained."""

import pytest

from glc.errors import ConfigError
from glc.tasks import ChosenEpoch, Examples, FineTune, Fit, FitAllFolds, FoldScores, NetScores, Pretrain, Triplets
from glc.tasks.training import ANY_FOLD, all_stages, fit_of, fits, pretraining, stages
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
    changes = "validation.run=2+validation.count=7+train.seed=3"
    task = scores(tmp_path, f"geolocation+start.experiment=geolocation-records+{changes}")
    for number, fit in enumerate(fits(task)):
        earlier = fit.requires()["earlier"]
        assert (type(earlier), earlier.fold, fit.requires()["earlier examples"].fold) == (ChosenEpoch, number, number)
        assert earlier.settings.validation == fit.settings.validation
        assert earlier.settings.train.seed == 3
        assert "earlier" not in earlier.requires()
        shared = earlier.requires()["epochs"]
        assert stages(fit) == [shared, earlier, fit]
        assert stages(earlier) == [shared, earlier]
    first, *_ = all_stages(task)
    assert first == shared
    assert len(all_stages(task)) == 1 + 2 * 2
    assert fits(task)[0].identity != fits(scores(tmp_path, f"geolocation+{changes}"))[0].identity


@pytest.mark.parametrize(
    ("experiment", "kind"),
    [
        ("geolocation-records", ChosenEpoch),
        ("tile-cnn+po.use=only", ChosenEpoch),
        ('tile2vec+pretrain.sources=["po"]+po.use=only', ChosenEpoch),
        ('tile2vec+pretrain.sources=["po","train"]+po.use=only', Fit),  # the encoder has seen the training surveys
        ("geolocation-records+start.experiment=geolocation", Fit),  # as has the stage before
        ("tighnari-gfv+po.use=only", Fit),  # and the graph
        ("geolocation-po", Fit),
    ],
)
def test_folds_share_a_training_where_none_of_it_depends_on_them(tmp_path, experiment, kind):
    task = scores(tmp_path, experiment + "+validation.run=2")
    assert [type(fit) for fit in fits(task)] == [kind, kind]
    if kind is Fit:
        assert fits(task)[0].identity != fits(task)[1].identity
        return
    first, second = (fit.requires() for fit in fits(task))
    assert first["epochs"] == second["epochs"]
    assert isinstance(first["epochs"], FitAllFolds)
    assert first["epochs"].fold == ANY_FOLD
    assert "po" in " ".join(first["epochs"].requires()) or not first["epochs"].settings.inputs


def test_the_shared_training_starts_from_the_pretrained_encoder(tmp_path, monkeypatch):
    from glc.nets import trainer

    given = {}
    monkeypatch.setattr(trainer, "fit", lambda *tables, **arguments: given.update(arguments, tables=tables) or {})
    task = FitAllFolds(root=str(tmp_path), dataset=TINY, experiment='tile2vec+pretrain.sources=["po"]+po.use=only')
    monkeypatch.setattr(FitAllFolds, "arguments", lambda self, examples: {})
    task.fit(tmp_path, None, tmp_path)
    assert given["pretrained"] == task.requires()["pretrain"].folder / "encoder.ckpt"
    assert given["tables"] == (tmp_path / "train", None, tmp_path)


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
