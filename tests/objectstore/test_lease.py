"""One machine makes an output; a machine that is gone does not block the others."""

import threading

import pytest

from glc.objectstore import lease

PATH = "store/tiny/Task-0123/.lease"


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(lease, "POLL", 0.01)
    monkeypatch.setattr(lease, "RENEW", 0.01)


def test_a_lease_is_there_while_it_is_held(store):
    with lease.held(store, PATH, lambda: False, pytest.fail):
        assert b'"host"' in store.read(PATH)
    assert store.read(PATH) is None


def test_a_lease_is_given_back_after_an_error(store):
    with pytest.raises(ZeroDivisionError), lease.held(store, PATH, lambda: False, pytest.fail):
        raise ZeroDivisionError
    assert store.read(PATH) is None


def test_another_machine_waits_until_the_first_is_done(store):
    entered, waited, order = threading.Event(), threading.Event(), []

    def first():
        with lease.held(store, PATH, lambda: False, pytest.fail):
            entered.set()
            waited.wait(10)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    entered.wait(10)
    with lease.held(store, PATH, lambda: False, lambda host: waited.set()):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_waiting_ends_when_the_output_is_finished(store):
    store.write(PATH, b'{"host": "vm", "token": "x"}')
    with lease.held(store, PATH, lambda: True, pytest.fail):
        pass
    assert store.read(PATH) == b'{"host": "vm", "token": "x"}'


@pytest.mark.parametrize("content", [b'{"host": "vm", "token": "x"}', b"{not", b"[]"])
def test_a_lease_that_is_not_renewed_is_taken(store, monkeypatch, content):
    monkeypatch.setattr(lease, "EXPIRES", 0.05)
    store.write(PATH, content)
    hosts = []
    with lease.held(store, PATH, lambda: False, hosts.append):
        assert store.read(PATH) != content
    assert hosts == ["vm" if b"vm" in content else "unknown"]


def test_a_machine_that_lost_its_lease_does_not_take_it_back(store):
    with lease.held(store, PATH, lambda: False, pytest.fail):
        store.write(PATH, b'{"token": "other"}')
        threading.Event().wait(0.1)
        assert store.read(PATH) == b'{"token": "other"}'
    assert store.read(PATH) == b'{"token": "other"}'
