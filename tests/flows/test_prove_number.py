"""People without a key prove a number by a code: nobody's phone is flooded, and nothing tells who is known here."""

from __future__ import annotations

from typing import Any

import pytest

from suyuan.base import wire
from suyuan.base.clock import DAY_S
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.answer_subject import Shown
from suyuan.flows.desk import marks_of
from suyuan.flows.prove_number import GivenProof, GiveProof, KeepReference, ProofBegun, SpendTry, TrySpent
from suyuan.privacy.bundles import Bundle
from suyuan.privacy.number_proofs import CODE_TTL_S, CODES_PER_NETWORK_DAY_MAX, TOKEN_TTL_S
from suyuan.privacy.pseudonyms import IDENTITY, NUMBER
from tests.flows.rights_house import LI, WANG, Rights, text_of, values_of

STRANGER = "13700000007"


def begun(rights: Rights, number: str = STRANGER, **changes: Any) -> str:
    answer = rights.begin(number, **changes)
    assert isinstance(answer, ProofBegun), answer
    return answer.proof


# --- the code ---


def test_the_code_that_came_back_proves_the_number_and_gives_a_token_once(rights: Rights) -> None:
    proof = begun(rights)
    given = rights.check(proof, rights.house.phones.shows[STRANGER])
    assert isinstance(given, GivenProof)
    assert given.token.startswith(f"{proof}.")
    assert given.sellers == ()
    assert rights.check(proof, rights.house.phones.shows[STRANGER]) == Refusal(Reason.number_proof_has_expired)
    secret = given.token.partition(".")[2]
    kept = b"".join(str(cell).encode() for row in rights.house.rows("SELECT * FROM number_proof") for cell in row)
    assert secret.encode() not in kept
    assert STRANGER.encode() not in kept


def test_five_wrong_codes_end_a_proof_and_the_right_one_comes_too_late(rights: Rights) -> None:
    proof = begun(rights)
    assert [rights.check(proof, "999999") for _ in range(5)] == [Refusal(Reason.number_code_is_wrong)] * 5
    assert rights.check(proof, rights.house.phones.shows[STRANGER]) == Refusal(Reason.number_proof_has_expired)


def test_a_try_is_spent_before_the_code_is_looked_at(rights: Rights) -> None:
    """So guesses in parallel are no more than five, even where every answer of the provider is lost."""
    proof = begun(rights)
    spent = [rights.submit(SpendTry(proof)) for _ in range(6)]
    assert [isinstance(answer, TrySpent) for answer in spent] == [True] * 5 + [False]


def test_a_code_lives_for_ten_minutes_and_a_token_for_fifteen(rights: Rights) -> None:
    proof = begun(rights)
    rights.house.clock.advance(CODE_TTL_S + 1)
    assert rights.check(proof, rights.house.phones.shows[STRANGER]) == Refusal(Reason.number_proof_has_expired)
    token = rights.token(STRANGER)
    assert isinstance(rights.ask_by_number(token, kind="know"), Shown)
    request = rights.ask_by_number(token, kind="know")
    assert isinstance(request, Shown)
    rights.house.clock.advance(TOKEN_TTL_S + 1)
    expired = Refusal(Reason.number_proof_has_expired)
    assert rights.ask_by_number(token, kind="know") == expired
    assert rights.fetch_by_number(token, request.standing.request) == expired


@pytest.mark.parametrize("token", ["", ".", "npf_nobody.x", "req_1.x", "\udcff", "x" * 128])
def test_a_token_that_nobody_got_proves_nothing(rights: Rights, token: str) -> None:
    assert rights.ask_by_number(token, kind="know") == Refusal(Reason.number_proof_is_unknown)


def test_a_code_of_one_number_proves_no_other(rights: Rights) -> None:
    """The number is given again with the code, and must be the one that it was sent to."""
    proof = begun(rights)
    given = rights.check(proof, rights.house.phones.shows[STRANGER], number=WANG["number"])
    assert given == Refusal(Reason.number_proof_is_unknown)


def test_the_id_of_a_proof_without_its_secret_proves_nothing(rights: Rights) -> None:
    token = rights.token(STRANGER)
    proof = token.partition(".")[0]
    for stolen in (proof, f"{proof}.", f"{proof}.{'A' * 43}"):
        assert rights.ask_by_number(stolen, kind="know") == Refusal(Reason.number_proof_is_unknown)


