"""Cosignatures: good lines of known witnesses are added, and enough of them make the note that proofs stand on."""

from __future__ import annotations

from pathlib import Path

from suyuan.base.crypto import suite
from suyuan.evidence import check
from suyuan.evidence.log.note import checkpoint_text, cosigner, ed25519_signer, sign_note
from suyuan.evidence.log.shard_log import ShardLog, Tiles
from suyuan.evidence.log.stops import Stop
from suyuan.evidence.log.tiles import COSIGNED
from tests.evidence.shards import (
    ENTRIES,
    LOG,
    ORIGIN,
    POLICY,
    WITNESSES,
    checkpoint_of,
    sealed,
    shard_in,
    stop_of,
)

OTHER_KEY = suite("ed25519").signer(b"\7" * 32)


def text_of(note: bytes) -> bytes:
    return check.read_note(note).text


def test_a_checkpoint_collects_its_cosignatures_and_becomes_the_cosigned_one(tmp_path: Path) -> None:
    shard = sealed(shard_in(tmp_path), 300)
    tiles = Tiles(shard.folder)
    with ShardLog.open(shard) as log:
        one, two = (witness.line(text_of(log.note), 1_800_000_000) for witness in WITNESSES[:2])
        assert log.add_cosignatures(one).names == ("witness.example/1",)
        assert tiles.cosigned() is None, "two of three are asked for"
        added = log.add_cosignatures(two)
        assert added.note == log.note == tiles.checkpoint() == tiles.cosigned()
        assert [line.name for line in check.read_note(added.note).signatures][2:] == [
            "witness.example/1", "witness.example/2",
        ]  # fmt: skip
        proof = tiles.proof(7)
        assert proof is not None
        assert len(check.check_proof(proof, ENTRIES[7], POLICY).cosigned) == 2
    with ShardLog.open(shard) as log:
        assert log.note == added.note, "cosignatures are no other checkpoint"


def test_a_proof_stands_on_the_newest_checkpoint_that_enough_have_cosigned(tmp_path: Path) -> None:
    """While the newest one waits for its witnesses, older entries are proved as before."""
    shard = sealed(shard_in(tmp_path), 300)
    tiles = Tiles(shard.folder)
    with ShardLog.open(shard) as log:
        log.add_cosignatures(b"".join(witness.line(text_of(log.note), 1_800_000_000) for witness in WITNESSES))
        log.append(ENTRIES[300:400])
        log.seal()
    proofs = tiles.proof(7), tiles.proof(350)
    assert [checkpoint_of(check.read_proof(proof).note).size for proof in proofs if proof] == [300, 400]
    assert [proof is not None and b"witness" in proof for proof in proofs] == [True, False]


def test_a_late_cosignature_of_an_older_checkpoint_is_not_lost(tmp_path: Path) -> None:
    shard = shard_in(tmp_path)
    sealed(shard, 100)
    with ShardLog.open(shard) as log:
        older = log.note
        log.append(ENTRIES[100:200])
        newer = log.seal()
        lines = b"".join(witness.line(text_of(older), 1_800_000_000) for witness in WITNESSES)
        late = log.add_cosignatures(lines, older)
        assert log.tiles.cosigned() == late.note
        assert log.tiles.checkpoint() == newer, "the published checkpoint is never replaced by a smaller one"
        log.add_cosignatures(b"".join(witness.line(text_of(newer), 1_800_000_001) for witness in WITNESSES))
        log.add_cosignatures(lines, older)
        assert checkpoint_of((shard.folder / COSIGNED).read_bytes()).size == 200


def test_only_good_lines_of_known_witnesses_are_taken(tmp_path: Path) -> None:
    stranger = cosigner("witness.example/9", OTHER_KEY)
    impostor = cosigner("witness.example/1", OTHER_KEY)
    with ShardLog.create(shard_in(tmp_path)) as log:
        first = text_of(log.note)
        log.append(ENTRIES[:9])
        note = log.seal()
        good = WITNESSES[0].line(text_of(note), 5)
        bad = [
            stranger.line(text_of(note), 5),
            impostor.line(text_of(note), 5),
            WITNESSES[1].line(first, 5),
            good.replace("— ".encode(), b"- "),
            b"\xff\xfe\n",
            b"\n\n",
            LOG.line(b"other text\n"),
        ]
        added = log.add_cosignatures(b"".join([*bad, good]))
        assert added.names == ("witness.example/1",)
        assert len(added.refused) == 6
        assert check.read_note(added.note).signatures[:2] == check.read_note(note).signatures
        assert len(check.read_note(log.note).signatures) == 3


def test_the_newest_cosignature_of_a_witness_is_kept(tmp_path: Path) -> None:
    with ShardLog.create(shard_in(tmp_path)) as log:
        text = text_of(log.note)
        for at_s in (50, 70, 60):
            log.add_cosignatures(WITNESSES[0].line(text, at_s))
        signed = check.check_signatures(check.read_note(log.note), [WITNESSES[0].vkey])
        assert [one.at for one in signed] == [70]


def test_without_a_policy_no_cosignature_is_taken(tmp_path: Path) -> None:
    with ShardLog.create(shard_in(tmp_path, policy=None)) as log:
        added = log.add_cosignatures(WITNESSES[0].line(text_of(log.note), 5))
        assert added.names == ()
        assert len(added.refused) == 1
        assert check.read_note(log.note).signatures == check.read_note(added.note).signatures


def test_a_note_that_this_log_did_not_sign_collects_nothing(tmp_path: Path) -> None:
    with ShardLog.create(shard_in(tmp_path)) as log:
        foreign = sign_note(checkpoint_text(ORIGIN, 0, check.EMPTY_ROOT), [ed25519_signer(ORIGIN, OTHER_KEY)])
        lines = b"".join(witness.line(text_of(foreign), 5) for witness in WITNESSES)
        assert stop_of(lambda: log.add_cosignatures(lines, foreign)) is Stop.CHECKPOINT_IS_NOT_OURS
        assert log.tiles.cosigned() is None


def test_a_damaged_cosigned_note_is_replaced(tmp_path: Path) -> None:
    with ShardLog.create(shard_in(tmp_path)) as log:
        (log.shard.folder / COSIGNED).write_bytes(b"torn")
        log.add_cosignatures(b"".join(witness.line(text_of(log.note), 5) for witness in WITNESSES))
        assert log.tiles.cosigned() == log.note
