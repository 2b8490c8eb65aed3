"""``make scheduler``: Luigi's central scheduler on loopback, with its state where only its user may write.

Its first page, ``/``, is ours (`glc.report.scheduler`): Luigi's own, at ``/static/visualiser/index.html``, is wider
than a phone and loads its fonts from the network.

    python -m glc.tasks.scheduler [--port N]

The state is a pickle, which runs what it holds when it is read: whoever may write it may run code as its user. So it is
not kept with the outputs, which others may share, but in ``$XDG_STATE_HOME/glc`` (``~/.local/state/glc``).
"""

import argparse
import os
import socket
import stat
import time
from pathlib import Path
from urllib.parse import urlsplit

import tornado.httputil
import tornado.routing
import tornado.web
from luigi import scheduler, server
from luigi.cmdline import luigid

from glc.errors import ConfigError, run_command
from glc.report.scheduler import render
from glc.report.templates import POLICY
from glc.tasks import machine

ADDRESS = "127.0.0.1"
PORT = 8082


def state_folder() -> Path:
    """The folder of the scheduler's state and log, made if it is missing; nobody but its user may enter it."""
    folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "glc"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = folder.stat()
    if facts.st_uid != os.getuid():
        raise ConfigError(f"{folder}: belongs to another user; set XDG_STATE_HOME to a folder of your own")
    if stat.S_IMODE(facts.st_mode) != 0o700:
        folder.chmod(0o700)
    return folder


def check_port(port: int) -> None:
    """Refuse a port that another program listens on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError as error:
            raise ConfigError(
                f"port {port} of {ADDRESS}: {error.strerror}; is a scheduler running already? See "
                f"http://localhost:{port}. Otherwise: make scheduler ARGS='--port N', with default_scheduler_port = N "
                "in conf/luigi-vm.cfg"
            ) from None


class Overview(tornado.web.RequestHandler):
    """The page of what runs, failed and waits."""

    def initialize(self, tasks: scheduler.Scheduler) -> None:
        """Called by Tornado.

        tasks : the scheduler
        """
        self.tasks = tasks

    def get(self) -> None:
        """Answer a browser."""
        self.set_header("Content-Security-Policy", POLICY)
        self.write(render(self.tasks.task_list(limit=False).values(), time.time()))

    def head(self) -> None:
        """Answer a check whether the scheduler is there."""


class _Foreign(tornado.routing.Matcher):
    """Matches requests that another site's page makes through the browser of someone who is logged in here.

    They reach loopback although nobody else on the network does: under a name that its owner points at 127.0.0.1, or
    from a page whose browser says so (``Origin``, ``Sec-Fetch-Site``). A link to the first page may be anywhere.
    """

    def match(self, request: tornado.httputil.HTTPServerRequest) -> dict[str, object] | None:
        """{} for such a request, None for any other."""
        origin = urlsplit(request.headers.get("Origin", f"http://{request.host}")).netloc
        site = request.headers.get("Sec-Fetch-Site", "none")
        own = request.host_name in ("localhost", ADDRESS) and origin == request.host
        return None if own and (site in ("none", "same-origin") or not request.path.startswith("/api/")) else {}


def application(tasks: scheduler.Scheduler) -> tornado.web.Application:
    """Luigi's pages and API for a scheduler, with `Overview` as the first page, for this machine's own requests."""
    made = _luigis_application(tasks)
    refused = tornado.routing.Rule(_Foreign(), tornado.web.ErrorHandler, {"status_code": 403})
    made.default_router.rules.insert(0, refused)
    made.add_handlers(r".*", [(r"/", Overview, {"tasks": tasks})])
    return made


_luigis_application = server.app


def main(arguments: list[str] | None = None) -> None:
    """Run the scheduler until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m glc.tasks.scheduler", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=PORT, help="default: %(default)s")
    port = parser.parse_args(arguments).port
    machine.machine()
    check_port(port)
    folder = state_folder()
    print(f"http://localhost:{port} shows the DAG of: make submission SCHEDULER=central", flush=True)
    print(f"state and log: {folder}", flush=True)
    state = str(folder / "state.pickle")
    server.app = application  # luigid offers no other way to add a page
    luigid(["--address", ADDRESS, "--port", str(port), "--logdir", str(folder), "--state-path", state])


if __name__ == "__main__":
    run_command(main)
