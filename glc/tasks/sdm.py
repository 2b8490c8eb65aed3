"""Benchmarks of species distribution models: a folder of tables to scores of test sites, and those to tables.

    SdmPlace --- SdmScores (one a region, background and model) --- SdmEnsemble --- Benchmark

The tables lie in a folder that the user names; they are no dataset of an edition. `glc.sdm.nceas` and
`glc.sdm.norberg` read them.
"""

import json
from pathlib import Path

import luigi

from glc import registry, storage
from glc.errors import ConfigError
from glc.report.markdown import markdown
from glc.sdm import nceas, norberg
from glc.tasks.base import GlcTask, ProductTask, Published

BENCHMARKS = {"nceas": nceas, "norberg": norberg}
MODELS = ("net", "maxent", "boosted", "forest")


class TablesFolderParameter(luigi.Parameter):
    """The folder of a benchmark's tables; checked when the command is read."""

    def normalize(self, x):
        if not Path(x).is_dir():
            raise ConfigError(f"--data-folder {x}: no such folder; give the one that holds the benchmark's tables")
        return str(Path(x).resolve())


def _digests(paths):
    return [[path.name, storage.file_digest(path)] for path in paths]


class TablesTask(GlcTask):
    """A task on tables of a benchmark; their content counts, not their path."""

    data_folder = TablesFolderParameter(description="folder of the benchmark's tables")
    carried = ("data_folder",)

    @property
    def dataset(self):
        """What stands for the dataset in names and manifests: the folder."""
        return self.data_folder


class RegionTask(TablesTask):
    """A task on one region of a benchmark."""

    benchmark = luigi.ChoiceParameter(choices=sorted(BENCHMARKS))
    region = luigi.Parameter()

    @property
    def reader(self):
        """`glc.sdm.nceas` or `glc.sdm.norberg`."""
        return BENCHMARKS[self.benchmark]

    def more_identity(self):
        return _digests(self.reader.files(self.data_folder, self.region))


class SdmPlace(RegionTask):
    """Whether x and y join the covariates of a region, by its training data alone; the background is the first one."""

    def write(self, out):
        from glc.sdm import coordinates

        groups = self.reader.read(self.data_folder, self.region, self.reader.BACKGROUNDS[0])
        self.status(f"{self.region}: do x and y help? Blocked cross-validation")
        found = coordinates.joins([group.examples for group in groups])
        (out / "place.json").write_text(json.dumps(found, indent=1) + "\n")
        storage.note(out, **found)


class BackgroundTask(RegionTask):
    """A task that writes scores of a region's test sites: a parquet file a group, ``siteid`` and a column a species."""

    background = luigi.Parameter()

    def groups(self):
        """The region's groups."""
        return self.reader.read(self.data_folder, self.region, self.background)

    def write_scores(self, out, groups, scores):
        import pandas as pd

        for group, one in zip(groups, scores, strict=True):
            frame = pd.DataFrame(one, index=group.sites.index, columns=list(group.examples.species))
            frame.reset_index().to_parquet(out / f"{group.name}.parquet", index=False)
        storage.note(out, groups={group.name: [len(group.sites), len(group.examples.species)] for group in groups})

    def read_scores(self, group):
        """Scores (site, species) of a group in the order of its own sites and species."""
        import pandas as pd

        frame = pd.read_parquet(self.folder / f"{group.name}.parquet").set_index("siteid")
        return frame.loc[group.sites.index, list(group.examples.species)].to_numpy()


class SdmScores(BackgroundTask):
    """Scores of one model."""

    model = luigi.Parameter()

    def requires(self):
        return self.clone(SdmPlace)

    def more_identity(self):
        sdm = registry.sdms.get(self.model)
        return [*super().more_identity(), repr(sdm.Options())]

    def write(self, out):
        from threadpoolctl import threadpool_limits

        place = json.loads((self.input().path / "place.json").read_text())["joins"]
        sdm = registry.sdms.get(self.model)
        groups = self.groups()
        self.status(f"{self.region}: {self.model}, {self.background}")
        with threadpool_limits(1):  # small matrices: more threads only wait for each other
            scores = sdm(sdm.Options()).scores([(group.examples, group.sites) for group in groups], place)
        self.write_scores(out, groups, scores)
        storage.note(out, place=place)


class SdmEnsemble(BackgroundTask, ProductTask):
    """Rank mean of `MODELS`; of groups without truth also at ``ROOT/nceas/<region>[_<group>]_scores.parquet``."""

    models = luigi.ListParameter(default=MODELS)

    def requires(self):
        return [self.clone(SdmScores, model=name) for name in self.models]

    def published(self):
        place = Path(self.root) / self.benchmark
        end = "" if self.background == self.reader.BACKGROUNDS[0] else f"_{self.background}"
        truths = self.reader.truths(self.data_folder, self.region)
        return [
            Published(place / f"{self.region}{infix}_scores{end}.parquet", self.folder / f"{group}.parquet")
            for group, truth in truths.items()
            for infix in ["" if len(truths) == 1 else f"_{group}"]
            if truth is None
        ]

    def write(self, out):
        from glc.sdm.ensemble import rank_mean

        groups = self.groups()
        scores = [rank_mean([task.read_scores(group) for task in self.requires()]) for group in groups]
        self.write_scores(out, groups, scores)


