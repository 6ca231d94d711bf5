"""Somebody without a key proves that a phone number is theirs, and may then ask what is kept under it.

1. `begin_number_proof`: the line counts the code first, for the number and for the network that asks, so that nobody's
   phone is flooded however the provider answers; then the provider sends it. Every number is treated alike, so that
   nothing here tells whether one is known.
2. `check_number_proof`: the line spends a try first, so that guesses in parallel are no more than five; then the
   provider says what the code is worth. A lost answer has cost its try.
3. Whoever gives the code back gets a token, once; here it is kept as a digest. With the ID number of a registered
   seller who has this number they are known as that seller, too: numbers change hands, so a number alone opens nobody's
   registration. One ID number may be tried with each code.

No event tells of a proof, since strangers must not fill history; a request names the proof that it rests on.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import msgspec

from suyuan.base.clock import plus
from suyuan.base.ids import CHANCE_BYTES, is_id, new_id
from suyuan.base.refusals import Reason, Refusal
from suyuan.base.wire import b64, digest
from suyuan.flows.desk import Desk, ask_line, marks_of
from suyuan.flows.keep_keys import are_of_closed_epochs, known_pseudonym, pseudonym_of, want_epoch, want_pseudonym
from suyuan.flows.shelves import Shelves
from suyuan.flows.who_asks import Visit, ip_prefix
from suyuan.history.line import Applier, Decided, Turn
from suyuan.privacy import number_proofs, pseudonyms
from suyuan.privacy.classes import Privacy
from suyuan.privacy.number_proofs import (
    CODE_TTL_S,
    CODES_PER_NETWORK_DAY_MAX,
    CODES_PER_NUMBER_DAY_MAX,
    COUNTED_S,
    TOKEN_BYTES,
    TOKEN_TTL_S,
    CodeCount,
    NumberProof,
    of_network,
    of_number,
)
from suyuan.privacy.pseudonyms import IDENTITY, NUMBER, Marks
from suyuan.privacy.purposes import CLAIMED_IDENTITY, CLAIMED_NUMBER
from suyuan.settle import providers
from suyuan.settle.body import Reader, form
from suyuan.settle.providers import CodeOrder, CodeSent, CodeVerdict, Unknown

SELLERS_MAX = 16


class ProofWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The number that somebody says is theirs."""

    number: Annotated[str, form("1[3-9][0-9]{9}", length_max=11), CLAIMED_NUMBER]


class CodeWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The number once more, the code that came, and the ID number of whoever has registered here as a seller."""

    number: Annotated[str, form("1[3-9][0-9]{9}", length_max=11), CLAIMED_NUMBER]
    code: Annotated[str, form("[0-9]{6}", length_max=6), Privacy.OPEN]
    identity_number: Annotated[str, form("[0-9]{17}[0-9X]", length_max=18), CLAIMED_IDENTITY] | None = None


PROOF_WISHES = Reader(ProofWish)
CODE_WISHES = Reader(CodeWish)


class GivenProof(NamedTuple):
    """What the person keeps: the token, until when it is good, and the sellers that they are known as."""

    proof: str
    token: str
    good_until: int
    sellers: tuple[str, ...]


async def begin_number_proof(desk: Desk, visit: Visit) -> ProofBegun | Refusal:
    """Sends a code to a number."""
    wish = PROOF_WISHES.read(visit.body)
    if isinstance(wish, Refusal):
        return wish
    if desk.number_proof is None:
        return Refusal(Reason.number_proof_is_not_available)
    # (1) Counted before anything is sent.
    proof = new_id("npf", at=desk.clock.now(), chance=desk.chance(CHANCE_BYTES))
    marks = marks_of(desk, wish.number, NUMBER)
    begun = await ask_line(desk, BeginProof(proof, marks, ip_prefix(visit.address)))
    if isinstance(begun, Refusal):
        return begun
    # (2) Sent once: where the answer is lost, the same order is asked for, and no second code goes out.
    sent = await desk.number_proof.begin(CodeOrder(proof, wish.number))
    told = await desk.number_proof.ask(proof) if isinstance(sent, Unknown) else sent
    if not isinstance(told, CodeSent):
        return Refusal(Reason.number_proof_is_not_available)
    # (3) Only now can a code be checked.
    kept = await ask_line(desk, KeepReference(proof, told.reference))
    assert isinstance(kept, ProofBegun | Refusal), "the line answers a proof with nothing else"
    return kept


async def check_number_proof(desk: Desk, visit: Visit, proof_id: str) -> GivenProof | Refusal:
    """Gives a token for the code that came."""
    wish = CODE_WISHES.read(visit.body)
    if isinstance(wish, Refusal):
        return wish
    known = await number_proofs.find(desk.fetch, proof_id) if is_id("npf", proof_id) else None
    number = marks_of(desk, wish.number, NUMBER)
    if known is None or known.mark not in number.marks or desk.number_proof is None:
        return Refusal(Reason.number_proof_is_unknown)
    # (1) A try is spent before the code is looked at.
    spent = await ask_line(desk, SpendTry(proof_id))
    if isinstance(spent, Refusal):
        return spent
    assert isinstance(spent, TrySpent), "the line answers a try with nothing else"
    verdict = await desk.number_proof.check(spent.reference, wish.code)
    if verdict is not CodeVerdict.PROVEN:
        return _refused(verdict)
    # (2) Whom the person is known as, by number and ID number together.
    identity = None if wish.identity_number is None else marks_of(desk, wish.identity_number, IDENTITY)
    sellers = await registered_as(desk, number, identity)
    # (3) The token is drawn here and kept by its holder alone.
    token = f"{proof_id}.{b64(desk.chance(TOKEN_BYTES))}"
    command = GiveProof(proof_id, digest(token.encode()), number, identity, sellers[:SELLERS_MAX])
    given = await ask_line(desk, command)
    if isinstance(given, Refusal):
        return given
    assert isinstance(given, ProofGiven), "the line answers a proof with nothing else"
    return GivenProof(proof_id, token, plus(given.proven_at, TOKEN_TTL_S), given.sellers)


async def registered_as(desk: Desk, number: Marks, identity: Marks | None) -> tuple[str, ...]:
    """The sellers who have this number and this ID number."""
    their_number = None if identity is None else await pseudonyms.find(desk.fetch, number)
    their_identity = None if identity is None else await pseudonyms.find(desk.fetch, identity)
    if their_number is None or their_identity is None:
        return ()
    found = await desk.lookup.sellers_of_number(their_number)
    return tuple(seller.id for seller in found if seller.identity == their_identity)


async def proof_of(desk: Desk, token: str) -> NumberProof | Refusal:
    """The proof that a token belongs to, if it is still good."""
    proof_id, _, _ = token.partition(".")
    proof = await number_proofs.find(desk.fetch, proof_id) if is_id("npf", proof_id) else None
    if proof is None or not proof.is_of(token):
        return Refusal(Reason.number_proof_is_unknown)
    return proof if proof.is_good(desk.clock.now()) else Refusal(Reason.number_proof_has_expired)


def _refused(verdict: CodeVerdict | providers.Unknown) -> Refusal:
    if isinstance(verdict, Unknown):
        return Refusal(Reason.number_proof_is_not_available)
    is_over = verdict is CodeVerdict.EXPIRED
    return Refusal(Reason.number_proof_has_expired if is_over else Reason.number_code_is_wrong)


# --- in the line ---------------------------------------------------------------------------------


class BeginProof(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line for a code to a number, which counts whether it then arrives or not."""

    proof: str
    number: Marks
    network: str


