"""Policies: whom a checker believes, and that nothing short of it passes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.evidence.check import COSIGNATURE, BadEvidence, Group, Wrong, check_checkpoint, read_policy
from tests.evidence.check.signers import (
    LOG,
    NEUTRAL,
    PARTNER_A,
    PARTNER_A_SPARE,
    PARTNER_B,
    POLICY,
    NoteSigner,
    checkpoint_text,
    note,
)

TEXT = checkpoint_text(5, bytes(32))


def code_of(policy: bytes) -> Wrong | None:
    try:
        read_policy(policy)
    except BadEvidence as bad:
        return bad.code
    return None


def is_believed(*signers: NoteSigner, policy: bytes = POLICY) -> bool:
    try:
        check_checkpoint(note(TEXT, *signers), read_policy(policy))
    except BadEvidence as bad:
        if bad.code in (Wrong.QUORUM_IS_MISSED, Wrong.LOG_HAS_NOT_SIGNED):
            return False
        raise
    return True


def test_a_policy_is_read_whole() -> None:
    policy = read_policy(POLICY)
    assert [(log.vkey.name, log.url) for log in policy.logs] == [(LOG.name, "https://log.example/")]
    assert {name: witness.vkey for name, witness in policy.witnesses.items()} == {
        "neutral": NEUTRAL.vkey,
        "a-1": PARTNER_A.vkey,
        "a-2": PARTNER_A_SPARE.vkey,
        "b": PARTNER_B.vkey,
    }
    assert policy.groups["organisations"] == Group(2, ("neutral", "a", "b"))
    assert policy.quorum == "organisations"


def test_white_space_and_comments_are_of_no_matter() -> None:
    loose = POLICY.replace(b" ", b" \t ").replace(b"\n", b" \t\n# remark \xff\n\n")
    assert read_policy(loose) == read_policy(POLICY)


def test_organisations_count_and_not_keys() -> None:
    """Two keys of one partner are one voice; two organisations are enough."""
    assert not is_believed(LOG, PARTNER_A, PARTNER_A_SPARE)
    assert is_believed(LOG, PARTNER_A, PARTNER_B)
    assert is_believed(LOG, PARTNER_A_SPARE, NEUTRAL)
    assert is_believed(LOG, PARTNER_A, PARTNER_A_SPARE, NEUTRAL, PARTNER_B)


def test_witnesses_do_not_stand_in_for_the_log() -> None:
    assert not is_believed(NEUTRAL, PARTNER_A, PARTNER_B)
    assert is_believed(NEUTRAL, PARTNER_A, LOG)


def test_a_checkpoint_below_the_quorum_is_refused_with_both_numbers() -> None:
    with pytest.raises(BadEvidence, match=r'1 of the 4 known ones, .* quorum "organisations"'):
        check_checkpoint(note(TEXT, LOG, PARTNER_B), read_policy(POLICY))


def test_strangers_who_cosign_change_nothing() -> None:
    strangers = [NoteSigner(f"stranger-{number}.example", COSIGNATURE) for number in range(20)]
    assert not is_believed(LOG, *strangers, PARTNER_B)
    assert is_believed(LOG, *strangers, PARTNER_A, PARTNER_B)


def test_what_was_checked_is_told() -> None:
    checked = check_checkpoint(note(TEXT, PARTNER_B, LOG, NEUTRAL), read_policy(POLICY))
    assert checked.checkpoint == (LOG.name, 5, bytes(32))
    assert checked.log == LOG.vkey
    assert {signed.vkey for signed in checked.cosigned} == {PARTNER_B.vkey, NEUTRAL.vkey}


def test_a_log_that_signs_for_another_name_is_not_believed() -> None:
    """The key is known, but for another log: an origin is believed by its own key alone."""
    other = NoteSigner("suyuan.example/log/2027")
    policy = POLICY + f"log {other.vkey_text}\n".encode()
    with pytest.raises(BadEvidence) as bad:
        check_checkpoint(note(TEXT, other, NEUTRAL, PARTNER_B), read_policy(policy))
    assert bad.value.code is Wrong.LOG_HAS_NOT_SIGNED


def test_a_rotated_key_of_the_same_log_is_as_good() -> None:
    fresh = NoteSigner(LOG.name, seed=b"n" * 32)
    policy = POLICY + f"log {fresh.vkey_text}\n".encode()
    assert is_believed(fresh, NEUTRAL, PARTNER_B, policy=policy)
    assert is_believed(LOG, fresh, NEUTRAL, PARTNER_B, policy=policy)


def test_a_witness_with_a_bad_line_spoils_a_checkpoint_that_has_enough_others() -> None:
    foreign = PARTNER_B.line(checkpoint_text(6, bytes(32)))
    with pytest.raises(BadEvidence) as bad:
        check_checkpoint(note(TEXT, LOG, NEUTRAL, PARTNER_A) + foreign, read_policy(POLICY))
    assert bad.value.code is Wrong.SIGNATURE_IS_BAD


def test_no_quorum_is_asked_for_only_where_it_is_written() -> None:
    alone = f"log {LOG.vkey_text}\nquorum none\n".encode()
    assert is_believed(LOG, policy=alone)
    assert code_of(alone.removesuffix(b"quorum none\n")) is Wrong.POLICY_HAS_NO_QUORUM


def test_one_witness_may_be_the_quorum() -> None:
    policy = POLICY.replace(b"quorum organisations", b"quorum neutral")
    assert is_believed(LOG, NEUTRAL, policy=policy)
    assert not is_believed(LOG, PARTNER_A, PARTNER_B, policy=policy)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"quorum organisations\n", b"quorum organisations", Wrong.POLICY_IS_TORN),
        (b"quorum organisations\n", b"quorum organisations\r\n", Wrong.POLICY_IS_NOT_PLAIN_TEXT),
        (b"quorum", b"\0quorum", Wrong.POLICY_IS_NOT_PLAIN_TEXT),
        (b"quorum", b"\x7fquorum", Wrong.POLICY_IS_NOT_PLAIN_TEXT),
        (b"quorum", b"Quorum", Wrong.POLICY_LINE_IS_MALFORMED),
        (b"quorum", "\u3000quorum".encode(), Wrong.POLICY_LINE_IS_MALFORMED),
        (b"quorum organisations", b"quorum organisations a", Wrong.POLICY_LINE_IS_MALFORMED),
        (b"quorum organisations", b"quorum", Wrong.POLICY_LINE_IS_MALFORMED),
        (b"quorum organisations", b"quorum others", Wrong.POLICY_NAME_IS_UNKNOWN),
        (b"quorum organisations", b"quorum a\nquorum organisations", Wrong.POLICY_QUORUM_IS_DOUBLED),
        (b"quorum organisations", b"quorum none\nquorum organisations", Wrong.POLICY_QUORUM_IS_DOUBLED),
        (b"any a-1 a-2", b"any", Wrong.POLICY_LINE_IS_MALFORMED),
        (b"any a-1 a-2", b"0 a-1 a-2", Wrong.POLICY_THRESHOLD_IS_IMPOSSIBLE),
        (b"any a-1 a-2", b"3 a-1 a-2", Wrong.POLICY_THRESHOLD_IS_IMPOSSIBLE),
        (b"any a-1 a-2", b"-1 a-1 a-2", Wrong.POLICY_THRESHOLD_IS_IMPOSSIBLE),
        (b"any a-1 a-2", b"02 a-1 a-2", Wrong.POLICY_THRESHOLD_IS_IMPOSSIBLE),
        (b"any a-1 a-2", b"some a-1 a-2", Wrong.POLICY_THRESHOLD_IS_IMPOSSIBLE),
        (b"any a-1 a-2", b"any a-1 a-1", Wrong.POLICY_MEMBER_IS_DOUBLED),
        (b"2 neutral a b", b"2 neutral a a-1", Wrong.POLICY_MEMBER_IS_DOUBLED),
        (b"group a any", b"group a any none", Wrong.POLICY_NAME_IS_UNKNOWN),
        (b"group a any", b"group a any a", Wrong.POLICY_NAME_IS_UNKNOWN),
        (b"group a any", b"group b any", Wrong.POLICY_NAME_IS_TAKEN),
        (b"group organisations", b"group a", Wrong.POLICY_NAME_IS_TAKEN),
        (b"witness b ", b"witness neutral ", Wrong.POLICY_NAME_IS_TAKEN),
        (b"witness b ", b"witness none ", Wrong.POLICY_NAME_IS_TAKEN),
        (b"witness b ", b"log ", Wrong.POLICY_KEY_IS_OF_ANOTHER_KIND),
        (b"log ", b"witness log ", Wrong.POLICY_KEY_IS_OF_ANOTHER_KIND),
        (b"https://a.example/", b"https://a.example/ more", Wrong.POLICY_LINE_IS_MALFORMED),
        (b"log ", b"log x", Wrong.VKEY_ID_IS_ANOTHER),
        (PARTNER_B.vkey_text.encode(), PARTNER_A.vkey_text.encode(), Wrong.POLICY_KEY_IS_DOUBLED),
        (b"log ", f"log {LOG.vkey_text}\nlog ".encode(), Wrong.POLICY_KEY_IS_DOUBLED),
    ],
)
def test_policies_that_are_wrong_are_refused(old: bytes, new: bytes, code: Wrong) -> None:
    assert old in POLICY
    assert code_of(POLICY.replace(old, new, 1)) is code


def test_what_is_wrong_in_a_policy_is_said_with_its_line() -> None:
    with pytest.raises(BadEvidence, match="Line 8"):
        read_policy(POLICY.replace(b"quorum organisations", b"quorum others"))


def test_one_key_under_two_names_is_one_key() -> None:
    """A witness twice, or the log as its own witness, would count for two."""
    twin = NoteSigner("another.example", PARTNER_B.kind, seed=b"s" * 32)
    same = NoteSigner("yet-another.example", PARTNER_B.kind, seed=b"s" * 32)
    doubled = f"witness x {twin.vkey_text}\nwitness y {same.vkey_text}\nquorum none\n".encode()
    assert code_of(doubled) is Wrong.POLICY_KEY_IS_DOUBLED
    own = NoteSigner("log.example", seed=b"s" * 32)
    vouching = f"log {own.vkey_text}\nwitness x {twin.vkey_text}\nquorum x\n".encode()
    assert code_of(vouching) is Wrong.POLICY_KEY_IS_DOUBLED


def test_names_are_octets() -> None:
    """The specification's own example: K and the Kelvin sign are two names; so are bytes that are no text."""
    key_b, key_n = PARTNER_B.vkey_text.encode(), NEUTRAL.vkey_text.encode()
    text = b"witness K %s\nwitness \xe2\x84\xaa %s\ngroup \xff any K \xe2\x84\xaa\nquorum \xff\n" % (key_b, key_n)
    assert len(read_policy(text).witnesses) == 2


