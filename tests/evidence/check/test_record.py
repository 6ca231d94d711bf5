"""Records: members that are shown fit the entry, and nothing that was not logged can be shown."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.base import wire
from suyuan.evidence.check import BadEvidence, Wrong, canonical, entry_of, member, read_canonical, record_entry
from tests.evidence.check import made_bundle

ALL = ("at", "kind", "paid", "redemption", "seq", "source", "subjects/0")
SEQ = 103


def parts(*shown: str) -> tuple[bytes, bytes]:
    files = made_bundle.record_files(SEQ, shown or ALL, b"")
    return files[f"records/{SEQ}/record.json"], files[f"records/{SEQ}/openings.json"]


def code_of(record: bytes, openings: bytes) -> Wrong | None:
    try:
        record_entry(record, openings)
    except BadEvidence as bad:
        return bad.code
    return None


@pytest.mark.parametrize("shown", [("seq",), ("kind", "paid"), ("subjects/0",), ALL])
def test_whatever_is_shown_the_entry_is_the_same(shown: tuple[str, ...]) -> None:
    assert record_entry(*parts(*shown)) == made_bundle.entry(SEQ)


def test_the_entry_is_what_its_definition_says() -> None:
    commitments = made_bundle.commitments(SEQ)
    assert commitments[3] == hashlib.sha256(made_bundle.salt(SEQ, 3) + b'"paid":8000').digest()
    said = b"suyuan record 1\nseq\nat\nkind\npaid\nredemption\nsource\nsubjects/0\n\n" + b"".join(commitments)
    assert entry_of(made_bundle.names(), commitments) == hashlib.sha256(said).digest() == made_bundle.entry(SEQ)


def test_what_is_not_shown_is_in_no_file() -> None:
    record, openings = parts("seq", "paid")
    for hidden in (b"rdm_1", made_bundle.base64(made_bundle.salt(SEQ, 4)).encode(), b'"redemption":'):
        assert hidden not in record + openings


def test_a_changed_value_is_named() -> None:
    record, openings = parts()
    with pytest.raises(BadEvidence, match=r'record.json: The record\'s "paid" is not what was logged'):
        record_entry(record.replace(b"8000", b"9000"), openings)


def test_openings_of_another_record_or_member_do_not_fit() -> None:
    """Swapped openings: those of record 104, and two members of one record with each other's salts."""
    other = made_bundle.record_files(104, ALL, b"")["records/104/openings.json"]
    assert code_of(parts()[0], other) is Wrong.RECORD_IS_NOT_WHAT_WAS_LOGGED
    record, openings = parts()
    crossed = json.loads(openings)
    crossed["salts"]["at"], crossed["salts"]["paid"] = crossed["salts"]["paid"], crossed["salts"]["at"]
    assert code_of(record, canonical(crossed)) is Wrong.OPENINGS_ARE_MALFORMED
    salts = json.loads(openings)["salts"]
    crossed["salts"] = {name: [place, salts["seq"][1]] for name, (place, _) in salts.items()}
    assert code_of(record, canonical(crossed)) is Wrong.RECORD_IS_NOT_WHAT_WAS_LOGGED


def test_no_member_is_there_twice_to_be_shown_to_each_as_they_like() -> None:
    """A platform that logs two amounts under one name, and opens the one or the other, is found out by either."""
    salts = [hashlib.sha256(b"%d" % place).digest() for place in range(2)]
    texts = [b'"paid":8000', b'"paid":9000']
    commitments = [hashlib.sha256(salt + text).digest() for salt, text in zip(salts, texts, strict=True)]
    said = {"format": "suyuan-openings-v1", "commitments": [made_bundle.base64(one) for one in commitments]}
    for place, text in enumerate(texts):
        shown = {"names": ["paid", "paid"], "salts": {"paid": [place, made_bundle.base64(salts[place])]}}
        assert code_of(b"{%s}" % text, canonical(said | shown)) is Wrong.MEMBER_IS_DOUBLED


def test_other_names_are_another_entry() -> None:
    record, openings = parts("paid")
    names = ["seq", "at", "kind", "paid", "redemption", "device", "subjects/0"]
    assert record_entry(record, canonical(json.loads(openings) | {"names": names})) != made_bundle.entry(SEQ)


def test_a_member_cannot_be_shown_under_another_name_or_type() -> None:
    record, openings = parts("paid")
    renamed = canonical({"fee": 8000}), openings.replace(b'"paid"', b'"fee"')
    assert code_of(canonical({"fee": 8000}), openings.replace(b'{"paid"', b'{"fee"')) is Wrong.OPENINGS_ARE_MALFORMED
    assert code_of(*renamed) is Wrong.RECORD_IS_NOT_WHAT_WAS_LOGGED
    assert code_of(record.replace(b"8000", b'"8000"'), openings) is Wrong.RECORD_IS_NOT_WHAT_WAS_LOGGED
    assert code_of(record.replace(b"8000", b"true"), openings) is Wrong.RECORD_IS_NOT_WHAT_WAS_LOGGED


def test_only_what_is_shown_is_opened_and_all_of_it() -> None:
    _, openings = parts("seq", "paid")
    assert code_of(b'{"seq":103}', openings) is Wrong.OPENINGS_ARE_OF_OTHER_MEMBERS
    assert code_of(b'{"fee":1,"paid":8000,"seq":103}', openings) is Wrong.OPENINGS_ARE_OF_OTHER_MEMBERS