class KeepReference(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Tells the line under what the provider will know the code."""

    proof: str
    reference: str


class SpendTry(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line for one of the five tries."""

    proof: str


class GiveProof(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Tells the line that the code came back, and what the token's digest is."""

    proof: str
    token_digest: bytes
    number: Marks
    identity: Marks | None
    sellers: tuple[str, ...]


class ProofBegun(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A code may be sent, or is on its way; it lives until then."""

    proof: str
    ends_at: int


class TrySpent(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """One code may be looked at under this reference."""

    reference: str


class ProofGiven(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The number is proven, and with it these sellers."""

    proven_at: int
    sellers: tuple[str, ...]


def want_begin(shelves: Shelves, command: BeginProof, now: int) -> bool:
    """Which rows are needed."""
    shelves.number_proofs.want(command.proof)
    shelves.code_counts.want_all([*of_number(command.number, at=now), of_network(command.network, at=now)])
    return True


def begin(shelves: Shelves, command: BeginProof, turn: Turn) -> Decided:
    """Takes a code from what the number and the network may have today, or from neither."""
    known = shelves.number_proofs.get(command.proof)
    if known is not None:
        return Decided(_begun(known))
    names, network = of_number(command.number, at=turn.at), of_network(command.network, at=turn.at)
    sent = sum(count.codes for name in names if (count := shelves.code_counts.get(name)) is not None)
    asked = shelves.code_counts.get(network)
    if sent >= CODES_PER_NUMBER_DAY_MAX or (asked is not None and asked.codes >= CODES_PER_NETWORK_DAY_MAX):
        return Decided(Refusal(Reason.too_many_codes_were_sent))
    for name in (names[0], network):
        _count(shelves, name, turn.at)
    proof = NumberProof(command.proof, command.number.marks[0], turn.at, "", 0, None, b"", "", "")
    shelves.number_proofs.add(proof)
    return Decided(_begun(proof))


def _count(shelves: Shelves, name: str, at: int) -> None:
    count = shelves.code_counts.get(name)
    if count is None:
        shelves.code_counts.add(CodeCount(name, 1, plus(at, COUNTED_S)))
        return
    count.codes += 1
    shelves.code_counts.change(name, count)


def want_proof(shelves: Shelves, command: KeepReference | SpendTry, now: int) -> bool:
    """Which rows are needed."""
    shelves.number_proofs.want(command.proof)
    return True


def keep_reference(shelves: Shelves, command: KeepReference, turn: Turn) -> Decided:
    """Keeps the reference, once."""
    proof = shelves.number_proofs.get(command.proof)
    if proof is None or proof.reference not in ("", command.reference):
        return Decided(Refusal(Reason.number_proof_is_unknown))
    proof.reference = command.reference
    shelves.number_proofs.change(proof.id, proof)
    return Decided(_begun(proof))


def spend_try(shelves: Shelves, command: SpendTry, turn: Turn) -> Decided:
    """Spends a try, while there is one."""
    proof = shelves.number_proofs.get(command.proof)
    if proof is None or not proof.reference:
        return Decided(Refusal(Reason.number_proof_is_unknown))
    if not proof.takes_a_try(turn.at):
        return Decided(Refusal(Reason.number_proof_has_expired))
    proof.tries += 1
    shelves.number_proofs.change(proof.id, proof)
    return Decided(TrySpent(proof.reference))


def want_given(shelves: Shelves, command: GiveProof, now: int) -> bool:
    """Which rows are needed."""
    want_epoch(shelves)
    shelves.number_proofs.want(command.proof)
    want_pseudonym(shelves, command.number)
    if command.identity is not None:
        want_pseudonym(shelves, command.identity)
    shelves.register.sellers.want_all(command.sellers)
    return True


def give(shelves: Shelves, command: GiveProof, turn: Turn) -> Decided:
    """Keeps the proof, once: a second token would let somebody in who only heard of the code."""
    proof = shelves.number_proofs.get(command.proof)
    if proof is None or proof.mark not in command.number.marks:
        return Decided(Refusal(Reason.number_proof_is_unknown))
    if proof.proven_at is not None or not proof.tries:
        return Decided(Refusal(Reason.number_proof_has_expired))
    if are_of_closed_epochs(shelves, command.number):
        return Decided(Refusal(Reason.platform_is_busy))
    proof.number = pseudonym_of(shelves, command.number)
    sellers = tuple(seller for seller in command.sellers if _is_known_as(shelves, seller, proof.number, command))
    proof.proven_at, proof.token_digest, proof.sellers = turn.at, command.token_digest, " ".join(sellers)
    shelves.number_proofs.change(proof.id, proof)
    return Decided(ProofGiven(turn.at, sellers))


def _is_known_as(shelves: Shelves, seller_id: str, number: str, command: GiveProof) -> bool:
    seller = shelves.register.sellers.get(seller_id)
    identity = None if command.identity is None else known_pseudonym(shelves, command.identity)
    return seller is not None and seller.number == number and seller.identity == identity


def _begun(proof: NumberProof) -> ProofBegun:
    return ProofBegun(proof.id, plus(proof.begun_at, CODE_TTL_S))


APPLIERS: dict[type, Applier] = {
    BeginProof: Applier(want_begin, begin),
    KeepReference: Applier(want_proof, keep_reference),
    SpendTry: Applier(want_proof, spend_try),
    GiveProof: Applier(want_given, give),
}
