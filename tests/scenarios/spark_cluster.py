"""A Spark standalone cluster of processes on loopback, for tests; everything ends with the block."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pyspark

from glc.etl.spark import java_home
from glc.memory import family

HOME = Path(pyspark.__file__).parent
PATIENCE = 120
_PR_SET_PDEATHSIG = 1  # prctl(2)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition, what, seconds=PATIENCE):
    """The first true value of `condition`."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.05)
    return value


class Cluster:
    """A master; `worker` starts workers of one core and 512 MB. Logs are in `folder`."""

    def __init__(self, folder):
        self.folder, self.processes = Path(folder), []
        self.master = f"spark://127.0.0.1:{free_port()}"
        self.folder.mkdir(parents=True)
        # every change of a task is seen at once, and a lost executor is noticed by its connection
        (self.folder / "spark-defaults.conf").write_text("spark.ui.liveUpdate.period 0\n")

    def environment(self):
        """Variables of the master, of workers and of programs that use the cluster."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))},
            "JAVA_HOME": java_home(),
            "SPARK_HOME": str(HOME),
            "SPARK_CONF_DIR": str(self.folder),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_DAEMON_MEMORY": "128m",
            "SPARK_DAEMON_JAVA_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
            "SPARK_WORKER_DIR": str(self.folder / "work"),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH", "")])),
        }

    def start(self, name, *arguments):
        """A process of Spark; its log is NAME.log."""
        log = open(self.folder / f"{name}.log", "wb")  # noqa: SIM115 - the process writes to it
        with log:
            process = subprocess.Popen(
                [str(HOME / "bin" / "spark-class"), f"org.apache.spark.deploy.{name.partition('-')[0]}", *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment(),
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        self.processes.append(process)
        return process

    def log(self, name):
        """What it has logged."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def worker(self, name):
        """Start a worker and wait until the master knows it; returns its process id."""
        process = self.start(
            f"worker.Worker-{name}",
            "--host", "127.0.0.1", "--port", "0", "--webui-port", str(free_port()), "--cores", "1", "--memory", "512m",
            self.master,
        )  # fmt: skip
        until(lambda: "Successfully registered with master" in self.log(f"worker.Worker-{name}"), f"worker {name}")
        return process.pid

    def __enter__(self):
        port = self.master.rpartition(":")[2]
        self.start("master.Master", "--host", "127.0.0.1", "--port", port, "--webui-port", str(free_port()))
        try:
            until(lambda: "New state: ALIVE" in self.log("master.Master"), "the master")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in self.processes:
            kill(process.pid)
        for process in self.processes:
            process.wait()


def _end_with_parent():
    """Have the kernel kill this process when the one that started it ends, however it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def kill(process):
    """Kill a process and everything below it, as if the machine lost its power."""
    _signal(family(process), signal.SIGKILL)


def executor_of(worker):
    """(process id, executor id) of a worker's executor of the running application; None before there is one."""
    for process in family(worker)[1:]:
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
            if b"org.apache.spark.executor.CoarseGrainedExecutorBackend" in words:
                return process, words[words.index(b"--executor-id") + 1].decode()
    return None


def running_tasks(context):
    """Executor id -> tasks that the driver has sent there and that are not finished, of executors it has."""
    executors = context._jsc.sc().statusStore().executorList(True)
    each = (executors.apply(number) for number in range(executors.size()))
    return {executor.id(): executor.activeTasks() for executor in each}


def kill_with_tasks(context, workers, done):
    """Kill a worker and its executor while a task runs there, for certain: it is stopped first, and looked at again.

    workers : process ids; done : says whether the job has ended, which is too late
    returns : process id of the worker that was killed, number of tasks that were running there
    """
    executors = {}
    for worker in workers:
        process, number = until(lambda worker=worker: executor_of(worker), "an executor")
        executors[number] = (worker, process)
    while not done():
        busy = {number for number, tasks in running_tasks(context).items() if tasks} & set(executors)
        if not busy:
            time.sleep(0.005)
            continue
        number = min(busy)
        worker, process = executors[number]
        stopped = family(process)
        _signal(stopped, signal.SIGSTOP)
        # what it had sent before it was stopped arrives meanwhile; a task that is there afterwards cannot end any more
        for _ in range(20):
            time.sleep(0.05)
            lost = running_tasks(context).get(number)
            if not lost:
                break
        else:
            kill(worker)
            return worker, lost
        _signal(stopped, signal.SIGCONT)
    raise AssertionError("the job ended before a task was running on a worker")


def _signal(processes, number):
    for each in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, number)
