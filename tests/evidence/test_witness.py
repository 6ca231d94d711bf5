"""What a witness answers, and what it remembers; the statuses are those of C2SP tlog-witness."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suyuan.base.clock import SECOND, Micros
from suyuan.evidence.check import EMPTY_ROOT, check_consistency, check_signatures, read_note
from suyuan.evidence.log.note import checkpoint_text, ed25519_signer
from suyuan.evidence.witness.cosigning import SIZE, MemoryIsDamaged, Witness
from suyuan.evidence.witness.memory import FORKS_MAX, Memory, origin_hash
from suyuan.evidence.witness.request import write_request
from suyuan.evidence.witness.watched_logs import WatchedLogs
from tests.evidence.small_log import SmallLog
from tests.evidence.witnesses import NOW, cosigned, open_witness, own_cosigner, remembered, watch

LOG = SmallLog()
FORK = SmallLog(forked_at=4)
HASH = origin_hash(LOG.origin)


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return open_witness(tmp_path, LOG)


def forks(witness_folder: Path) -> list[str]:
    return [file.name for file in Memory(witness_folder / "witness").forks(HASH)]


def test_it_cosigns_what_goes_on_from_what_it_saw(witness: Witness) -> None:
    """First sight, growth, and the note that anybody may fetch afterwards, signed by both."""
    for old, size in ((0, 3), (3, 5), (5, 8), (8, 300)):
        answer = witness.add_checkpoint(LOG.request(old, size), NOW)
        assert cosigned(LOG.note(size), answer).at == NOW // SECOND
        newest = witness.latest(HASH)
        assert newest == LOG.note(size) + answer.body
        assert len(check_signatures(read_note(newest), [LOG.vkey, witness.vkey])) == 2


def test_a_wrong_old_size_hears_the_right_one(witness: Witness) -> None:
    """Also one that asks with 0 because it does not know."""
    witness.add_checkpoint(LOG.request(0, 5), NOW)
    for old in (0, 3, 6):
        answer = witness.add_checkpoint(LOG.request(old, 8), NOW)
        assert answer == (409, SIZE, b"5\n")
    assert remembered(witness, LOG.origin) == 5


def test_the_same_tree_is_cosigned_again(witness: Witness) -> None:
    """With the time of now, which is what makes a quiet log's checkpoint fresh."""
    witness.add_checkpoint(LOG.request(0, 5), NOW)
    later = Micros(NOW + 3600 * SECOND)
    assert cosigned(LOG.note(5), witness.add_checkpoint(LOG.request(5, 5), later)).at == later // SECOND


def test_a_checkpoint_that_is_sent_again_at_once_costs_no_disk(witness: Witness, tmp_path: Path) -> None:
    """Every checkpoint is public, so anybody could have the disk written, and the log wait for it."""
    file = tmp_path / "witness" / "logs" / HASH / "checkpoint"
    first = witness.add_checkpoint(LOG.request(0, 5), NOW)
    written = file.stat().st_ino
    assert witness.add_checkpoint(LOG.request(5, 5), NOW) == first
    assert file.stat().st_ino == written
    # A second later it is another cosignature; and a process that did not write it cannot know that the disk has it.
    assert witness.add_checkpoint(LOG.request(5, 5), Micros(NOW + SECOND)) != first
    written = file.stat().st_ino
    open_witness(tmp_path, LOG).add_checkpoint(LOG.request(5, 5), Micros(NOW + SECOND))
    assert file.stat().st_ino != written


def test_another_tree_of_the_same_size_is_refused_and_kept(witness: Witness, tmp_path: Path) -> None:
    """Two signed trees of one size convict the log, whatever old size was sent with the second."""
    witness.add_checkpoint(LOG.request(0, 5), NOW)
    assert witness.add_checkpoint(FORK.request(5, 5), NOW).status == 422
    assert forks(tmp_path) == [f"proven-5-{FORK.root(5)[:8].hex()}.json"]
    assert witness.add_checkpoint(LOG.request(5, 6), NOW).status == 200
    assert witness.add_checkpoint(SmallLog(forked_at=5).request(0, 6), NOW).status == 409
    assert len(forks(tmp_path)) == 2
    kept = json.loads(Memory(tmp_path / "witness").forks(HASH)[0].read_bytes())
    assert kept["is_proof"]
    assert check_signatures(read_note(kept["refused"].encode()), [LOG.vkey])
    assert check_signatures(read_note(kept["cosigned"].encode()), [LOG.vkey])


