"""Several experiments' scores to one score table."""

from glc import config
from glc.tasks.imagery import ImageryFolderParameter
from glc.tasks.scores import ModelTask


class JointScores(ModelTask):
    """Scores made of other experiments', the members', on the folds of this one."""

    imagery_folder = ImageryFolderParameter(default="")
    carried = (*ModelTask.carried, "imagery_folder")

    @property
    def options(self):
        """The validated options of the model."""
        return config.options(self.member, self.model, "model")

    fitted = True
    """Whether validation says how, so that each fold is joined as the other folds say."""

    @property
    def names(self):
        """Names of the experiments whose scores are joined."""
        return self.options.members

    def members(self):
        """The `Predictions` of each member, by its name; a ConfigError refuses one of other surveys or folds."""
        from glc.ensembles.stack import check_member
        from glc.tasks.submission import Evaluate, Predictions  # which know this task

        if self.fitted:
            config.require(self.validation.run >= 2, "validation.run", self.validation, "at least 2 to join models")
        found = {}
        for name in self.names:
            product = self.clone(Evaluate, experiment=name)
            check_member(name, product.settings, self.surveys, self.validation)
            found[name] = product.below(Predictions, validation=self.validation)
        return found

    def requires(self):
        scores = {f"member {name}": task.requires()["scores"] for name, task in self.members().items()}
        return super().requires() | scores

    def own_parameters(self):
        return super().own_parameters() | {"run": self.validation.run}

    def folders(self):
        """The members' scores."""
        return [self.input()[f"member {name}"].path for name in self.names]


class StackScores(JointScores):
    """The members' scores, joined with weights from their validation surveys: each fold's from the other folds."""

    def write(self, out):
        from glc.ensembles import stack

        stack.write(
            self.folders(),
            self.read_surveys(),
            out,
            options=self.options,
            names=self.names,
            folds=range(self.validation.run),
            keep=self.scores.keep,
            progress=self.status,
        )


class BlendScores(JointScores):
    """The mean of the members' scores, of those alone whose validation sets beat the baseline's."""

    @property
    def fitted(self):
        return bool(self.options.baseline)

    @property
    def names(self):
        baseline = self.options.baseline
        return (*self.options.members, *((baseline,) if baseline else ()))

    def requires(self):
        sets = self.members() if self.options.baseline else {}
        return super().requires() | {f"sets {name}": task for name, task in sets.items()}

    def write(self, out):
        import numpy as np

        from glc.ensembles import blend

        folds = range(self.validation.run)
        chosen = blend.everyone(len(self.names), folds)
        if self.options.baseline:
            data = self.read_surveys()
            found = [blend.survey_f1(self.input()[f"sets {name}"].path, data) for name in self.names]
            f1 = np.stack([f1 for _, _, f1 in found])
            chosen = blend.choose(np.roll(f1, 1, axis=0), found[0][1], folds)  # the baseline first
        settings = {"average": self.options.average, "keep": self.scores.keep, "progress": self.status}
        blend.write(self.folders(), out, chosen=chosen, names=self.names, **settings)
