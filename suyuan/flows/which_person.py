"""Which person asks about their own data, and how that is known.

Three kinds of proof, from strong to weak:

- the seller's own key signs the request: they are that seller;
- a code that was sent to a number came back (`prove_number`), with the ID number of a seller of that number: they are
  that seller; without it, they are whoever holds the number, and no more;
- a partner's key signs: the partner passes on what its seller asks. It is answered without a value, because a partner
  must not learn by this way what it did not tell us itself.

A request belongs to whoever could have made it, proven anew each time: its id alone opens nothing, and to everybody
else it is unknown.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from suyuan.base.ids import is_id
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.desk import Desk
from suyuan.flows.prove_number import proof_of
from suyuan.flows.who_asks import Asking, Knock, Visit, who_asks
from suyuan.privacy import requests
from suyuan.privacy.requests import BY_KEY, BY_NUMBER, BY_PARTNER, HEIR, SubjectRequest

Caller: TypeAlias = Knock | Visit


class Person(NamedTuple):
    """Who asks. Exactly one of `asking` and `number_proof` is there."""

    proof: str
    sellers: tuple[str, ...]
    """The sellers that they are."""
    number: str
    """The pseudonym of the number that they have proven."""
    partner: str
    """The partner that passes the request on."""
    body: bytes
    asking: Asking | None
    number_proof: str


async def which_person(desk: Desk, caller: Caller) -> Person | Refusal:
    """Who asks, proven now. Raises `BadSignature`."""
    if isinstance(caller, Visit):
        proof = await proof_of(desk, caller.token)
        if isinstance(proof, Refusal):
            return proof
        return Person(BY_NUMBER, tuple(proof.sellers.split()), proof.number, "", caller.body, None, proof.id)
    asking = await who_asks(desk, caller, with_partner=False)
    if isinstance(asking, Refusal):
        return asking
    if asking.only_seller is None:
        return Person(BY_PARTNER, (), "", asking.partner, asking.body, asking, "")
    return Person(BY_KEY, (asking.only_seller,), "", "", asking.body, asking, "")


async def own_request(desk: Desk, person: Person, request_id: str) -> SubjectRequest | Refusal:
    """A request of this person's; any other one is unknown."""
    request = await requests.find(desk.fetch, request_id) if is_id("req", request_id) else None
    if request is None or not await _is_theirs(desk, person, request):
        return Refusal(Reason.subject_request_is_unknown)
    return request


async def _is_theirs(desk: Desk, person: Person, request: SubjectRequest) -> bool:
    if request.kind == HEIR or not request.seller:
        return person.number == request.number != ""
    if request.proof == BY_PARTNER:
        seller = await desk.lookup.seller(request.seller) if person.partner else None
        return seller is not None and seller.partner == person.partner
    return request.seller in person.sellers


def target_uri_of(caller: Caller) -> str:
    """The address that was asked, with its query."""
    return caller.target_uri if isinstance(caller, Visit) else caller.claim.request.target_uri
