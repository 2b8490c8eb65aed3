"""Run tasks in this process, and see which ones ran."""

import shutil

import luigi

from glc import storage
from glc.tasks import Submission

TINY = "virtual:tiny"
NET = "geolocation+validation.run=2+validation.count=4+train.max_epochs=3"


ran = []


@luigi.Task.event_handler(luigi.Event.SUCCESS)
def _note(task):
    ran.append(task.task_family)


def build(*tasks):
    """Run tasks; (whether all succeeded, families of those that ran)."""
    ran.clear()
    luigi.task_register.Register.clear_instance_cache()
    result = luigi.build(list(tasks), local_scheduler=True, detailed_summary=True, log_level="WARNING")
    return result.status == luigi.execution_summary.LuigiStatusCode.SUCCESS, list(ran)


def submission(root, experiment=NET, dataset=TINY):
    return Submission(root=root, dataset=dataset, experiment=experiment)


def run(task):
    done, families = build(task)
    assert done
    return families


def adopt(task, other):
    """Give `task` the finished output of `other`, which would be equal: several seconds less of Spark."""
    with storage.atomic_directory(task.folder, **storage.manifest(other.folder)) as out:
        shutil.copytree(other.folder, out, ignore=shutil.ignore_patterns(storage.MANIFEST), dirs_exist_ok=True)
