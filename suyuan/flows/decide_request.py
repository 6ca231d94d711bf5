"""An officer decides a request that waits: a correction, a deletion, an heir's, or a review of a decision.

The person has proven who they are and asked; the officer's signature is the second person's. What accepting does:

- `correct`: the new name or number takes the place of the old one. To judge it, the officer reads both whole under the
  request (`open_correction`), which is recorded like any other read; accepting a new number brings what leads to its
  pseudonym, made from what was read. A payee is never changed by this way.
- `delete`: the same intent as two officers' (`forget_subject`): closed at once, shredded when no law or case keeps it.
- `heir`: the officer has seen papers of kinship; whoever shows the code that is handed over gets a bundle for a week.
- `explain`: a person has looked at the decisions.

Refusing names one of the reasons of the closed list (`privacy.requests.REFUSALS`), which cites its rule. Either way the
values that came with the request are gone from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import msgspec

from suyuan.base.clock import Micros, plus
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.forget_subject import intend, want_intent
from suyuan.flows.keep_keys import are_of_closed_epochs, pseudonym_of, want_epoch, want_pseudonym
from suyuan.flows.officer_signature import check_signed_now, want_signed_now
from suyuan.flows.read_fields import ReadAsOfficer, read_as_officer
from suyuan.flows.shelves import Shelves
from suyuan.history.fact import Fact
from suyuan.history.frames import Commands
from suyuan.history.line import Applier, Decided, Turn
from suyuan.history.right_events import RequestAnswered, RequestRefused, SellerCorrected
from suyuan.privacy.classes import Sealed
from suyuan.privacy.pseudonyms import Marks
from suyuan.privacy.purposes import SELLER_NAME, SELLER_NUMBER
from suyuan.privacy.requests import ANSWERED, CORRECT, DELETE, HEIR, OPEN_S, REFUSALS, REFUSED, SubjectRequest
from suyuan.privacy.subject_keys import SubjectKey, key_id
from suyuan.privacy.vault import Vault
from suyuan.settle.account import Seller

CODE_DIGEST_BYTES = 32
CORRECTED, DELETION_BEGUN, HANDED_OVER, REVIEWED = "corrected", "deletion_begun", "handed_over", "reviewed"


class Corrected(NamedTuple):
    """A value as it is kept, and as the person says it should be; nothing where they say nothing of it."""

    field: str
    kept: str
    asked: str


async def open_correction(
    line: Commands,
    vault: Vault,
    keys: Mapping[str, SubjectKey],
    about: tuple[Seller, SubjectRequest],
    command: ReadAsOfficer,
) -> list[Corrected] | Refusal:
    """Shows an officer what is to be judged, whole. The command is signed and names the request."""
    seller, request = about
    authority = await read_as_officer(line, command)
    if isinstance(authority, Refusal):
        return authority
    shown = []
    pairs = {
        SELLER_NAME: (seller.sealed_name, request.sealed_name),
        SELLER_NUMBER: (seller.sealed_number, request.sealed_number),
    }
    for field, (kept, asked) in pairs.items():
        if asked:
            key, now = vault.unlock(keys[key_id(seller.id, field.key_class)]), Micros(command.at)
            values = [vault.open(Sealed(sealed), key, field, authority, now=now) for sealed in (kept, asked)]
            shown.append(Corrected(field.name, *values))
    return shown


class DecideRequest(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Accepts a request, or refuses it for a reason of the list.

    With a new number goes what leads to its pseudonym, for an heir the digest of the code.
    """

    request: str
    refusal: str
    number: Marks | None
    code_digest: bytes
    at: int
    officer: str
    signature: bytes


