"""Run tasks in this process, and see which ones ran."""

import luigi

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
