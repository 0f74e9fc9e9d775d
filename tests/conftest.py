"""What all tests share: where the corpus of real data is, and hypothesis at a steady pace."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "labelkit", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("labelkit")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real data beside the project, or LABELKIT_CORPUS; under CI it must be there."""
    beside = Path(__file__).parents[2] / "shared" / "corpus"
    path = Path(os.environ.get("LABELKIT_CORPUS", beside))
    if not path.is_dir():
        assert os.environ.get("CI") != "true", f"the corpus is missing: {path}"
        pytest.skip(f"no corpus of real data at {path} (set LABELKIT_CORPUS)")
    return path


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program; under CI it must be there."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        assert os.environ.get("CI") != "true", "Chromium is missing (apt-get install chromium)"
        pytest.skip("no Chromium to show the page with (apt-get install chromium)")
    return found