# --- nobody's phone is flooded ---


def test_a_number_gets_three_codes_a_day_from_wherever_they_are_asked_for(rights: Rights) -> None:
    for number in range(3):
        begun(rights, address=f"198.51.{number}.1")
    assert rights.begin(STRANGER, address="198.51.9.1") == Refusal(Reason.too_many_codes_were_sent)
    assert len(rights.house.phones.sent) == 3
    begun(rights, "13700000008", address="198.51.9.1")
    rights.house.clock.advance(DAY_S)
    begun(rights, address="198.51.9.1")


def test_a_network_asks_for_thirty_a_day(rights: Rights) -> None:
    for number in range(CODES_PER_NETWORK_DAY_MAX):
        begun(rights, f"137{number:08d}", address=f"198.51.100.{number}")
    assert rights.begin("13799999999", address="198.51.100.77") == Refusal(Reason.too_many_codes_were_sent)
    begun(rights, "13799999999", address="198.51.101.77")


def test_a_code_counts_even_where_the_provider_says_nothing(rights: Rights) -> None:
    """Else an attacker would only have to break connections; and no second message goes out for a lost answer."""
    rights.house.phones.is_silent = True
    for _ in range(3):
        assert rights.begin(STRANGER) == Refusal(Reason.number_proof_is_not_available)
    rights.house.phones.is_silent = False
    assert rights.begin(STRANGER) == Refusal(Reason.too_many_codes_were_sent)
    rights.house.phones.loses_answers = True
    proof = begun(rights, "13700000008")
    assert [order.number for order in rights.house.phones.sent] == ["13700000008"]
    assert isinstance(rights.check(proof, "000001"), GivenProof)


def test_a_number_that_gets_no_codes_is_told_like_a_provider_that_is_away(rights: Rights) -> None:
    rights.house.phones.refuses = True
    assert rights.begin(STRANGER) == Refusal(Reason.number_proof_is_not_available)


def test_a_provider_that_is_away_proves_nothing(rights: Rights) -> None:
    proof = begun(rights)
    rights.house.phones.is_silent = True
    assert rights.check(proof, "000001") == Refusal(Reason.number_proof_is_not_available)
    rights.house.phones.is_silent = False
    assert isinstance(rights.check(proof, "000001"), GivenProof)


def test_a_platform_without_a_provider_says_so(rights: Rights) -> None:
    object.__setattr__(rights.house.desk, "number_proof", None)
    assert rights.begin(STRANGER) == Refusal(Reason.number_proof_is_not_available)


def test_before_the_proof_a_known_number_looks_like_any_other(rights: Rights) -> None:
    """The same answers, and as much in the database; no event tells of either."""
    before = rights.house.events()
    known, unknown = begun(rights, WANG["number"]), begun(rights, STRANGER)
    assert rights.check(known, "999999") == rights.check(unknown, "999999") == Refusal(Reason.number_code_is_wrong)
    rows = rights.house.rows("SELECT tries, proven_at, token_digest, number, sellers FROM number_proof")
    assert rows == [(1, None, b"", "", "")] * 2
    assert rights.house.events() == before


# --- who somebody is, by a number ---


def test_a_number_alone_opens_nobodys_registration(rights: Rights) -> None:
    """Numbers change hands: whoever has Wang's old number learns that it is kept, and of whom nothing."""
    token = rights.token(WANG["number"])
    asked = rights.ask_by_number(token, kind="copy")
    assert isinstance(asked, Shown)
    bundle = rights.fetch_by_number(token, asked.standing.request)
    assert isinstance(bundle, Bundle)
    assert values_of(bundle) == {"seller.number/1": None}
    assert (bundle.about, bundle.registration) == ("", None)
    assert not any(value in text_of(bundle) for value in (*WANG.values(), "ptn_1"))
    for kind in ("restrict", "delete", "explain"):
        assert rights.ask_by_number(token, kind=kind) == Refusal(Reason.identity_is_not_proven)
    named = rights.ask_by_number(token, kind="copy", seller="slr_wang")
    assert named == Refusal(Reason.key_may_not_do_this, "seller")