class RequestDecided(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What became of it; `subject` is the request."""

    subject: str
    outcome: str


def decision_subject(command: DecideRequest) -> object:
    """What an officer signs of a decision."""
    return {
        "request": command.request, "refusal": command.refusal, "code_digest": command.code_digest, "at": command.at,
        "number": None if command.number is None else list(command.number.marks),
    }  # fmt: skip


# --- in the line ---------------------------------------------------------------------------------


def want(shelves: Shelves, command: DecideRequest, now: int) -> bool:
    """Which rows are needed; those of the seller are known once the request is."""
    want_signed_now(shelves, command.officer, command.signature)
    want_epoch(shelves)
    if command.number is not None:
        want_pseudonym(shelves, command.number)
    shelves.requests.want(command.request)
    request = shelves.requests.peek(command.request)
    if request is None:
        return shelves.requests.is_absent(command.request)
    want_intent(shelves, request.seller)
    return True


def apply(shelves: Shelves, command: DecideRequest, turn: Turn) -> Decided:
    """Decides a request, once."""
    refusal = check_signed_now(
        shelves, command.officer, "decide_request", decision_subject(command),
        signed=(command.signature, command.at), turn=turn,
    )  # fmt: skip
    if refusal is not None:
        return Decided(refusal)
    request = shelves.requests.get(command.request)
    if request is None:
        return Decided(Refusal(Reason.subject_request_is_unknown))
    if not request.is_waiting:
        return Decided(Refusal(Reason.subject_request_is_closed))
    if command.refusal:
        return _refuse(shelves, command, request, turn.at)
    done = _accept(shelves, command, request, turn.at)
    if isinstance(done, Refusal):
        return Decided(done)
    outcome, effects = done
    request.state, request.outcome = ANSWERED, outcome
    _close(shelves, request, command.officer, turn.at)
    answered = RequestAnswered(request.id, outcome, command.officer)
    return Decided(RequestDecided(request.id, outcome), (*effects, answered))


def _refuse(shelves: Shelves, command: DecideRequest, request: SubjectRequest, at: int) -> Decided:
    reason = REFUSALS.get(command.refusal)
    if reason is None:
        return Decided(Refusal(Reason.field_is_malformed, "refusal"))
    # Whoever asked for a review may still fetch the explanation that they have had all along.
    request.state, request.refusal = REFUSED, command.refusal
    _close(shelves, request, command.officer, at)
    basis = reason.basis
    event = RequestRefused(request.id, command.refusal, basis.law, basis.version, basis.article, command.officer)
    return Decided(RequestDecided(request.id, REFUSED), (event,))


_Done: TypeAlias = tuple[str, tuple[Fact, ...]] | Refusal


def _accept(shelves: Shelves, command: DecideRequest, request: SubjectRequest, at: int) -> _Done:
    """The outcome and its events, or why it cannot be done now; then nothing has changed."""
    seller = shelves.register.sellers.get(request.seller)
    if seller is None:
        return Refusal(Reason.seller_is_unknown, "seller")
    if request.kind == CORRECT:
        return _correct(shelves, command, request, seller)
    if request.kind == DELETE:
        events = intend(shelves, seller.id, f"request {request.id}", by=command.officer, at=at)
        return events if isinstance(events, Refusal) else (DELETION_BEGUN, events)
    if request.kind != HEIR:
        return REVIEWED, ()
    if len(command.code_digest) != CODE_DIGEST_BYTES:
        return Refusal(Reason.field_is_malformed, "code_digest")
    request.code_digest, request.open_until = command.code_digest, plus(at, OPEN_S)
    return HANDED_OVER, ()


def _correct(shelves: Shelves, command: DecideRequest, request: SubjectRequest, seller: Seller) -> _Done:
    if shelves.shreddings.get(seller.id) is not None:
        return Refusal(Reason.seller_is_unknown, "seller")
    if bool(request.sealed_number) != (command.number is not None):
        return Refusal(Reason.field_is_malformed, "number")
    if command.number is not None and are_of_closed_epochs(shelves, command.number):
        return Refusal(Reason.platform_is_busy)
    if request.sealed_name:
        seller.sealed_name = request.sealed_name
    if command.number is not None:
        seller.sealed_number, seller.number = request.sealed_number, pseudonym_of(shelves, command.number)
    shelves.register.sellers.change(seller.id, seller)
    event = SellerCorrected(
        request=request.id,
        seller=seller.id,
        number=seller.number if request.sealed_number else "",
        sealed_name=Sealed(request.sealed_name),
        sealed_number=Sealed(request.sealed_number),
        by=command.officer,
    )
    return CORRECTED, (event,)


def _close(shelves: Shelves, request: SubjectRequest, officer: str, at: int) -> None:
    request.closed_at, request.decided_by = at, officer
    request.sealed_name = request.sealed_number = ""
    shelves.requests.change(request.id, request)


APPLIER = Applier(want, apply)
