"""Where the public test vectors lie: in `shared/vectors`, beside the project's folder.

They are facts that others stated, too many to write into tests. A stranger's clone has no such folder, so there the
tests that need it are skipped, and say so; where `CI` is true, a missing folder is a failure.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of public vectors; `SOURCES.md` in it says where each comes from."""
    folder = ROOT.parent / "shared" / "vectors"
    if (folder / "SOURCES.md").is_file():
        return folder
    sentence = f"the public vectors are missing: expected them in {folder}"
    if os.environ.get("CI") == "true":
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)
