"""Fixtures that all tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def spark():
    """The one Spark session of the test run."""
    from glc.etl.spark import session

    return session(memory="1g")


@pytest.fixture(scope="session")
def shared_data():
    """Folder of the shared real data, or a skip that says how to get it."""
    folder = os.environ.get("GLC_SHARED_DATA")
    if not folder:
        pytest.skip("GLC_SHARED_DATA is not set: no real data to test against")
    if not Path(folder).is_dir():
        pytest.skip(f"GLC_SHARED_DATA={folder} is not a folder: no real data to test against")
    return Path(folder).resolve()
