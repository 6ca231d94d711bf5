"""The page that takes a newcomer from nothing to a paid card is run, step by step, as it stands."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import clear, room_for_a_server

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "first-platform.md"
DONE_WITHIN_S = 180
STOP_TRIES, STOP_POLL_S = 100, 0.1


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page's steps need curl, which is not installed here")
def test_the_steps_of_the_first_platform_end_in_a_paid_card(tmp_path: Path) -> None:
    """Every command of the page in one bash; only the ports and the folder are this test's own."""
    folder = room_for_a_server()
    folder.chmod(0o711)
    script = "set -euo pipefail\n" + "\n".join(re.findall(r"```bash\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL))
    for port in ("8620", "8621"):
        script = script.replace(f"={port}", f"={free_port()}")
    script = script.replace("try/", f"{folder}/").replace("python3 x.py suyuan", "suyuan-of-this-environment")
    script = script.replace("suyuan-of-this-environment", "command suyuan").replace(".venv/bin/python", "python")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"SUYUAN_HOME": str(tmp_path), "LANG": "C.UTF-8", "PATH": path}
    with subprocess.Popen(
        ["bash", "-c", script], cwd=ROOT, env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as running:  # fmt: skip
        try:
            said, _ = running.communicate(timeout=DONE_WITHIN_S)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            said, _ = running.communicate()
            pytest.fail(f"the page's steps do not come to an end:\n{said}")
        finally:
            end(running.pid)
    result = (folder / "cards.result.csv").read_text("utf-8-sig") if (folder / "cards.result.csv").exists() else ""
    clear(folder / "data" / "pg")
    assert running.returncode == 0, said
    assert ",paid," in result, said + result
    assert "123456789012345678" not in said + result, "a PIN was shown"


def end(group: int) -> None:
    """Stops the platform and the sandbox that the script left running, as `kill %1 %2` does for a person."""
    for number in [signal.SIGTERM] * STOP_TRIES + [signal.SIGKILL]:
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            return
        time.sleep(STOP_POLL_S)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
