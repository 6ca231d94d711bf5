"""`suyuan witness` as a partner runs it: a key, a file of logs, a process that is killed and stopped."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from suyuan.evidence.check import read_vkey
from suyuan.evidence.log.note import vkey_text
from suyuan.evidence.witness.key import FILE
from suyuan.evidence.witness.memory import origin_hash
from suyuan.faces.simulate.witnesses import RunningWitness
from tests.evidence.small_log import SmallLog

NAME = "partner.example/witness"
LOG, FORK = SmallLog(), SmallLog(forked_at=2)


def suyuan_witness(*arguments: str, lang: str = "C") -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "suyuan", "witness", *arguments], capture_output=True, text=True, check=False,
        env={"LC_ALL": lang},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_a_key_is_made_once(tmp_path: Path) -> None:
    """The second time it is shown; under another name nothing happens."""
    folder = str(tmp_path / "w")
    status, first, _ = suyuan_witness("key", "--data", folder, "--name", NAME)
    assert status == 0
    assert read_vkey(first.strip()).name == NAME
    assert (tmp_path / "w" / FILE).stat().st_mode & 0o777 == 0o600
    assert suyuan_witness("key", "--data", folder, "--name", NAME)[:2] == (0, first)
    status, shown, _ = suyuan_witness("key", "--data", folder, "--name", NAME, "--json")
    assert json.loads(shown) == {"name": NAME, "vkey": first.strip()}
    status, nothing, why = suyuan_witness("key", "--data", folder, "--name", "another.example")
    assert (status, nothing) == (2, "")
    assert NAME in why
    assert suyuan_witness("key", "--data", folder, "--name", NAME)[1] == first


@pytest.mark.parametrize("name", ["", "two words", "plus+sign", "tab\there", "a" * 300, "line\nbreak"])
def test_a_name_that_no_line_can_carry_makes_no_key(tmp_path: Path, name: str) -> None:
    status, nothing, why = suyuan_witness("key", "--data", str(tmp_path / "w"), "--name", name)
    assert (status, nothing) == (2, "")
    assert "partner.example/witness" in why
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("harm", "says"),
    [("no key", "make its key first"), ("open", "chmod 600"), ("torn", "restore it"), ("no logs", "cannot be read")],
)
def test_what_stops_the_start_says_what_to_do(tmp_path: Path, harm: str, says: str) -> None:
    (tmp_path / "logs.txt").write_text(vkey_text(LOG.vkey))
    if harm != "no key":
        suyuan_witness("key", "--data", str(tmp_path), "--name", NAME)
    if harm == "open":
        (tmp_path / FILE).chmod(0o644)
    elif harm == "torn":
        (tmp_path / FILE).write_text((tmp_path / FILE).read_text()[:-9])
    elif harm == "no logs":
        (tmp_path / "logs.txt").unlink()
    status, nothing, why = suyuan_witness("serve", "--data", str(tmp_path), "--logs", str(tmp_path / "logs.txt"))
    assert (status, nothing) == (2, "")
    assert says in why
    assert "PRIVATE" not in why


def test_a_partner_witnesses_a_log(tmp_path: Path) -> None:
    """Started before it knows the log, told of it, killed, started again; then a fork, and what `show` says of it."""
    folder = tmp_path / "w"
    with RunningWitness(folder, NAME) as witness, httpx.Client(trust_env=False) as client:
        asked = f"{witness.url}/add-checkpoint"
        assert client.post(asked, content=LOG.request(0, 3)).status_code == 404
        witness.watch([vkey_text(LOG.vkey)])
        assert client.post(asked, content=LOG.request(0, 3)).status_code == 200
        witness.kill()
        url = witness.url
        witness.start()
        assert witness.url == url, "where its logs look for it"
        assert client.post(asked, content=LOG.request(3, 5)).status_code == 200
        status, shown, _ = suyuan_witness("show", "--data", str(folder), "--json")
        (log,) = json.loads(shown)["logs"]
        assert status == 0
        assert (log["origin"], log["size"], log["forks"]) == (LOG.origin, 5, [])
        assert client.post(asked, content=FORK.request(5, 5)).status_code == 422
        status, shown, _ = suyuan_witness("show", "--data", str(folder), "--json")
        (log,) = json.loads(shown)["logs"]
        assert status == 1
        assert log["forks"][0]["is_proof"]
        assert Path(log["forks"][0]["file"]).is_file()
        assert "自相矛盾" in suyuan_witness("show", "--data", str(folder), lang="zh_CN.UTF-8")[1]
        assert witness.stop() == 0
        witness.start()
    told = (folder / "witness.log").read_text()
    assert all(json.loads(line) for line in told.splitlines())
    assert "log_contradicts_itself" in told
    assert origin_hash(LOG.origin) in str(log["forks"][0]["file"])


def test_two_cannot_listen_at_one_place(tmp_path: Path) -> None:
    with RunningWitness(tmp_path / "w", NAME) as witness:
        port = witness.url.rpartition(":")[2]
        status, nothing, why = suyuan_witness(
            "serve", "--data", str(tmp_path / "w"), "--logs", str(tmp_path / "w" / "logs.txt"), "--port", port
        )
    assert (status, nothing) == (2, "")
    assert why