def test_a_tree_that_does_not_go_on_is_refused_and_kept(witness: Witness, tmp_path: Path) -> None:
    """A log that was restored from a backup and went another way; the proof is the best that it can make."""
    witness.add_checkpoint(LOG.request(0, 6), NOW)
    assert witness.add_checkpoint(FORK.request(6, 9), NOW).status == 422
    assert forks(tmp_path) == [f"suspected-9-{FORK.root(9)[:8].hex()}.json"]
    assert remembered(witness, LOG.origin) == 6


def test_a_log_can_clear_itself_of_a_suspicion(witness: Witness, tmp_path: Path) -> None:
    """Anybody can send a log's own checkpoint with a proof that is none; that must not stay on the log."""
    witness.add_checkpoint(LOG.request(0, 6), NOW)
    assert witness.add_checkpoint(write_request(6, [bytes(32)], LOG.note(9)), NOW).status == 422
    assert len(forks(tmp_path)) == 1
    assert witness.add_checkpoint(LOG.request(6, 9), NOW).status == 200
    assert forks(tmp_path) == []


def test_suspicions_do_not_fill_the_disk(witness: Witness, tmp_path: Path) -> None:
    """And do not push out what is kept, nor keep a proof from being kept."""
    witness.add_checkpoint(LOG.request(0, 6), NOW)
    for size in range(7, 7 + FORKS_MAX + 5):
        assert witness.add_checkpoint(write_request(6, [], LOG.note(size)), NOW).status == 422
    assert len(forks(tmp_path)) == FORKS_MAX
    assert witness.add_checkpoint(FORK.request(6, 6), NOW).status == 422
    assert [name for name in forks(tmp_path) if name.startswith("proven")]


@pytest.mark.parametrize("seen", [None, 0, 5])
def test_an_empty_tree_has_one_root(witness: Witness, tmp_path: Path, seen: int | None) -> None:
    """The hash of the empty string; a log that signed another one for it has convicted itself."""
    if seen is not None:
        assert witness.add_checkpoint(LOG.request(0, seen), NOW).status == 200
    odd = write_request(0, [], LOG.note(0, root=b"\1" * 32))
    assert witness.add_checkpoint(odd, NOW).status == 422
    assert len(forks(tmp_path)) == 1
    assert remembered(witness, LOG.origin) == (seen or 0)


def test_a_log_may_begin_empty(witness: Witness) -> None:
    assert cosigned(LOG.note(0), witness.add_checkpoint(LOG.request(0, 0), NOW))
    assert LOG.root(0) == EMPTY_ROOT
    assert cosigned(LOG.note(5), witness.add_checkpoint(LOG.request(0, 5), NOW))


@pytest.mark.parametrize("size", [0, 5])
def test_nothing_proves_growth_from_nothing(witness: Witness, size: int) -> None:
    """Every tree goes on from the empty one, so a proof of it is a confusion."""
    assert witness.add_checkpoint(write_request(0, [bytes(32)], LOG.note(size)), NOW).status == 422


def test_the_same_size_takes_no_proof(witness: Witness, tmp_path: Path) -> None:
    """That is the asker's mistake and no mark against the log."""
    witness.add_checkpoint(LOG.request(0, 5), NOW)
    assert witness.add_checkpoint(write_request(5, [bytes(32)], LOG.note(5)), NOW).status == 422
    assert forks(tmp_path) == []


