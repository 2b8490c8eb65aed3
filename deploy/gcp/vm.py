"""A VM of Google Cloud that runs one experiment, copies its outputs to a bucket and stops.

    python deploy/gcp/vm.py create|run|ssh|logs|delete --project ID --zone ZONE --bucket BUCKET ...

is what `make vm-create` and the like call: a thin layer over the gcloud command line, with Python's standard library
alone, because neither glc nor its packages are needed at home. Wrong settings are reported before gcloud is called.
``--dry 1`` prints the commands as a shell would take them, and calls nothing.
"""

import argparse
import difflib
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from vm_settings import RefusedError, Settings, checked

FOLDER = Path(__file__).resolve().parent
CHECKOUT = FOLDER.parents[1]
BUNDLE = Path("build") / "glc.bundle"
"""The commit that the VM runs, as git packs it; relative to the checkout, which does not track it."""

SECRETS = ("WANDB_API_KEY", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN")
"""Environment variables that reach the run where they are set."""

SET_UP = (
    "sudo google_metadata_script_runner startup; "
    "sudo test -e /run/glc/ready || { sudo tail -n 30 /var/log/glc-startup.log >&2; exit 1; }"
)
"""On the VM: the start-up script, and the end of its log if it has failed."""

LOST = 255
"""ssh's exit status without a connection."""


class Shell:
    """Runs commands in the checkout, or prints them.

    dry : print alone
    """

    def __init__(self, dry: bool) -> None:
        self.dry = dry
        if not dry and not shutil.which("gcloud"):
            raise RefusedError(
                "gcloud is not on PATH; install the Google Cloud CLI (cloud.google.com/sdk), then: gcloud init"
            )

    def status(self, words: list[str], stdin: str | None = None) -> int:
        """Exit status of a command, 0 if it is printed alone.

        stdin : what it reads; None: the terminal
        """
        if self.dry:
            print(shlex.join(words))
            return 0
        print("+", shlex.join(words), file=sys.stderr)
        return subprocess.run(words, cwd=CHECKOUT, input=stdin, text=True, check=False).returncode

    def run(self, words: list[str], remedy: str = "", stdin: str | None = None) -> None:
        """As `status`; RefusedError, with a remedy, where the command fails."""
        code = self.status(words, stdin)
        if code:
            remedy = f"; {remedy}" if remedy else ""
            raise RefusedError(f"{shlex.join(words[:4])} … ended with exit status {code}, see above{remedy}")

    def answer(self, words: list[str]) -> str:
        """What a command prints; of one that is printed alone, nothing."""
        if self.dry:
            print(shlex.join(words))
            return ""
        done = subprocess.run(words, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise RefusedError(f"{shlex.join(words[:4])} … ended with exit status {done.returncode}, see above")
        return done.stdout.strip()


def state(settings: Settings, shell: Shell) -> str:
    """RUNNING, TERMINATED (that is stopped) or another state of the VM; empty where there is none."""
    where = ["--project", settings.project, "--zones", settings.zone]
    return shell.answer(
        [
            "gcloud",
            "compute",
            "instances",
            "list",
            *where,
            "--filter",
            f"name={settings.vm}",
            "--format",
            "value(status)",
        ]
    )


def git(*words: str) -> str:
    """What git says about the checkout; it only reads."""
    done = subprocess.run(["git", *words], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RefusedError(
            f"git {' '.join(words)}: {done.stderr.strip()}; the VM runs a commit: work in a clone of the repository"
        )
    return done.stdout


def check_experiment(name: str) -> None:
    """Refuse an experiment that the commit does not have, or that is not run on a dataset.

    name : as `glc run` takes it
    """
    names = [Path(path).stem for path in git("ls-tree", "--name-only", "HEAD", "conf/experiments/").split()]
    plain = name.partition("+")[0]
    if plain not in names:
        near = difflib.get_close_matches(plain, names, 3)
        hint = f"did you mean {', '.join(near)}?" if near else "commit your own as conf/experiments/NAME.toml"
        raise RefusedError(f"EXPERIMENT={name}: conf/experiments/{plain}.toml is not in the commit; {hint}")
    if plain == "location" or plain.startswith("location-"):
        raise RefusedError(
            f"EXPERIMENT={name} pre-trains an encoder on imagery; log in with make vm-ssh and run it there"
        )


def send_source(settings: Settings, shell: Shell) -> None:
    """Put the commit into the bucket: the VM needs no access to a private repository."""
    if git("status", "--porcelain", "--untracked-files=no"):
        print("note: the VM runs the last commit, without the changes that are not committed", file=sys.stderr)
    if not shell.dry:
        (CHECKOUT / BUNDLE).parent.mkdir(exist_ok=True)
    shell.run(["git", "bundle", "create", "--quiet", str(BUNDLE), "HEAD"])
    shell.run(
        ["gcloud", "storage", "cp", str(BUNDLE), settings.source],
        f"is there the bucket? Otherwise: gcloud storage buckets create gs://{settings.bucket.partition('/')[0]} "
        f"--project {settings.project} --location {settings.zone.rpartition('-')[0]} --uniform-bucket-level-access",
    )


def metadata(settings: Settings) -> list[str]:
    """Options of what every process of the VM may read: names alone, never a secret."""
    values = f"glc-bucket={settings.bucket},glc-source={settings.source},glc-hours={settings.hours}"
    return ["--metadata", values, "--metadata-from-file", "startup-script=deploy/gcp/startup.sh"]


def limit(settings: Settings) -> list[str]:
    """Options that stop the VM from outside, even if nothing in it works any more."""
    return ["--max-run-duration", f"{settings.hours}h", "--instance-termination-action", "STOP"]


def create(settings: Settings, shell: Shell) -> None:
    """Make the VM, which then installs glc by itself."""
    found = state(settings, shell)
    if found:
        raise RefusedError(
            f"VM={settings.vm} exists already in {settings.zone} ({found}); use it: make vm-run EXPERIMENT=NAME; "
            "or make vm-delete, or choose another name: VM=NAME"
        )
    send_source(settings, shell)
    values = metadata(settings)
    values[1] += f",glc-gpu={'yes' if settings.has_gpu else 'no'}"
    words = ["gcloud", "compute", "instances", "create", settings.vm, *settings.where]
    words += ["--machine-type", settings.machine, "--image-family", "debian-12", "--image-project", "debian-cloud"]
    words += ["--boot-disk-size", f"{settings.disk}GB", "--boot-disk-type", "pd-balanced", "--scopes", "storage-rw"]
    words += [*limit(settings), "--no-restart-on-failure", *values]
    if settings.accelerator:
        words += ["--accelerator", f"type={settings.accelerator},count=1"]
    if settings.has_gpu:
        words += ["--maintenance-policy", "TERMINATE"]
    if settings.account:
        words += ["--service-account", settings.account]
    if settings.spot:
        words += ["--provisioning-model", "SPOT"]
    shell.run(words)
    print(f"# {settings.vm} installs glc now (make vm-logs) and stops after {settings.hours} h; next: make vm-run")


def ssh(settings: Settings, *command: str) -> list[str]:
    """A command on the VM; without one, a shell."""
    words = ["gcloud", "compute", "ssh", settings.vm, *settings.where]
    return [*words, "--command", *command] if command else words


def wait_for_ssh(settings: Settings, shell: Shell) -> None:
    """Return when the VM takes a connection: a minute after its start, later after a reboot."""
    for _ in range(30):
        if not shell.status(ssh(settings, "true")):
            return
        time.sleep(float(os.environ.get("GLC_SSH_PAUSE", "10")))
    raise RefusedError(f"{settings.vm} takes no ssh connection; see: gcloud compute ssh {settings.vm} --troubleshoot")


def run(settings: Settings, shell: Shell) -> None:
    """Start the VM if it is stopped, bring it to this commit, and start the experiment; it goes on without us."""
    check_experiment(settings.experiment)
    environment = {"EXPERIMENT": settings.experiment, "DATASET": settings.dataset, "ARGS": settings.args}
    environment |= {"IMAGERY": settings.imagery} if settings.imagery else {}
    environment |= {"BUCKET": settings.bucket, "VM": settings.vm, "HOURS": settings.hours}
    secrets = {name: os.environ[name] for name in SECRETS if os.environ.get(name)}
    for name, value in secrets.items():
        if not re.fullmatch(r"[A-Za-z0-9._~+/=@:-]+", value):  # and the value is in no message
            raise RefusedError(f"{name}: holds a character that no key has (space, quote, line end); set it again")
    from_kaggle = [f"{name.upper()}={value}" for name, value in vars(settings).items() if value.startswith("kaggle:")]
    if from_kaggle and not {"KAGGLE_KEY", "KAGGLE_API_TOKEN"} & secrets.keys():
        raise RefusedError(
            f"{from_kaggle[0]}: no key of Kaggle in the environment; set KAGGLE_USERNAME and KAGGLE_KEY "
            "(or KAGGLE_API_TOKEN), from the settings of your account at Kaggle"
        )
    found = state(settings, shell)
    if not found and not shell.dry:
        raise RefusedError(
            f"VM={settings.vm}: there is none in {settings.zone} of {settings.project}; try: make vm-create"
        )
    if found not in ("", "RUNNING", "TERMINATED"):
        raise RefusedError(f"VM={settings.vm} is {found}; wait until it is RUNNING or TERMINATED, then try again")
    send_source(settings, shell)
    on_vm = [settings.vm, *settings.where]
    shell.run(["gcloud", "compute", "instances", "add-metadata", *on_vm, *metadata(settings)])
    if found != "RUNNING":
        if shell.dry:
            print("# the next two if it is stopped")
        shell.run(["gcloud", "compute", "instances", "set-scheduling", *on_vm, *limit(settings)])
        shell.run(["gcloud", "compute", "instances", "start", *on_vm])
    for _ in range(6):  # the installation of a driver reboots the VM
        wait_for_ssh(settings, shell)
        code = shell.status(ssh(settings, SET_UP))
        if code != LOST:
            break
    if code:
        raise RefusedError(
            f"glc is not installed on {settings.vm}, see above; try again: make vm-run, or look: make vm-ssh"
        )
    begin = ssh(settings, "sudo bash /opt/glc/source/deploy/gcp/begin.sh")
    if shell.dry:
        print("# standard input of the next:", *(f"{key}={value}" for key, value in environment.items()))
        print("#   secrets, from the environment:", *(secrets or ["none of", *SECRETS]))
    lines = [f"{key}={value}\n" for key, value in (environment | secrets).items()]
    shell.run(begin, stdin="".join(lines))
    print(f"# {settings.experiment} runs; look: make vm-logs; it ends in gs://{settings.bucket}/results")


def log_in(settings: Settings, shell: Shell) -> None:
    """A shell on the VM; meanwhile the scheduler's page, on loopback there, is at http://localhost:8082 here."""
    shell.run([*ssh(settings), "--", "-L", "8082:localhost:8082"], "is it running? make vm-run starts it")


def logs(settings: Settings, shell: Shell) -> None:
    """Follow the logs of a running VM; of a stopped one, print what it left in the bucket."""
    found = state(settings, shell)
    if shell.dry or found == "RUNNING":
        code = shell.status(ssh(settings, "sudo tail -n +1 -F /var/log/glc-startup.log /opt/glc/logs/run.log"))
        if code:
            print("# the connection has ended; once the VM is stopped, make vm-logs reads the bucket", file=sys.stderr)
    if shell.dry:
        print("# or, if it is stopped")
    if found != "RUNNING":
        shell.run(
            ["gcloud", "storage", "cat", f"gs://{settings.bucket}/logs/{settings.vm}/*.log"],
            "logs come there when a run ends",
        )


def delete(settings: Settings, shell: Shell) -> None:
    """Delete the VM and its disk, after gcloud's own question; the bucket stays."""
    if not state(settings, shell) and not shell.dry:
        raise RefusedError(f"VM={settings.vm}: there is none in {settings.zone} of {settings.project}")
    shell.run(["gcloud", "compute", "instances", "delete", settings.vm, *settings.where])


COMMANDS = {
    "create": (create, ("experiment",)),
    "run": (run, ()),
    "ssh": (log_in, ("experiment", "bucket")),
    "logs": (logs, ("experiment",)),
    "delete": (delete, ("experiment", "bucket")),
}
"""By name, what does it and the settings that it does not need."""


def main() -> int:
    """Exit status of the command line."""
    defaults = {"vm": "glc", "machine": "e2-standard-8", "disk": "100", "hours": "12", "dataset": "virtual:small"}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=COMMANDS)
    for name in Settings.__dataclass_fields__:
        parser.add_argument(f"--{name}", default=defaults.get(name, ""), metavar=name.upper())
    options = vars(parser.parse_args())
    command, unused = COMMANDS[options.pop("command")]
    try:
        settings = checked(options, unused)
        command(settings, Shell(dry=bool(settings.dry)))
    except RefusedError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
