"""What holds for every test: nothing is read from, or left in, the user's own folders."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True, scope="session")
def _own_data_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """History and registered models of the test session, away from those of whoever runs it."""
    patch = pytest.MonkeyPatch()
    patch.setenv("HEADSTART_DATA", str(tmp_path_factory.mktemp("data")))