def test_what_it_does_not_sign(witness: Witness) -> None:
    """By status: who asks, for which log, about what, in which form."""
    good = LOG.note(3)
    text, signature = good.split(b"\n\n")
    unsigned_text = checkpoint_text(LOG.origin, 3, LOG.root(3))
    stranger = SmallLog(secret=b"s" * 32)
    elsewhere = SmallLog(origin="other.example/log")
    wrong_byte = signature[:-8] + (b"B" if signature[-8:-7] == b"A" else b"A") + signature[-7:]
    cases = [
        (404, elsewhere.note(3)),
        (404, b""),
        (404, b"\n"),
        (403, stranger.note(3)),
        (403, text + b"\n\n" + wrong_byte),
        (403, good + wrong_byte),
        (400, good[:-1]),
        (400, unsigned_text),
        (400, good.replace(b"\n3\n", b"\n3\r\n")),
        (400, LOG.signed(unsigned_text + b"an extension\n")),
        (400, LOG.signed(f"{LOG.origin}\n03\n{text.split()[-1].decode()}\n".encode())),
        (400, LOG.signed(f"{LOG.origin}\nthree\n{text.split()[-1].decode()}\n".encode())),
        (400, LOG.signed(f"{LOG.origin}\n3\n\n".encode())),
        (400, b"\xff\xfe\n3\n"),
    ]
    for status, note in cases:
        assert witness.add_checkpoint(write_request(0, [], note), NOW).status == status, note
    assert witness.add_checkpoint(LOG.request(4, 3), NOW).status == 400
    assert remembered(witness, LOG.origin) == 0


def test_lines_of_strangers_are_neither_looked_at_nor_kept(witness: Witness) -> None:
    """Among them one that looks like the witness's own: kept, it would make the newest checkpoint unreadable."""
    text = checkpoint_text(LOG.origin, 3, LOG.root(3))
    own = own_cosigner().line(text, 1)
    forged = own.replace(own[-20:-10], own[-20:-10][::-1])
    strange = ed25519_signer("stranger.example", SmallLog(secret=b"s" * 32).signer).line(text)
    answer = witness.add_checkpoint(write_request(0, [], LOG.note(3) + forged + strange), NOW)
    assert witness.latest(HASH) == LOG.note(3) + answer.body
    assert witness.add_checkpoint(LOG.request(3, 5), NOW).status == 200


def test_times_never_decrease(witness: Witness) -> None:
    """Set back by a day, the clock is not believed: a smaller tree was the largest one then."""
    witness.add_checkpoint(LOG.request(0, 3), NOW)
    back = Micros(NOW - 86_400 * SECOND)
    assert cosigned(LOG.note(5), witness.add_checkpoint(LOG.request(3, 5), back)).at == NOW // SECOND
    assert cosigned(LOG.note(5), witness.add_checkpoint(LOG.request(5, 5), back)).at == NOW // SECOND


def test_a_log_rotates_its_key(tmp_path: Path) -> None:
    """Old key, both, new key: the history goes on, and the last line is only the new key's."""
    new = SmallLog(secret=b"n" * 32)
    file = watch(tmp_path, [LOG.vkey])
    witness = Witness(tmp_path / "witness", own_cosigner(), WatchedLogs(file))
    assert witness.add_checkpoint(new.request(0, 3), NOW).status == 403
    assert witness.add_checkpoint(LOG.request(0, 3), NOW).status == 200
    watch(tmp_path, [LOG.vkey, new.vkey])
    text = checkpoint_text(LOG.origin, 5, LOG.root(5))
    both = LOG.note(5) + new.note(5).removeprefix(text + b"\n")
    answer = witness.add_checkpoint(write_request(3, LOG.proof(3, 5), both), NOW)
    assert witness.latest(HASH) == both + answer.body
    one_is_bad = LOG.note(6) + new.note(7).split(b"\n\n")[1]
    assert witness.add_checkpoint(write_request(5, LOG.proof(5, 6), one_is_bad), NOW).status == 403
    watch(tmp_path, [new.vkey])
    assert witness.add_checkpoint(LOG.request(5, 6), NOW).status == 403
    assert witness.add_checkpoint(new.request(5, 6), NOW).status == 200


def test_it_goes_on_after_a_restart(tmp_path: Path) -> None:
    open_witness(tmp_path, LOG).add_checkpoint(LOG.request(0, 5), NOW)
    again = open_witness(tmp_path, LOG)
    assert again.add_checkpoint(LOG.request(0, 8), NOW) == (409, SIZE, b"5\n")
    assert again.add_checkpoint(LOG.request(5, 8), NOW).status == 200


