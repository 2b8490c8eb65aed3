"""Environmental values at the surveys: the tabular modality as a task."""

import luigi

from glc import registry, storage
from glc.covariates import Raster
from glc.errors import ConfigError
from glc.tasks.base import spark
from glc.tasks.imagery import ImageryTask

SPARK_FROM = 200_000
"""Surveys; fewer are read before a session has started."""


class CovariatesParameter(luigi.ListParameter):
    """Names of registered rasters; checked when the command is read."""

    def normalize(self, x):
        x = super().normalize(x)
        if not x:
            raise ConfigError('--covariates: found none, expected a list such as \'["bioclim", "elevation"]\'')
        for name in x:
            if not isinstance(registry.covariates.get(name), Raster):
                raise ConfigError(f"--covariates: {name!r} is an image a survey, expected rasters, such as bioclim")
        return x


class Tabular(ImageryTask):
    """Values of covariates at every survey, cleaned; from the contest's CSVs, else from the survey's own pixel."""

    covariates = CovariatesParameter(default=("bioclim", "elevation"), description="registered rasters")
    source = luigi.ChoiceParameter(
        choices=("auto", "tables", "rasters"), default="auto", description="CSVs, pixels, or CSVs where there are any"
    )
    resources = {"spark": 1}

    def world_part(self):
        return "rasters"

    def files(self):
        from glc.etl import values

        found = []
        for name in self.covariates:
            covariate = registry.covariates.get(name)
            tables, folder = values.find(covariate, self.folders, self.source)
            for path in tables.values() or covariate.find([folder]):
                stat = path.stat()
                found.append((path.name, stat.st_size, stat.st_mtime_ns))
        return found

    def write(self, out):
        from glc.etl import tabular

        self.status(f"values of {', '.join(self.covariates)}", 5)
        # the same rule for outliers whichever datasets are wanted
        training = self.clone(Tabular, datasets=("train",)).places()
        places = self.places()
        session = spark() if len(places) > SPARK_FROM else None
        facts = tabular.write(
            session, places, self.covariates, self.folders, out, training=training, source=self.source
        )
        storage.note(out, **facts)