def test_number_and_id_number_together_are_the_seller(rights: Rights) -> None:
    """Somebody whose partner registered them without a device has all rights all the same."""
    token = rights.token(WANG["number"], identity_number=WANG["identity_number"])
    asked = rights.ask_by_number(token, kind="copy")
    assert isinstance(asked, Shown)
    bundle = rights.fetch_by_number(token, asked.standing.request)
    assert isinstance(bundle, Bundle)
    assert values_of(bundle)["seller.name/1"] == "王芳"
    assert rights.told("request_received/1")[0]["seller"] == "slr_wang"
    # The same person with their key finds the same request.
    assert rights.stands(kind="copy").standing.request == asked.standing.request
    assert isinstance(rights.ask_by_number(token, kind="delete"), Shown)


def test_another_persons_id_number_makes_nobody_a_seller(rights: Rights) -> None:
    """One may be tried with each code, and the answer tells only who was matched."""
    proof = begun(rights, WANG["number"])
    given = rights.check(proof, rights.house.phones.shows[WANG["number"]], identity_number=LI["identity_number"])
    assert isinstance(given, GivenProof)
    assert given.sellers == ()
    assert rights.ask_by_number(given.token, kind="restrict") == Refusal(Reason.identity_is_not_proven)


def test_the_line_knows_nobody_as_a_seller_by_a_workers_word(rights: Rights) -> None:
    """Whoever holds the socket names sellers of other numbers or ID numbers, or another number than was sent to."""
    desk = rights.house.desk
    number, other = (marks_of(desk, each, NUMBER) for each in (WANG["number"], STRANGER))
    identity = marks_of(desk, WANG["identity_number"], IDENTITY)
    everybody = ("slr_li", "slr_wang", "slr_nobody", "slr_1")
    proof = begun(rights, WANG["number"])
    rights.submit(SpendTry(proof))
    swapped = rights.submit(GiveProof(proof, wire.digest(b"t"), other, identity, everybody))
    assert swapped == Refusal(Reason.number_proof_is_unknown)
    assert rights.submit(GiveProof(proof, wire.digest(b"t"), number, identity, everybody)).sellers == ("slr_wang",)
    lis = marks_of(desk, LI["identity_number"], IDENTITY)
    for marks, named in ((other, identity), (other, None), (number, lis), (number, None)):
        proof = begun(rights, STRANGER if marks is other else WANG["number"], address="198.51.100.9")
        rights.submit(SpendTry(proof))
        assert rights.submit(GiveProof(proof, wire.digest(b"t"), marks, named, everybody)).sellers == ()


def test_the_line_gives_no_proof_without_a_code_that_was_tried(rights: Rights) -> None:
    proof = begun(rights)
    number = marks_of(rights.house.desk, STRANGER, NUMBER)
    untried = rights.submit(GiveProof(proof, wire.digest(b"t"), number, None, ()))
    assert untried == Refusal(Reason.number_proof_has_expired)
    assert rights.submit(KeepReference(proof, "other")) == Refusal(Reason.number_proof_is_unknown)
    assert rights.submit(SpendTry("npf_nobody")) == Refusal(Reason.number_proof_is_unknown)


def test_a_balance_is_found_by_its_number_and_shows_nothing_of_who_redeemed_it(rights: Rights) -> None:
    """Li redeemed from a number that is not his; whoever holds it sees that, when and how much, and no more."""
    redemption = rights.debit(STRANGER)
    rights.debit("13700000008")
    token = rights.token(STRANGER)
    asked = rights.ask_by_number(token, kind="access")
    assert isinstance(asked, Shown)
    bundle = rights.fetch_by_number(token, asked.standing.request)
    assert isinstance(bundle, Bundle)
    assert [(one.redemption, one.face_fen, one.operator) for one in bundle.debits] == [(redemption, 50_00, "cmcc")]
    assert not any(value in text_of(bundle) for value in ("slr_li", "ctr_balance", "bank_transfer", *LI.values()))
    assert rights.told("fields_read/2") == []


def test_a_request_by_number_is_fetched_by_whoever_proves_that_number_anew(rights: Rights) -> None:
    token = rights.token(STRANGER)
    asked = rights.ask_by_number(token, kind="know")
    assert isinstance(asked, Shown)
    again = rights.token(STRANGER)
    assert isinstance(rights.fetch_by_number(again, asked.standing.request), Bundle)
    other = rights.token("13700000008")
    unknown = Refusal(Reason.subject_request_is_unknown)
    assert rights.fetch_by_number(other, asked.standing.request) == unknown
    assert rights.fetch(asked.standing.request, "slr_wang") == unknown
