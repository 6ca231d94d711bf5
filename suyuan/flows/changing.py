"""What a change of the rule book is: a text that one officer proposes and another approves (`change_terms`).

Each story's file knows its own changes and offers a `ChangeKind` for each: whether the text makes sense by itself,
which rows it needs, and how it comes into force. `change_terms.CHANGES` lists them all; a change that is not there does
not exist.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import msgspec

from suyuan.base.refusals import Refusal
from suyuan.flows.shelves import Shelves
from suyuan.history.fact import Fact
from suyuan.history.line import Turn


class Change(msgspec.Struct, frozen=True, tag_field="change", forbid_unknown_fields=True):
    """What can be proposed."""


class Approval(NamedTuple):
    """Two officers' decision: who proposed, who approved, and the place of the approval in history."""

    proposal: str
    proposer: str
    approver: str
    turn: Turn


Made: TypeAlias = tuple[Fact, ...] | Refusal | None
"""The events of a change that is in force, or why it is not; None where the register does not allow it as it stands."""


class ChangeKind(NamedTuple):
    """How one kind of change is served. `want` says whether that was all, as in `history.line.Applier`.

    `make` brings it into force, or does nothing at all.
    """

    is_sound: Callable[[Any], bool]
    want: Callable[[Shelves, Any], bool]
    make: Callable[[Shelves, Any, Approval], Made]


def is_always_sound(change: Change) -> bool:
    """For changes whose every text makes sense by itself."""
    return True
