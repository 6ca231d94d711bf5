"""One shard goes on from another, and both have signed that it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from suyuan.base.crypto import suite
from suyuan.evidence import check
from suyuan.evidence.log import links
from suyuan.evidence.log.links import Link, check_link, read_link
from suyuan.evidence.log.note import ed25519_signer, sign_note
from suyuan.evidence.log.shard import Shard
from suyuan.evidence.log.shard_log import ShardLog
from suyuan.evidence.log.stops import LogStopped, Stop
from suyuan.evidence.log.tiles import LINK, NEXT
from tests.evidence import naive_tree
from tests.evidence.shards import ENTRIES, LOG, ORIGIN, checkpoint_of, sealed, shard_in

NEW_ORIGIN = "suyuan.example/log/2027"
NEW_KEY = ed25519_signer(NEW_ORIGIN, suite("ed25519").signer(b"\5" * 32))


@pytest.fixture
def logs(tmp_path: Path) -> tuple[ShardLog, ShardLog]:
    """The old one, sealed at 300 entries, and the new one, begun."""
    return ShardLog.open(sealed(shard_in(tmp_path), 300)), ShardLog.create(new_shard(tmp_path))


def new_shard(folder: Path, origin: str = NEW_ORIGIN) -> Shard:
    key = ed25519_signer(origin, suite("ed25519").signer(b"\5" * 32))
    return Shard(folder / origin.rpartition("/")[2], origin, (key,))


def test_a_link_says_where_one_ends_and_the_other_begins(logs: tuple[ShardLog, ShardLog]) -> None:
    old, new = logs
    note = links.link(old.shard, old.signed, new.shard, first_seq=317)
    assert (old.shard.folder / NEXT).read_bytes() == (new.shard.folder / LINK).read_bytes() == note
    expected = Link(ORIGIN, 300, naive_tree.root(ENTRIES[:300]), NEW_ORIGIN, 317)
    assert check_link(note, [LOG.vkey], [NEW_KEY.vkey]) == expected
    assert check.read_note(note).text.startswith(b"suyuan-link-v1\nsuyuan.example/log/2026\n300\n")


def test_a_shard_that_is_continued_takes_nothing_more(logs: tuple[ShardLog, ShardLog]) -> None:
    """Also by a writer that had it open."""
    old, new = logs
    links.link(old.shard, old.signed, new.shard, first_seq=317)
    new.append(ENTRIES[:3])
    with pytest.raises(LogStopped, match=r"continued by another one \(next\)") as stopped:
        old.append(ENTRIES[300:301])
    assert stopped.value.code is Stop.SHARD_IS_CLOSED
    old.close()
    with ShardLog.open(old.shard) as again:
        assert checkpoint_of(again.seal()).size == 300


def test_a_link_that_was_cut_off_is_finished_and_done_again_is_the_same(logs: tuple[ShardLog, ShardLog]) -> None:
    old, new = logs
    note = links.link(old.shard, old.signed, new.shard, first_seq=317)
    for lost in (old.shard.folder / NEXT, new.shard.folder / LINK):
        lost.unlink()
        new.append(ENTRIES[new.size : new.size + 1])
        new.seal()
        assert links.link(old.shard, old.signed, new.shard, first_seq=317) == note
        assert lost.read_bytes() == note


def test_a_shard_is_continued_once(logs: tuple[ShardLog, ShardLog], tmp_path: Path) -> None:
    old, new = logs
    links.link(old.shard, old.signed, new.shard, first_seq=317)
    other = ShardLog.create(new_shard(tmp_path, "suyuan.example/log/2026-2"))
    for following, first_seq in ((other, 317), (new, 318)):
        with pytest.raises(LogStopped) as stopped:
            links.link(old.shard, old.signed, following.shard, first_seq=first_seq)
        assert stopped.value.code is Stop.SHARD_IS_CLOSED
    assert not (other.shard.folder / LINK).exists()


def test_a_disk_that_refuses_is_said(logs: tuple[ShardLog, ShardLog]) -> None:
    old, new = logs
    (new.shard.folder / "link.new").mkdir()
    with pytest.raises(LogStopped, match="disk refused link"):
        links.link(old.shard, old.signed, new.shard, first_seq=317)


def test_a_link_needs_both_sides(logs: tuple[ShardLog, ShardLog]) -> None:
    old, new = logs
    text = check.read_note(links.link(old.shard, old.signed, new.shard, first_seq=317)).text
    both = [LOG.vkey], [NEW_KEY.vkey]
    assert check_link(sign_note(text, [LOG, NEW_KEY]), *both) is not None
    for signer in (LOG, NEW_KEY):
        with pytest.raises(check.BadEvidence):
            check_link(sign_note(text, [signer]), *both)
    assert check_link(sign_note(text, [LOG, NEW_KEY]), [NEW_KEY.vkey], [LOG.vkey]) is None, "the wrong way round"
    assert check_link(sign_note(b"suyuan-link-v1\n" + text, [LOG, NEW_KEY]), *both) is None
    with pytest.raises(check.BadEvidence):
        check_link(sign_note(text.replace(b"317", b"318"), [LOG]) + NEW_KEY.line(text), *both)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"-v1", b"-v2"),
        (b"300", b"0300"),
        (b"317\n", b"317\nmore\n"),
        (b"317", b"-1"),
        (b"=\n", b"\n"),
        (b"/log/", b"\xff"),
    ],
)
def test_another_spelling_is_no_link(old: bytes, new: bytes) -> None:
    text = links.link_text(Link(ORIGIN, 300, bytes(32), NEW_ORIGIN, 317))
    assert read_link(text) is not None
    assert read_link(text.replace(old, new)) is None
