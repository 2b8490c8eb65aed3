"""What the tasks of the location encoder share: an experiment with a ``[location]`` table."""

from functools import cached_property

from glc import config
from glc.tasks.base import GlcTask
from glc.tasks.parameters import EncoderExperimentParameter
from glc.types import JSON


class EncoderExperimentTask(GlcTask):
    """A node that depends on an experiment of the location encoder.

    sections : sections of it that change the bytes, besides what counts through the inputs
    """

    experiment = EncoderExperimentParameter(
        default="location",
        significant=False,
        description="name of an experiment of the location encoder, or the path of its TOML",
    )
    sections: tuple[str, ...] = ()

    @cached_property
    def settings(self) -> config.EncoderExperiment:
        """The experiment, validated."""
        return config.load_encoder(self.experiment)

    def own_parameters(self) -> dict[str, JSON]:
        sections = {section: config.canonical(getattr(self.settings, section)) for section in self.sections}
        return super().own_parameters() | sections
