"""Who is to be forgotten, and who was: the intent comes first, and from it on nothing of theirs is opened.

Owns the table `shredding`: one row a subject, written with the intent and never deleted, so that a person who was
erased stays erased whatever is restored. `epoch` is 0 until the data keys are gone, and then the newest epoch that had
wrapped any of them: when that epoch's key is destroyed, no copy anywhere opens any more.

>>> Shredding("slr_1", "subject asked", 5, None, 0).is_effective(destroyed=3)
False
>>> Shredding("slr_1", "subject asked", 5, 9, 3).is_effective(destroyed=3)
True
"""

from __future__ import annotations

import msgspec

TABLE = "shredding"


class Shredding(msgspec.Struct, gc=False):
    """How far forgetting one subject has come."""

    subject: str
    reason: str
    intended_at: int
    shredded_at: int | None
    epoch: int

    def is_effective(self, *, destroyed: int) -> bool:
        """Whether nothing can bring the subject's fields back, with all epochs up to `destroyed` gone."""
        return self.shredded_at is not None and self.epoch <= destroyed
