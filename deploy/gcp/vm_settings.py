"""Settings of the VM targets of make, and what each may be. Nothing is called here."""

import re
from dataclasses import dataclass

WITH_GPU = ("a2-", "a3-", "g2-")
"""Families of machines that bring their GPU."""

FORMS = {
    "project": (r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]", "the id of a project (gcloud projects list)"),
    "zone": (r"[a-z]+-[a-z]+[0-9]+-[a-z0-9]+", "a zone such as europe-west4-a (gcloud compute zones list)"),
    "bucket": (
        r"(gs://)?[a-z0-9][a-z0-9._-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*",
        "a bucket, with or without a folder: BUCKET or BUCKET/FOLDER (gcloud storage buckets list)",
    ),
    "vm": (r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", "at most 63 of a-z, 0-9 and -, a letter first"),
    "machine": (r"[a-z][a-z0-9]*(-[a-z0-9]+)+", "a machine type such as e2-standard-8"),
    "accelerator": (r"(nvidia-[a-z0-9-]+)?", "nothing, or a GPU such as nvidia-tesla-t4"),
    "account": (r"([a-z0-9-]+@[a-z0-9.-]+\.gserviceaccount\.com)?", "nothing, or the address of a service account"),
    "spot": (r"(yes)?", "nothing, or yes"),
    "dataset": (
        r"(virtual|kaggle):[a-z0-9-]+|gs://[A-Za-z0-9._/-]+",
        "virtual:NAME, gs://BUCKET/FOLDER or kaggle:EDITION",
    ),
    "imagery": (
        r"(kaggle:[a-z0-9-]+|gs://[A-Za-z0-9._/-]+)?",
        "nothing, gs://BUCKET/FOLDER or kaggle:EDITION",
    ),
    "experiment": (r"[A-Za-z0-9][A-Za-z0-9._+=,:/\[\]-]*", "a name from `make list`, with +key=value without quotes"),
    "args": (r"[A-Za-z0-9._+=,:/ -]*", "options of glc run, without quotes"),
}
"""By setting: a regular expression of what it may be, and that in words. None allows what a shell or systemd's files of
environments would read as something else.
"""

NUMBERS = {"hours": (1, 2880), "disk": (20, 65536)}
"""By setting, the least and the most: 2880 hours are the 120 days that Compute Engine allows."""


class RefusedError(Exception):
    """What is wrong, and what to do."""


@dataclass(frozen=True)
class Settings:
    """The checked options; names as in the Makefile, in lower case."""

    project: str
    zone: str
    bucket: str
    vm: str
    machine: str
    accelerator: str
    account: str
    spot: str
    disk: str
    hours: str
    experiment: str
    dataset: str
    imagery: str
    args: str
    dry: str

    @property
    def where(self) -> list[str]:
        """The options that choose project and zone."""
        return ["--project", self.project, "--zone", self.zone]

    @property
    def source(self) -> str:
        """The object with the VM's commit."""
        return f"gs://{self.bucket}/source/{self.vm}.bundle"

    @property
    def has_gpu(self) -> bool:
        """Whether the VM gets one."""
        return bool(self.accelerator) or self.machine.startswith(WITH_GPU)


def checked(options: dict[str, str], unused: tuple[str, ...] = ()) -> Settings:
    """Settings that name something possible; all that is missing or wrong is listed at once.

    options : by name in lower case, as given
    unused : names of those that the command does not need, which may be missing
    """
    wrong = []
    for name, (pattern, expected) in FORMS.items():
        value = options[name]
        if not value and name in unused:
            continue
        if not value and not re.fullmatch(pattern, ""):
            wrong.append(f"{name.upper()} is missing; add {name.upper()}=…, {expected}")
        elif not re.fullmatch(pattern, value):
            wrong.append(f"{name.upper()}={value}: expected {expected}")
    for name, (least, most) in NUMBERS.items():
        if not re.fullmatch(r"[0-9]{1,6}", options[name]) or not least <= int(options[name]) <= most:
            wrong.append(f"{name.upper()}={options[name]}: expected a whole number from {least} to {most}")
    if options["accelerator"] and not options["machine"].startswith("n1-"):
        wrong.append(
            f"ACCELERATOR={options['accelerator']} with MACHINE={options['machine']}: only N1 machines take a GPU; "
            "try MACHINE=n1-standard-8, or MACHINE=g2-standard-8 without ACCELERATOR, which brings one"
        )
    if wrong:
        raise RefusedError("\n".join(wrong))
    return Settings(**options | {"bucket": options["bucket"].removeprefix("gs://")})
