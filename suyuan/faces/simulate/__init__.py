"""The simulator: a day of ordinary traffic and every known attack, through the public SDK, with the truth beside it.

The reader's way: `cast` (who) → `deeds` (what can happen) → `attacks` and `plan` (the day, a pure function of a seed)
→ `stage`, `doors`, `forging`, `traffic` (carrying it out) → `truth` (judging it) → `verdict` (the report) → `day`
(all of it, in order).
"""

from suyuan.faces.simulate.deeds import Plan
from suyuan.faces.simulate.plan import make_plan
from suyuan.faces.simulate.verdict import Tried, Verdict

__all__ = ["Plan", "Tried", "Verdict", "make_plan"]
