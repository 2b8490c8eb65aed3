"""Hosts of files and of a contest on loopback, which Kaggle's own client talks to."""

import base64
import hashlib
import json
import re
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

TOKEN = "KGAT_secret"
PER_PAGE = 3


@dataclass
class Host:
    """What the stand-in has and what was asked of it.

    files : path -> bytes; served below /files/, with ranges
    zipped : paths that are served as a zip of the file alone
    broken : path -> bytes after which the first connection and those with a range break, one entry each
    answers : service's method -> statuses of the next answers that are errors
    """

    url: str = ""
    files: dict = field(default_factory=dict)
    listed: dict = field(default_factory=dict)
    zipped: dict = field(default_factory=dict)
    broken: dict = field(default_factory=dict)
    answers: dict = field(default_factory=dict)
    submissions: list = field(default_factory=list)
    uploads: dict = field(default_factory=dict)
    pending: int = 0
    scores: tuple = ("0.36242", "0.35111")
    judged: str = "COMPLETE"
    closed: bool = False
    joined: bool = True
    deadline: str = "2099-05-26T23:59:00Z"
    begun: set = field(default_factory=set)
    ranges: list = field(default_factory=list)
    calls: list = field(default_factory=list)
    md5: bool = True
    wrong_md5: bool = False
    kind: str = "application/octet-stream"

    def served(self, path):
        """Bytes of a file as they are sent."""
        return self.zipped.get(path, self.files.get(path))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    host: Host

    def log_message(self, *words):
        pass

    def _json(self, facts, status=200, **headers):
        body = json.dumps(facts).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        host = self.host
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        method = self.path.rpartition("/")[2]
        host.calls.append(method)
        if host.answers.get(method):
            status, message = host.answers[method].pop(0)
            retry = {"Retry_After": "0"} if status == 429 else {}
            return self._json({"code": status, "message": message}, status, **retry)
        if method == "IntrospectToken":
            return self._json({"active": asked["token"] == TOKEN, "username": "someone"})
        if self.headers.get("Authorization") not in (f"Bearer {TOKEN}", _basic("someone", "key")):
            return self._json({"code": 401, "message": "Unauthenticated"}, 401)
        return getattr(self, f"_{method}")(asked)

    def _ListDataFiles(self, asked):
        names = [*self.host.files]
        at = int(asked.get("pageToken") or 0)
        page = [
            {"name": name, "totalBytes": self.host.listed.get(name, len(self.host.files[name])), "ref": name}
            for name in names[at : at + PER_PAGE]
        ]
        more = {"nextPageToken": str(at + PER_PAGE)} if at + PER_PAGE < len(names) else {}
        self._json({"files": page} | more)

    def _DownloadDataFile(self, asked):
        self._lead_to(asked["fileName"])

    def _DownloadDataFiles(self, asked):
        self._lead_to(f"{asked['competitionName']}.zip")

    def _lead_to(self, name):
        if self.host.served(name) is None:
            return self._json({"code": 404, "message": "Not found"}, 404)
        self.send_response(302)
        self.send_header("Location", f"{self.host.url}/files/{name}?signature=once")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _GetCompetition(self, asked):
        facts = {"submissionsDisabled": self.host.closed, "userHasEntered": self.host.joined}
        self._json(facts | {"deadline": self.host.deadline, "ref": asked["competitionName"]})

    def _StartSubmissionUpload(self, asked):
        self._json({"token": asked["fileName"], "createUrl": f"{self.host.url}/upload/{asked['fileName']}"})

    def _CreateSubmission(self, asked):
        ref = 1001 + len(self.host.submissions)
        text = asked.get("submissionDescription", "")
        self.host.submissions.append({"ref": ref, "description": text, "fileName": asked["blobFileTokens"]})
        self._json({"message": "Successfully submitted", "ref": ref})

    def _ListSubmissions(self, asked):
        host = self.host
        status, public, private = host.judged, *host.scores
        if host.pending:
            host.pending -= 1
            status, public, private = "PENDING", "", ""
        error = {"errorDescription": "column is missing"} if status == "ERROR" else {}
        entries = [
            entry | {"status": status, "date": "2026-05-01T10:00:00Z", "publicScore": public, "privateScore": private}
            for entry in host.submissions
        ]
        self._json({"submissions": [entry | error for entry in reversed(entries)]})

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.host.answers.get("PUT"):
            status, message = self.host.answers["PUT"].pop(0)
            return self._json({"message": message}, status)
        self.host.uploads[self.path.rpartition("/")[2]] = body
        self._json({})

    def do_GET(self):
        host, name = self.host, unquote(self.path.partition("?")[0]).removeprefix("/files/")
        body = host.served(name)
        if host.answers.get("GET"):
            status, message = host.answers["GET"].pop(0)
            return self._json({"message": message}, status, Retry_After="0")
        if body is None:
            return self._json({"message": "no such file"}, 404)
        tag, at = f'"{hashlib.sha256(body).hexdigest()[:12]}"', 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and self.headers.get("If-Range", tag) == tag:
            at = int(asked[1])
            host.ranges.append((name, at))
        self.send_response(206 if at else 200)
        if at:
            self.send_header("Content-Range", f"bytes {at}-{len(body) - 1}/{len(body)}")
        digest = hashlib.md5(b"other" if host.wrong_md5 else body).digest()
        if host.md5:
            self.send_header("x-goog-hash", f"crc32c=AAAAAA==,md5={base64.b64encode(digest).decode()}")
        self.send_header("ETag", tag)
        self.send_header("Content-Type", host.kind)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(body) - at))
        self.end_headers()
        if host.broken.get(name) and (at or name not in host.begun):
            host.begun.add(name)
            self.wfile.write(body[at : at + host.broken[name].pop(0)])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return None
        self.wfile.write(body[at:])
        return None


class Server(ThreadingHTTPServer):
    """One whose clients may go away."""

    def handle_error(self, request, client_address):
        pass


def _basic(user, key):
    return f"Basic {base64.b64encode(f'{user}:{key}'.encode()).decode()}"


@contextmanager
def running():
    """A `Host` that answers on loopback."""
    host = Host()
    handler = type("Bound", (Handler,), {"host": host})
    server = Server(("127.0.0.1", 0), handler)
    host.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
