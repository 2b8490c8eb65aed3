"""What a store's library would repeat for minutes ends soon, with a message that says what to do."""

import asyncio
import socket
import time

import pytest

from glc.objectstore import Store, StoreError, connection
from tests.objectstore.google import Refusing, service_account

URL = "gs://bucket/runs"


@pytest.fixture
def google(monkeypatch):
    """Starts a stand-in that refuses, as what Google's library talks to."""
    servers = []

    def start(status, message):
        servers.append(Refusing(status, message))
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", servers[-1].url)
        return servers[-1]

    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", "/nowhere")
    yield start
    for server in servers:
        server.close()


def _store():
    return Store(URL, lambda: connection.connect("gs"))


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "Invalid Credentials"),
        (401, "Anonymous caller does not have storage.objects.create access to the Google Cloud Storage object."),
        (403, "glc@glc.example does not have storage.objects.create access to the Google Cloud Storage object."),
    ],
)
def test_a_refusal_of_google_names_the_remedy_soon(google, status, message):
    server, began = google(status, message), time.monotonic()
    refusal = f"^{URL}: access is denied .*{message}.*gcloud auth application-default"
    with pytest.raises(StoreError, match=refusal) as raised:
        _store().write(".glc", b"{}")
    assert "\n" not in str(raised.value)
    assert server.requests <= connection.REFUSALS
    assert time.monotonic() - began < 20


def test_a_key_that_google_does_not_take_is_refused_at_once(google, monkeypatch, tmp_path):
    server = google(400, "Invalid JWT Signature.")
    key = service_account(tmp_path / "key.json", server.url)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    with pytest.raises(StoreError, match=f"^{URL}: access is denied .*GOOGLE_APPLICATION_CREDENTIALS"):
        _store().write(".glc", b"{}")
    assert server.requests == 1


def test_a_server_that_is_silent_is_given_up(google, monkeypatch):
    monkeypatch.setattr(connection, "QUIET", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{silent.getsockname()[1]}")
        text = f"^{URL}: reading a/b failed .*nothing was transferred for 1 s.*check the connection and run the same"
        with pytest.raises(StoreError, match=text):
            _store().read("a/b")


class _Files:
    """A file system with the event loop of fsspec."""

    def __init__(self) -> None:
        from fsspec.asyn import get_loop

        self.loop = get_loop()


def test_a_slow_transfer_is_not_given_up_while_it_moves(monkeypatch):
    monkeypatch.setattr(connection, "QUIET", 0.4)

    async def slowly(callback):
        callback.set_size(5)
        for _ in range(5):
            await asyncio.sleep(0.2)
            callback.relative_update(1)
        return callback.value

    assert connection.patiently(_Files(), slowly, callback=connection.Progress()) == 5


def test_a_transfer_that_always_breaks_at_the_same_place_does_not_move(monkeypatch):
    monkeypatch.setattr(connection, "QUIET", 0.4)

    async def again_and_again(callback):
        while True:
            callback.set_size(5)
            await asyncio.sleep(0.1)
            callback.relative_update(3)

    with pytest.raises(connection.SilenceError, match="nothing was transferred for 0 s"):
        connection.patiently(_Files(), again_and_again, callback=connection.Progress())