class Benchmark(TablesTask, ProductTask):
    """Fit all models on all regions, and write the tables of a benchmark.

    ``table.md`` and ``table.csv`` (all means), ``per_species.csv`` and ``differences.csv``; the first two also at
    ``ROOT/tables/<folder>``. Without any truth the page only tells where the scores are, and ``table.csv`` has no rows.
    Subclasses say the benchmark, and what stands beside the figures.
    """

    benchmark = ""
    title = ""
    remarks = ()
    pairs = ()
    references = {}
    """Mean AUC by region of models that are known by such means alone, by the model's name."""
    background = luigi.Parameter(default="")

    def requires(self):
        reader = BENCHMARKS[self.benchmark]
        background = self.background or reader.BACKGROUNDS[0]
        if background not in reader.BACKGROUNDS:
            raise ConfigError(f"--background {background}: expected one of: {', '.join(reader.BACKGROUNDS)}")
        tasks = [
            SdmEnsemble(
                root=self.root,
                data_folder=self.data_folder,
                benchmark=self.benchmark,
                region=region,
                background=background,
            )
            for region in reader.REGIONS
        ]
        for one in (one for task in tasks for one in task.requires()):
            check = getattr(registry.sdms.get(one.model), "check", None)
            # a model that cannot run is told before the others are fitted, and not where it has run already
            if check and not storage.exists(one.folder):
                check()
        return tasks

    def more_identity(self):
        reader = BENCHMARKS[self.benchmark]
        truths = [reader.truths(self.data_folder, region).values() for region in reader.REGIONS]
        paths = sorted({path for some in truths for path in some if path})
        return [self.title, *self.remarks, *map(list, self.pairs), self.references, _digests(paths)]

    def beside(self, table):
        """Published figures to stand beside, a frame like that of `evaluate.per_species`, NaN where unknown."""
        return None

    def more(self, table):
        """Further sections of the page, Markdown."""
        return []

    def published(self):
        place = Path(self.root) / "tables" / self.dataset_name
        name = self.task_family.replace(".", "-").lower()
        end = f"-{self.background}" if self.background else ""
        return [Published(place / f"{name}{end}{kind}", self.folder / f"table{kind}") for kind in (".md", ".csv")]

    def write(self, out):
        import pandas as pd

        from glc.sdm import evaluate

        parts, seconds = [], {}
        for task in self.requires():
            members = {one.model: one for one in task.requires()} | {"ensemble": task}
            for name, member in members.items():
                seconds[name] = seconds.get(name, 0) + storage.manifest(member.folder)["seconds"]
            place = task.requires()[0].requires()
            seconds["place"] = seconds.get("place", 0) + storage.manifest(place.folder)["seconds"]
            for group in task.groups():
                if group.truth is None:
                    continue
                parts += [
                    evaluate.per_species(task.region, name, group, member.read_scores(group))
                    for name, member in members.items()
                ]
        times = pd.DataFrame({"model": list(seconds), "seconds": list(seconds.values())})
        if not parts:
            pd.DataFrame(columns=["model", "measure"]).to_csv(out / "table.csv", index=False)
            page = [f"# {self.title}", "", "The folder has no truth of any region: there is nothing to measure by.", ""]
            page += [*self._scores(), markdown("Time of fitting and scoring, all regions", times)]
            (out / "table.md").write_text("\n".join(page))
            storage.note(out, seconds_of_models=seconds, species=0)
            return
        ours = pd.concat(parts, ignore_index=True)
        table = pd.concat([ours, self.beside(ours)], ignore_index=True)
        table.to_csv(out / "per_species.csv", index=False)
        differences = evaluate.differences(table, self.pairs)
        differences.to_csv(out / "differences.csv", index=False)
        long, page = [], [f"# {self.title}", ""]
        for measure, title in evaluate.TITLES.items():
            mean = evaluate.means(table, measure).dropna(how="all")
            if measure == "auc" and self.references:
                known = pd.DataFrame.from_dict(self.references, orient="index").reindex(columns=mean.columns)
                mean = pd.concat([mean, known]).rename_axis("model")
            long.append(mean.reset_index().assign(measure=title))
            page.append(markdown(f"Mean {title}", mean.reset_index()))
        page.append(markdown("Paired differences in AUC, with 95 % bootstrap intervals over species", differences))
        page += [*self.more(ours), *self._scores()]
        page.append(markdown("Time of fitting and scoring, all regions", times, self.remarks))
        (out / "table.md").write_text("\n".join(page))
        pd.concat(long, ignore_index=True).to_csv(out / "table.csv", index=False)
        storage.note(out, seconds_of_models=seconds, species=int(ours["species"].nunique()))

    def _scores(self):
        """The section that tells where the scores of groups without truth are, if there are any."""
        import pandas as pd

        paths = [(task.region, one.path) for task in self.requires() for one in task.published()]
        if not paths:
            return []
        rows = [(region, str(path.relative_to(self.root))) for region, path in paths]
        frame = pd.DataFrame(rows, columns=["region", "file"])
        return [markdown("Scores of sites whose truth is not in the folder (below the folder of outputs)", frame)]

    def results(self):
        """The tables, and where they are."""
        path = self.published()[0].path
        written = [str(one.path) for task in self.requires() for one in task.published()]
        return [path.read_text(), f"tables {path}", *(f"scores {one}" for one in written)]
