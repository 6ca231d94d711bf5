"""Requests that other people's witnesses are tested with, and the statuses that those give.

The first log and its requests are those of the witnesses litewitness and Sunlight (their `add-checkpoint` cases, with a
published key); the second those of the transparency.dev witness, whose log `monkeys` has published keys. All say what
C2SP tlog-witness says after its changes of July 2026.
"""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path

import pytest

from suyuan.base.crypto import suite
from suyuan.evidence.check import ED25519, EMPTY_ROOT, Vkey, key_id, read_vkey
from suyuan.evidence.log.note import checkpoint_text, ed25519_signer
from suyuan.evidence.witness.cosigning import SIZE, TEXT, Witness
from suyuan.evidence.witness.memory import Memory, origin_hash
from suyuan.evidence.witness.request import write_request
from suyuan.evidence.witness.watched_logs import WatchedLogs
from tests.evidence.witnesses import NOW, cosigned, own_cosigner, watch

SIGSUM = "sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562"
SIGSUM_KEY = bytes.fromhex("ffdc2d4d98e4124d3feaf788c0c2f9abfd796083d1f0495437f302ec79cf100f")
UNKNOWN = SIGSUM[:-1] + "3"


def sigsum(size: int | str, root: str, signature: str, origin: str = SIGSUM) -> str:
    return f"{origin}\n{size}\n{root}\n" + (f"\n— {origin} UgIom{signature}\n" if signature else "")


