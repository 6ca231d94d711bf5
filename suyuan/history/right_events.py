"""What happens to the requests of people about their own data. A part of `events`, which lists every kind."""

from __future__ import annotations

from typing import Annotated

from suyuan.history.fact import Fact
from suyuan.privacy.classes import Open, Privacy, Pseudonym, Sealed


class RequestReceived(Fact, frozen=True, tag="request_received/1"):
    """A person who has proven who they are asks about their own data, or a relative about that of a deceased."""

    request: Open[str]
    asks: Open[str]  # One of the nine kinds of `privacy.requests`.
    seller: Pseudonym[str]  # Nothing for somebody who never registered.
    number: Pseudonym[str]  # Nothing unless they proved a number.
    proof: Open[str]  # By what they are known: their own key, their partner's, or a code sent to their number.
    policy: Open[str]  # The version of the privacy notice that the request is answered by.
    due_at: Open[int]


class RequestAnswered(Fact, frozen=True, tag="request_answered/1"):
    """The request was done, by the platform itself or by an officer."""

    request: Open[str]
    outcome: Open[str]
    by: Open[str]


class RequestRefused(Fact, frozen=True, tag="request_refused/1"):
    """The request was refused, for one of the reasons of the closed list, which cites its rule."""

    request: Open[str]
    refusal: Open[str]
    law: Open[str]
    version: Open[str]
    article: Open[str]
    by: Open[str]


class SellerCorrected(Fact, frozen=True, tag="seller_corrected/1"):
    """An officer has accepted what a seller says is right. What is empty stays as it was; a payee never changes so."""

    request: Open[str]
    seller: Pseudonym[str]
    number: Pseudonym[str]
    sealed_name: Annotated[Sealed, Privacy.IDENTITY]
    sealed_number: Annotated[Sealed, Privacy.CONTACT]
    by: Open[str]