def test_commitments_taken_out_or_moved_give_another_entry() -> None:
    record, openings = parts("seq")
    read = json.loads(openings)
    fewer = {"commitments": read["commitments"][:-1], "names": read["names"][:-1]}
    moved = {"commitments": [read["commitments"][0], *read["commitments"][:0:-1]]}
    for change in (fewer, moved):
        assert record_entry(record, canonical(read | change)) != made_bundle.entry(SEQ)


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"{}",
        b"[]",
        b"8000",
        b'"paid"',
        b'{"paid":8000}\n',
        b' {"paid":8000}',
        b'{"paid": 8000}',
        b'{"paid":8000,"paid":8000}',
        b'{"seq":103,"paid":8000}',
        b'{"paid":8000.0}',
        b'{"paid":8e3}',
        b'{"paid":-0}',
        b'{"paid":NaN}',
        b'{"paid":Infinity}',
        b'{"paid":9007199254740992}',
        b'{"paid":' + b"9" * 5_000 + b"}",
        b'{"paid":{"fen":8000}}',
        b'{"paid":[8000]}',
        b'{"paid":[["a"]]}',
        b'{"paid":"\\u0041"}',
        b'{"paid":"\\ud800"}',
        b'{"paid":"\\/"}',
        b'{"paid":"\xff"}',
        '{"p\u00e4id":8000}'.encode(),
        b'\xef\xbb\xbf{"paid":8000}',
        b'{"paid":8000',
        '{"paid":"\u2028"}'.encode("utf-16"),
        b'{"paid":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"paid":"' + b"x" * 4_000_000 + b'"}',
    ],
    ids=range(30),
)
def test_records_of_another_form_are_refused(record: bytes) -> None:
    assert code_of(record, parts("paid")[1]) is Wrong.RECORD_IS_MALFORMED


def changed(openings: bytes, **members: Any) -> bytes:
    return canonical(json.loads(openings) | members)


def test_openings_of_another_form_are_refused() -> None:
    record, openings = parts("paid", "seq")
    salts, commitments = json.loads(openings)["salts"], json.loads(openings)["commitments"]
    paid, seq = salts["paid"], salts["seq"]
    wrong = [
        b"",
        b"[]",
        openings + b"\n",
        openings.replace(b":", b": ", 1),
        changed(openings, more=1),
        changed(openings, commitments={}),
        changed(openings, commitments=[*commitments[:-1], commitments[-1][:-1]]),
        changed(openings, commitments=[*commitments[:-1], made_bundle.base64(bytes(31))]),
        changed(openings, commitments=[*commitments[:-1], 5]),
        changed(openings, commitments=[]),
        changed(openings, names={}),
        changed(openings, names=made_bundle.names()[:-1]),
        changed(openings, names=[*made_bundle.names()[:-1], 5]),
        changed(openings, names=[*made_bundle.names()[:-1], ""]),
        changed(openings, names=[*made_bundle.names()[:-1], "a\nb"]),
        changed(openings, names=[*made_bundle.names()[:-1], "名"]),
        changed(openings, names=made_bundle.names()[::-1]),
        changed(openings, salts=[]),
        changed(openings, salts={"paid": paid, "seq": [paid[0], seq[1]]}),
        changed(openings, salts={"paid": paid, "seq": [True, seq[1]]}),
        changed(openings, salts={"paid": paid, "seq": [-6, seq[1]]}),
        changed(openings, salts={"paid": paid, "seq": [7, seq[1]]}),
        changed(openings, salts={"paid": paid, "seq": ["0", seq[1]]}),
        changed(openings, salts={"paid": paid, "seq": [0, seq[1], 0]}),
        changed(openings, salts={"paid": paid, "seq": [0]}),
        changed(openings, salts={"paid": paid, "seq": seq[1]}),
        changed(openings, salts={"paid": paid, "seq": [0, None]}),
        changed(openings, salts={"paid": paid, "seq": [0, made_bundle.base64(bytes(33))]}),
        changed(openings, salts={"paid": paid, "seq": [0, seq[1].rstrip("=")]}),
        changed(openings, format=1),
    ]
    assert code_of(record, openings) is None
    assert [code_of(record, one) for one in wrong] == [Wrong.OPENINGS_ARE_MALFORMED] * len(wrong)
    other = changed(openings, format="suyuan-openings-v2")
    assert code_of(record, other) is Wrong.OPENINGS_ARE_OF_ANOTHER_FORMAT


FIELDS = st.one_of(
    st.none(), st.booleans(), st.integers(1 - 2**53, 2**53 - 1), st.text(), st.lists(st.text(), max_size=3)
)


@given(st.dictionaries(st.text(st.characters(max_codepoint=127)), FIELDS, max_size=5))
def test_canonical_json_is_the_platforms_to_the_byte(value: dict[str, Any]) -> None:
    """Two encoders that know nothing of each other: this one's and the one that writes history."""
    assert canonical(value) == wire.canonical(value)
    assert read_canonical(canonical(value)) == value


@given(st.text(), FIELDS)
def test_a_members_text_is_what_stands_in_the_stored_body(name: str, value: Any) -> None:
    assert b"{%s}" % member(name, value) == msgspec.json.encode({name: value})


@given(st.binary(max_size=200))
def test_no_bytes_bring_the_reader_down(content: bytes) -> None:
    record, openings = parts()
    assert code_of(content, openings) is not None
    assert code_of(record, content) is not None