AT_1 = sigsum(
    1, "KgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "7fPZTqpxWWhyjWduBvTvGVqsokMbqTArsQilegKoFBJQjUFAmQ0+YeSPM3wfUQMFSzVnnNuWRTYrajXpNUbIQY=",
)  # fmt: skip
ROOT_3 = "RcCI1Nk56ZcSmIEfIn0SleqtV7uvrlXNccFx595Iwl0="
SIGNATURE_3 = "2VbtIcdFbwFAy1n7s6IkAxIY6J/GQOTuZF2ORV39d75cbAj2aQYwyJre36kezNobZs4SUUdrcawfAB8WVrx6go="
AT_3 = sigsum(3, ROOT_3, SIGNATURE_3)
AT_5 = sigsum(
    5, "QrtXrQZCCvpIgsSmOsah7HdICzMLLyDfxToMql9WTjY=",
    "w/EOJmWi0i1FQsOj+etB7F8IccFam/jgd6wzRns4QPVmyEZtdvl1U2KEmLOZ/ASRcWJi0tW90dJWAShei7sDww=",
)  # fmt: skip
FIVE = sigsum(
    "five", "KgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "4JTC2MerrFcJ5xDcWHzRPVB6zzGBIw4OFqcKDflqjH4q4xY5vMxUxyczvdIlEwFYf7ivQU4KoWan2bLmzLx0go=",
)  # fmt: skip
TO_3 = ["KgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "KgIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]
TO_3_WRONG = [TO_3[0], "KgIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABA="]
FROM_1_TO_5 = [TO_3[0], "+fUDV+k970B4I3uKrqJM4aP1lloPZP8mvr2Z4wRw2LI=", "KgQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]
FROM_3_TO_5 = [
    TO_3[1], "KgMAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "wgiIFdZfYNv6WU1OllBKsWnLYIS/DBMqt8Uh/S4OukE=",
    "KgQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
]  # fmt: skip

STORY = [
    ("first cosignature at size 1", 0, [], AT_1, 200),
    ("invalid signature", 1, TO_3, sigsum(3, ROOT_3, SIGNATURE_3.replace("6go=", "6gx=")), 400),
    ("another invalid signature", 1, TO_3, sigsum(3, ROOT_3, SIGNATURE_3.replace("6go=", "6gs=")), 403),
    ("unknown log", 1, TO_3, sigsum(3, ROOT_3, SIGNATURE_3, UNKNOWN), 404),
    ("missing consistency proof", 1, [], AT_3, 422),
    ("wrong consistency proof", 1, TO_3_WRONG, AT_3, 422),
    ("grow to size 3", 1, TO_3, AT_3, 200),
    ("old size doesn't match current", 1, FROM_1_TO_5, AT_5, 409),
    ("grow to size 5", 3, FROM_3_TO_5, AT_5, 200),
    ("old size 0 doesn't match current", 0, [], AT_5, 409),
    ("syntactically invalid note", 5, [], AT_5.partition("\n\n")[0] + "\n", 400),
    ("invalid checkpoint body", 5, [], FIVE, 400),
]
"""In order, since each finds what the one before has left. The second has base64 whose unused bits are not zero, which
Go's reader takes (and then refuses with 403) and ours does not; the third is the same case without that."""


def test_the_story_of_one_log(tmp_path: Path) -> None:
    vkey = Vkey(SIGSUM, key_id(SIGSUM, ED25519, SIGSUM_KEY), ED25519, SIGSUM_KEY)
    witness = Witness(tmp_path / "witness", own_cosigner(), WatchedLogs(watch(tmp_path, [vkey])))
    size = 0
    for name, old, proof, note, status in STORY:
        request = write_request(old, [b64decode(hashed) for hashed in proof], note.encode())
        answer = witness.add_checkpoint(request, NOW)
        assert answer.status == status, (name, answer)
        assert answer.content_type == (SIZE if status == 409 else TEXT), name
        if status == 409:
            assert answer.body == b"%d\n" % size, name
        if status == 200:
            cosigned(note.encode(), answer)
            size = int(note.split("\n")[1])


MONKEYS = "monkeys+db4d9f7e+AULaJMvTtDLHPUcUrjdDad9vDlh/PTfC2VV60JUtCfWT"
MONKEYS_SECRET = b64decode("ATWIAF3yVBG+Hv1rZFQoNt/BaURkLPtOFMAM2HrEeIr6")[1:]
BANANAS_SECRET = b64decode("AdjzytHoXdvn+1vG2UXXqFR3LZ+kvnmQZFretRaKfTIu")[1:]
ROOT_5 = bytes.fromhex("e35b268c1522014ef412d2a54fa94838862d453631617b0307e5c77dcbeefc11")
OTHER_5 = b"\xff" * 8 + ROOT_5[8:]
NEXT = """monkeys
8
V8K9aklZ4EPB+RMOk1/8VsJUdFZR77GDtZUQq84vSbo=

— monkeys 202ffoUEboiQYpHzICeaFmoy3RNviHTpAxYrq/eO4QQVQMvu9UebKBMX2MJC76NLthZaKsnKbCA8GxrjePZhvDCH7Ag=
"""
PROOF = [
    bytes.fromhex(hashed)
    for hashed in (
        "b9e1d62618f7fee8034e4c5010f727ab24d8e4705cb296c374bf2025a87a10d2",
        "aac66cd7a79ce4012d80762fe8eec3a77f22d1ca4145c3f4cee022e7efcd599d",
        "89d0f753f66a290c483b39cd5e9eafb12021293395fad3d4a2ad053cfbcfdc9e",
        "29e40bb79c966f4c6fe96aff6f30acfce5f3e8d84c02215175d6e018a5dee833",
    )
]


def by(secret: bytes, origin: str, size: int, root: bytes) -> bytes:
    text = checkpoint_text(origin, size, root)
    return text + b"\n" + ed25519_signer(origin, suite("ed25519").signer(secret)).line(text)


def monkeys(size: int, root: bytes) -> bytes:
    return by(MONKEYS_SECRET, "monkeys", size, root)


FROM_EMPTY, FROM_4, FROM_5 = monkeys(0, EMPTY_ROOT), monkeys(4, ROOT_5), monkeys(5, ROOT_5)


@pytest.mark.parametrize(
    ("first", "old", "note", "proof", "status"),
    [
        pytest.param(FROM_5, 5, NEXT.encode(), PROOF, 200, id="vanilla consistency happy path"),
        pytest.param(FROM_EMPTY, 0, FROM_EMPTY, [], 200, id="valid zero size hash"),
        pytest.param(FROM_EMPTY, 0, monkeys(0, ROOT_5), [], 422, id="invalid zero size hash"),
        pytest.param(FROM_5, 2, NEXT.encode(), [], 409, id="old size doesn't match current state"),
        pytest.param(FROM_EMPTY, 0, FROM_5, PROOF, 422, id="from size 0 with a proof"),
        pytest.param(FROM_EMPTY, 0, FROM_5, [], 200, id="from size 0 without a proof"),
        pytest.param(FROM_5, 5, FROM_5, [], 200, id="resubmit known checkpoint"),
        pytest.param(FROM_5, 5, monkeys(5, OTHER_5), [], 422, id="resubmit with changed root"),
        pytest.param(FROM_4, 4, FROM_5, [], 422, id="missing proof"),
        pytest.param(FROM_5, 8, FROM_5, PROOF, 400, id="submit smaller checkpoint"),
        pytest.param(FROM_5, 5, NEXT.encode(), [bytes(32)] * 4, 422, id="garbage proof"),
        pytest.param(FROM_5, 0, by(BANANAS_SECRET, "monkeys", 5, ROOT_5), [], 403, id="signed by an untrusted key"),
        pytest.param(FROM_5, 0, by(BANANAS_SECRET, "bananas", 5, ROOT_5), [], 404, id="unknown origin"),
        pytest.param(FROM_5, 0, b"monkeys\nthis is not a checkpoint\n", [], 400, id="malformed checkpoint"),
        pytest.param(FROM_5, 0, b"monkeys", [], 400, id="no newline"),
    ],
)
def test_the_monkeys(tmp_path: Path, first: bytes, old: int, note: bytes, proof: list[bytes], status: int) -> None:
    vkey = read_vkey(MONKEYS)
    witness = Witness(tmp_path / "witness", own_cosigner(), WatchedLogs(watch(tmp_path, [vkey])))
    assert witness.add_checkpoint(write_request(0, [], first), NOW).status == 200
    assert witness.add_checkpoint(write_request(old, proof, note), NOW).status == status


def test_a_real_log_whose_key_has_another_name(tmp_path: Path) -> None:
    """A firmware log of 2024: its key is not named like its origin, so its line in the file names both."""
    note = (
        "transparency.dev/armored-witness/firmware_transparency/ci/2\n56\n7azctENRYLlBCBQ5OX2qxxIKCTOeCda1KfTwjdt0wdA=\n\n"
        "— transparency.dev-aw-ftlog-ci-2 93xidocoWXVph2jEuzW2oovU+IjU71+FeVGKtKXQknSla2HCvr6RYHRSdJfxpo4kj5geqxkjrDXc"
        "bpiSo7lK96X4Dgc=\n"
    )
    vkey = "transparency.dev-aw-ftlog-ci-2+f77c6276+AZXqiaARpwF4MoNOxx46kuiIRjrML0PDTm+c7BLaAMt6"
    origin = note.partition("\n")[0]
    (tmp_path / "logs.txt").write_text(f"{vkey} {origin}\n", "utf-8")
    witness = Witness(tmp_path / "witness", own_cosigner(), WatchedLogs(tmp_path / "logs.txt"))
    assert witness.add_checkpoint(write_request(0, [], note.encode()), NOW).status == 200
    newest = Memory(tmp_path / "witness").newest(origin_hash(origin))
    assert newest is not None
    assert newest.startswith(note.encode())
