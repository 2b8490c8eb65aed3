"""Fixtures of what talks to other machines: hosts on loopback, and nothing of this account's credentials."""

import os

import pytest

from glc.remote import kaggle
from tests.remote import stand_in


@pytest.fixture
def host():
    """A `stand_in.Host` that answers."""
    with stand_in.running() as host:
        yield host


@pytest.fixture
def no_credentials(tmp_path, monkeypatch):
    """No credentials of Kaggle in the environment nor in files."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in [name for name in os.environ if name.startswith("KAGGLE_")]:
        monkeypatch.delenv(name)
    api = kaggle._api_class()
    monkeypatch.setattr(api, "config", str(tmp_path / "home" / "kaggle.json"))
    monkeypatch.setattr(api, "config_values", {})


@pytest.fixture
def at_kaggle(host, no_credentials, monkeypatch):
    """The stand-in in the place of Kaggle, with a token."""
    from kagglesdk import kaggle_env

    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, host.url)
    monkeypatch.setenv("KAGGLE_API_TOKEN", stand_in.TOKEN)
    return host
