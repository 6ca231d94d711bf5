"""The commands in a bundle's README are run as they stand there, by a shell, with programs that others wrote."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from suyuan.evidence.bundle.packing import assemble
from suyuan.evidence.bundle.timestamp import request
from suyuan.faces.evidence_page import html
from suyuan.history.events import PayoutPaid
from tests.evidence.authorities_of_time import Authority
from tests.evidence.bundles import SmallLog, bundle_of, contents_of, files_of

COMMANDS = re.compile(r"```sh\n(.*?)```", re.DOTALL)
README = {"en": "README.md", "zh": "README.zh-CN.md"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    authority = Authority(tmp_path_factory.mktemp("tsa"))
    log = SmallLog()
    exhibits = [log.exhibit(1, ("at", "kind", "seq", "paid")), log.exhibit(3, ("seq", "paid"))]
    contents = contents_of(exhibits, tsa_chain=authority.roots)
    return files_of(bundle_of(contents, lambda digest: authority.reply(request(digest, 1 << 62))))


def laid_out(files: dict[str, bytes], folder: Path) -> Path:
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return folder


def ran(folder: Path, commands: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-eu", "-c", commands], cwd=folder, capture_output=True, text=True, check=False)


def test_both_languages_have_the_same_commands(files: dict[str, bytes]) -> None:
    english, chinese = (COMMANDS.findall(files[name].decode()) for name in README.values())
    assert english == chinese
    assert len(english) == 10


@pytest.mark.parametrize("language", README)
def test_every_command_runs_and_finds_the_bundle_good(files: dict[str, bytes], language: str, tmp_path: Path) -> None:
    """Digests, time stamp, member, entry, place in the log, two signatures of the log and two cosignatures."""
    text = files[README[language]].decode()
    done = ran(laid_out(files, tmp_path), "".join(COMMANDS.findall(text)))
    assert done.returncode == 0, done.stderr
    assert "Verification: OK" in done.stderr + done.stdout
    assert done.stdout.count("Signature Verified Successfully") == 4
    assert done.stdout.count("2026") >= 2, "when the witnesses saw it"


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def in_line(proof: bytes, number: int) -> bytes:
    """A letter in the middle of the signature line of this number exchanged for another."""
    line = re.findall(rb"(?m)^\xe2\x80\x94 .*$", proof)[number]
    place = proof.index(line) + len(line) - 20
    return proof[:place] + (b"A" if proof[place : place + 1] != b"A" else b"B") + proof[place + 1 :]


PROOF, OPENINGS, LEAF = "records/11/record.tlog-proof", "records/11/openings.json", "records/11/leaf.bin"
# The steps by their numbers, and something that each of them alone must see.
BREACHES: dict[int, tuple[str, Callable[[bytes], bytes]]] = {
    1: ("custody.json", lambda content: flipped(content, 40)),
    2: ("custody.json", lambda content: flipped(content, 40)),
    3: ("manifest.json", lambda content: content.replace(b"text/html", b"text/htmL")),
    4: (OPENINGS, lambda content: re.sub(rb'"commitments":\["..', b'"commitments":["AA', content)),
    5: (LEAF, lambda content: flipped(content, 3)),
    6: (PROOF, lambda content: content.replace(b"index 1\n", b"index 3\n")),
    7: (PROOF, lambda content: in_line(content, 0)),
    8: (PROOF, lambda content: in_line(content, 1)),
    9: (PROOF, lambda content: in_line(content, 2)),
    10: (PROOF, lambda content: in_line(content, 3)),
}


@pytest.mark.parametrize("number", BREACHES)
def test_each_step_sees_what_it_is_there_for(files: dict[str, bytes], number: int, tmp_path: Path) -> None:
    """Run behind those only whose files it goes on from, the fifth and sixth."""
    steps = COMMANDS.findall(files["README.md"].decode())
    name, breach = BREACHES[number]
    folder = laid_out(files | {name: breach(files[name])}, tmp_path)
    before = "".join(steps[4 : min(number - 1, 6)])
    assert ran(folder, before).returncode == 0
    assert ran(folder, before + steps[number - 1]).returncode != 0


def test_a_value_with_quotes_stands_in_a_command_as_it_is(tmp_path: Path) -> None:
    """A member whose text would end a quotation in a shell, were it not quoted."""
    log = SmallLog([PayoutPaid("rdm_1", "'; exit 1; '@SALT@ $(exit 1) `exit 1` \\ \"", 8000, "money")] * 2)
    contents = contents_of([log.exhibit(0, ("reference",))])
    files = assemble(contents, html(contents)).files
    done = ran(laid_out(files, tmp_path), "".join(COMMANDS.findall(files["README.md"].decode())))
    assert done.returncode == 0, done.stderr