def test_a_large_policy_is_read_and_a_huge_one_is_not() -> None:
    """Groups of groups, ten thousand deep, are reckoned without recursion."""
    deep = b"".join(b"group g%d any %s\n" % (n, b"g%d" % (n - 1) if n else b"b") for n in range(10_000))
    text = f"log {LOG.vkey_text}\nwitness b {PARTNER_B.vkey_text}\n".encode() + deep + b"quorum g9999\n"
    assert is_believed(LOG, PARTNER_B, policy=text)
    assert code_of(b"#" * 300_000 + b"\n") is Wrong.POLICY_IS_TOO_LARGE
    assert code_of(POLICY + b"#" * (256 * 1024 - 1 - len(POLICY)) + b"\n") is None


@given(st.binary(max_size=200))
def test_no_bytes_bring_the_reader_down(content: bytes) -> None:
    for text in (content, POLICY + content, POLICY.replace(b"2 neutral", content)):
        code_of(text)


@given(st.sets(st.sampled_from([NEUTRAL, PARTNER_A, PARTNER_A_SPARE, PARTNER_B])))
def test_more_cosignatures_never_hurt(cosigned: set[NoteSigner]) -> None:
    organisations = sum((NEUTRAL in cosigned, PARTNER_B in cosigned, bool(cosigned & {PARTNER_A, PARTNER_A_SPARE})))
    assert is_believed(LOG, *cosigned) == (organisations >= 2)
