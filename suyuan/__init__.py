"""Suyuan: a self-hosted platform for recycling phone credit.

Its redemption interface cannot be turned into a cash machine, its records can be traced only within the law, and each
of its claims can be checked by a stranger. The parts stand in one order; each may import only what stands right of it:

    faces > app > config > flows | outside > settle > history > privacy > base

`.importlinter` holds that order. Read first: `docs/glossary.md`, `flows/redeem_card.py`, `history/events.py` and
`base/refusals.py`.
"""

# Assertions are the second half of every check here, so a run that strips them is not a run of this program.
if not __debug__:
    raise SystemExit("suyuan does not run with assertions off; start Python without -O and without PYTHONOPTIMIZE.")