def test_a_log_that_was_not_watched_for_a_while_is_remembered(tmp_path: Path) -> None:
    """Otherwise taking a line out of the file and putting it back would let a fork pass."""
    open_witness(tmp_path, LOG).add_checkpoint(LOG.request(0, 5), NOW)
    without = open_witness(tmp_path, SmallLog("other.example/log"))
    assert without.add_checkpoint(LOG.request(5, 6), NOW).status == 404
    assert without.latest(HASH) is not None, "a monitor may still ask"
    assert open_witness(tmp_path, LOG).add_checkpoint(FORK.request(0, 5), NOW).status == 409


@pytest.mark.parametrize("harm", ["torn", "empty", "flipped", "other_log", "other_key", "garbage"])
def test_a_damaged_memory_signs_nothing(tmp_path: Path, harm: str) -> None:
    """A witness that went on from what it cannot read would sign whatever it is shown."""
    witness = open_witness(tmp_path, LOG)
    witness.add_checkpoint(LOG.request(0, 5), NOW)
    file = tmp_path / "witness" / "logs" / HASH / "checkpoint"
    note = file.read_bytes()
    other = LOG.note(5)
    text = checkpoint_text("other.example", 5, LOG.root(5))
    harmed = {
        "torn": note[: len(note) // 2],
        "empty": b"",
        "flipped": note.replace(b"\n5\n", b"\n4\n"),
        "other_log": text + b"\n" + own_cosigner().line(text, 1),
        "other_key": other,
        "garbage": b"\xff" * 200,
    }
    file.write_bytes(harmed[harm])
    with pytest.raises(MemoryIsDamaged):
        witness.add_checkpoint(LOG.request(5, 6), NOW)
    assert file.read_bytes() == harmed[harm]


@pytest.mark.parametrize("asked", ["", "..", "../../witness.key", HASH.upper(), HASH[:-1], f"{HASH}/", "é" * 64])
def test_only_hashes_of_origins_lead_into_the_folder(witness: Witness, asked: str) -> None:
    witness.add_checkpoint(LOG.request(0, 5), NOW)
    assert witness.latest(asked) is None


def test_strangers_leave_nothing_on_the_disk(witness: Witness, tmp_path: Path) -> None:
    """Anybody may send anything, so only what a watched log's key signed makes so much as a folder."""
    for note in (SmallLog("other.example").note(3), SmallLog(secret=b"s" * 32).note(3), LOG.note(3)[:-1]):
        witness.add_checkpoint(write_request(0, [], note), NOW)
    assert list((tmp_path / "witness" / "logs").iterdir()) == []


steps = st.lists(
    st.tuples(st.sampled_from([LOG, FORK]), st.integers(0, 9), st.integers(-1, 9), st.integers(-50, 50)),
    min_size=1, max_size=12,
)  # fmt: skip


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_whatever_is_asked_all_that_it_cosigned_is_one_history(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[SmallLog, int, int, int]]
) -> None:
    """Two branches that part at the fourth entry, in any order, with right and wrong old sizes and a jumping clock."""
    witness = open_witness(tmp_path_factory.mktemp("any"), LOG)
    signed: list[tuple[SmallLog, int, int]] = []
    for branch, size, told, shift_s in steps:
        newest = signed[-1][1] if signed else 0
        old = newest if told < 0 else told
        answer = witness.add_checkpoint(branch.request(old, size), Micros(NOW + shift_s * SECOND))
        is_one_history = not signed or branch.root(newest) == signed[-1][0].root(newest)
        expected = 400 if old > size else 409 if old != newest else 200 if is_one_history or not newest else 422
        assert answer.status == expected
        if answer.status == 200:
            at = cosigned(branch.note(size), answer).at
            signed.append((branch, size, at or 0))
    for (_, old, earlier), (branch, size, later) in pairwise(signed):
        assert earlier <= later
        check_consistency(old, branch.root(old), size, branch.root(size), branch.proof(old, size))
    assert remembered(witness, LOG.origin) == (signed[-1][1] if signed else 0)
