"""Several experiments' scores to one score table."""

from glc import config
from glc.tasks.imagery import ImageryFolderParameter
from glc.tasks.scores import ModelTask


class StackScores(ModelTask):
    """Scores of the members, joined with weights from their validation surveys: each fold's from the other folds."""

    imagery_folder = ImageryFolderParameter(default="")
    carried = (*ModelTask.carried, "imagery_folder")

    @property
    def options(self):
        """The validated options of the stack."""
        return config.options(self.member, self.model, "model")

    def members(self):
        """The scores task of each member on the folds of this stack, by its name; a ConfigError refuses a member."""
        from glc.classical.stack import check_member
        from glc.tasks.products import Evaluate, Predictions  # which know this task

        config.require(self.validation.run >= 2, "validation.run", self.validation, "at least 2 for a stack")
        found = {}
        for name in self.options.members:
            product = self.clone(Evaluate, experiment=name)
            check_member(name, product.settings, self.surveys, self.validation)
            found[name] = product.below(Predictions, validation=self.validation).requires()["scores"]
        return found

    def requires(self):
        return super().requires() | {f"member {name}": task for name, task in self.members().items()}

    def own_parameters(self):
        return super().own_parameters() | {"run": self.validation.run}

    def write(self, out):
        from glc.prediction import stack

        names = self.options.members
        stack.write(
            [self.input()[f"member {name}"].path for name in names],
            self.read_surveys(),
            out,
            options=self.options,
            names=names,
            folds=range(self.validation.run),
            keep=self.scores.keep,
            progress=self.status,
        )
