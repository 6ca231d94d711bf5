"""The pages that take a newcomer to a paid card, and officers and strangers on from there, are run as they stand."""

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
TOUR = ROOT / "docs" / "privacy-tour.md"
EVIDENCE = ROOT / "docs" / "evidence-tour.md"
DONE_WITHIN_S = 180
STOP_TRIES, STOP_POLL_S = 100, 0.1


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page's steps need curl, which is not installed here")
@pytest.mark.parametrize(
    "pages",
    [
        [PAGE],
        pytest.param([PAGE, TOUR], marks=pytest.mark.nightly),
        pytest.param([PAGE, EVIDENCE], marks=pytest.mark.nightly),
    ],
    ids=["first", "tour", "evidence"],
)
def test_the_steps_of_the_pages_do_what_they_say(tmp_path: Path, pages: list[Path]) -> None:
    """Every command in one bash; only the ports and the folder are this test's own."""
    folder = room_for_a_server()
    folder.chmod(0o711)
    blocks = [block for page in pages for block in re.findall(r"```bash\n(.*?)```", page.read_text("utf-8"), re.DOTALL)]
    script = "set -euo pipefail\n" + "\n".join(blocks)
    for port in ("8620", "8621", "8631", "8632"):
        script = script.replace(f"={port}", f"={free_port()}")
    script = script.replace("try/", f"{folder}/").replace("exec python3 x.py suyuan", "exec suyuan")
    script = script.replace("python3 x.py suyuan", "command suyuan").replace(".venv/bin/python", "python")
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
    if TOUR in pages:
        assert "王芳" in said, "the order opened nothing"
        assert "13800138000" not in said, "a number was shown whole"
        assert "The photo left by the read" in said
        assert "online.seller: 电子商务法 2018, 31" in said
        assert "is a good certificate" in said
    if EVIDENCE in pages:
        seen_by = re.findall(r"payout_paid/1 seen by (.*)", said)
        # Whoever answers first stands first.
        assert [sorted(one.split()) for one in seen_by] == [["notary.example/witness", "partner.example/witness"]]
        assert "papers/opened-" in said, "the order attested nothing"
        assert said.count("Signature Verified Successfully") == 4, "log by Ed25519 and SM2, and both witnesses"
        assert "NOT to be believed" in said
        assert "entries are as they were signed" in said


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
