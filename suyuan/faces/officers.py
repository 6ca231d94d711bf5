"""Officers: the people who change the rule book, and what each of their signatures says.

A command of an officer carries a signature over exactly what is meant, so a stolen socket changes nothing. These
functions only make commands; `suyuan admin` and the simulator carry them to the line.

>>> officer = Officer("ofc_1", crypto.suite("ed25519").signer(bytes(32)))
>>> stop = switch(officer, "channel:bank_transfer", stopped=True)
>>> stop.target, stop.stopped, len(stop.signature)
('channel:bank_transfer', True, 64)
"""

from __future__ import annotations

from dataclasses import dataclass, field

from suyuan.base import crypto, wire
from suyuan.flows.change_terms import (
    AddOfficer,
    AnyChange,
    ApproveChange,
    ProposeChange,
    RegisterOfficer,
    TurnSwitch,
    encode_change,
    statement,
)


@dataclass(frozen=True, slots=True)
class Officer:
    """An officer with the key to sign with."""

    id: str
    signer: crypto.Signer = field(repr=False)

    @property
    def as_change(self) -> AddOfficer:
        """What registers this officer, be it as one of the first two or by a proposal."""
        return AddOfficer(self.id, self.signer.algorithm, wire.b64(self.signer.public))

    def sign(self, verb: str, subject: object) -> bytes:
        """Signs what is meant."""
        return self.signer.sign(statement(verb, subject))


def register(officer: Officer) -> RegisterOfficer:
    """One of the first two officers steps forward."""
    change = officer.as_change
    signature = officer.sign("register", encode_change(change))
    return RegisterOfficer(change.id, change.algorithm, change.public_key, signature)


def propose(officer: Officer, proposal: str, change: AnyChange) -> ProposeChange:
    """Step one of a change."""
    text = encode_change(change)
    return ProposeChange(proposal, text, officer.id, officer.sign("propose", text))


def approve(officer: Officer, proposal: str) -> ApproveChange:
    """Step two, by another officer. Read the proposal first: what is signed here is its name."""
    return ApproveChange(proposal, officer.id, officer.sign("approve", proposal))


def switch(officer: Officer, target: str, *, stopped: bool) -> TurnSwitch:
    """A kill switch, which takes one officer."""
    subject = {"target": target, "stopped": stopped}
    return TurnSwitch(target, stopped, officer.id, officer.sign("switch", subject))
