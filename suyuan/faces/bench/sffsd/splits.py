"""Rows parted by chance with equal shares of each label, exactly as the published code parts them, and in folds.

The published figures rest on `train_test_split(..., stratify=labels, random_state=2)` of scikit-learn, over all rows
with unknown as a label of its own. `random_halves` draws the same rows from the same generator; the library itself is
only asked in the tests, so that the platform need not bring it.

>>> train, test = random_halves(np.array([0, 0, 0, 0, 1, 1]), test_share=0.5, seed=2)
>>> train.tolist(), test.tolist()
([2, 3, 5], [0, 1, 4])
"""

from __future__ import annotations

from math import ceil

import numpy as np

from suyuan.faces.bench.sffsd.table import Ints


def random_halves(labels: Ints, *, test_share: float, seed: int) -> tuple[Ints, Ints]:
    """The places of the rows to train on and of those to test on, each in order."""
    chance = np.random.RandomState(seed)
    tested = ceil(test_share * len(labels))
    _, counts = np.unique(labels, return_counts=True)
    by_label = np.split(np.argsort(labels, kind="stable"), np.cumsum(counts)[:-1])
    in_train = _shared_out(counts, len(labels) - tested, chance)
    in_test = _shared_out(counts - in_train, tested, chance)
    train, test = [], []
    for rows, trained, kept in zip(by_label, in_train, in_test, strict=True):
        drawn = rows[chance.permutation(len(rows))]
        train.append(drawn[:trained])
        test.append(drawn[trained : trained + kept])
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(test))


def folds(labels: Ints, *, count: int, seed: int) -> Ints:
    """For each row the fold that it is held out in; every fold has its share of each label."""
    chance = np.random.RandomState(seed)
    fold = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        fold[rows[chance.permutation(len(rows))]] = np.arange(len(rows)) % count
    return fold


def _shared_out(counts: Ints, drawn: int, chance: np.random.RandomState) -> Ints:
    """How many of each label so many draws take: its share rounded down, then one more for the largest remainders."""
    exact = counts / counts.sum() * drawn
    shares = np.floor(exact)
    remainders = exact - shares
    for remainder in np.unique(remainders)[::-1]:
        missing = int(drawn - shares.sum())
        if missing <= 0:
            break
        tied = np.flatnonzero(remainders == remainder)
        shares[chance.choice(tied, size=min(len(tied), missing), replace=False)] += 1
    return np.asarray(shares, np.int64)
