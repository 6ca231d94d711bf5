"""What `suyuan bench sffsd` found, for machines and for people: the published figures, and ours beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, pstdev
from typing import NamedTuple

from suyuan.faces.bench.machine import Machine, machine_now, rss_mb
from suyuan.faces.bench.sffsd import protocols
from suyuan.faces.bench.sffsd.features import causal_features, label_features
from suyuan.faces.bench.sffsd.protocols import InTime, Progress, Reached
from suyuan.faces.bench.sffsd.table import PUBLISHED_SHA256, BadTable, read_table

SEEDS = (1, 2, 3, 4, 5)
DELAYS = (0, 500, 2_000)
GTAN_TEST_SHARE, RGTAN_TEST_SHARE = 0.2, 0.6
LABELLED_MIN = 5_000

PUBLISHED: dict[str, Reached] = {
    "mcnn": Reached(0.7129, 0.6861, 0.3309),
    "stan": Reached(0.7446, 0.6791, 0.3395),
    "stagn": Reached(0.7659, 0.6852, 0.3599),
    "gtan": Reached(0.8286, 0.7336, 0.6585),
    "rgtan": Reached(0.8461, 0.7513, 0.6939),
}
"""The readme of AI4Risk/antifraud. The first three are scored on hard predictions, on another split without a seed."""


class Report(NamedTuple):
    """Everything that the bench found; a list has one entry for each seed."""

    before: Machine
    after: Machine
    sha256: str
    gtan: list[Reached]
    rgtan: list[Reached]
    gtan_without_labels: list[Reached]
    time_split: dict[int, InTime]
    frozen: Reached

    def fields(self) -> dict[str, object]:
        """What machines read; the names are promised."""
        return {
            "gtan": _mean(self.gtan),
            "rgtan": _mean(self.rgtan),
            "gtan_without_labels": _mean(self.gtan_without_labels),
            "seeds": len(SEEDS),
            "seeds_std": {"gtan": _std(self.gtan), "rgtan": _std(self.rgtan)},
            "published": {name: _rounded(reached) for name, reached in PUBLISHED.items()},
            "time_split": {str(delay): _rounded(reached.shifted) for delay, reached in self.time_split.items()},
            "time_split_not_shifted": {str(delay): _rounded(it.plain) for delay, it in self.time_split.items()},
            "time_split_frozen": _rounded(self.frozen),
            "features": len(causal_features()),
            "label_features": len(label_features()),
            "sha256": self.sha256,
            "is_published_file": self.sha256 == PUBLISHED_SHA256,
            "rss_mb": rss_mb(),
            "machine": self.before._asdict(),
            "load_1min_after": self.after.load_1min,
        }

    def table(self) -> Iterator[tuple[str, str, str, str, str]]:
        """Who, under which protocol, with which AUC, macro F1 and average precision."""
        for name in ("mcnn", "stan", "stagn"):
            yield _row(f"{name.upper()}, published, hard scores", "labelled rows 80/20", PUBLISHED[name])
        yield _row("GTAN, published", "random, test 20 %", PUBLISHED["gtan"])
        yield _row("ours, no label features", "random, test 20 %", *self.gtan_without_labels)
        yield _row("ours", "random, test 20 %", *self.gtan)
        yield _row("RGTAN, published", "random, test 60 %", PUBLISHED["rgtan"])
        yield _row("ours", "random, test 60 %", *self.rgtan)
        yield _row("ours, never trained again", "time, last 20 %", self.frozen)
        for delay, reached in self.time_split.items():
            who = f"ours, labels after {delay:,} payments"
            yield _row(who, "time, last 20 %", reached.plain)
            yield _row(f"{who}, shifted", "time, last 20 %", reached.shifted)


def measure(file: Path, *, on_progress: Progress = lambda _: None) -> Report:
    """Runs every protocol on the file. Raises `BadTable` for one that is not S-FFSD."""
    before = machine_now()
    table = read_table(file)
    if len(table.labelled) < LABELLED_MIN:
        raise BadTable(f"{file} has {len(table.labelled)} rows with a label; S-FFSD.csv has 29,643")
    study = protocols.study_of(table, seeds=SEEDS, on_progress=on_progress)
    return Report(
        before=before,
        sha256=table.sha256,
        gtan=protocols.random_split(study, test_share=GTAN_TEST_SHARE),
        rgtan=protocols.random_split(study, test_share=RGTAN_TEST_SHARE),
        gtan_without_labels=protocols.random_split_without_labels(study, test_share=GTAN_TEST_SHARE),
        time_split={delay: protocols.time_split(study, delay=delay) for delay in DELAYS},
        frozen=protocols.frozen(study),
        after=machine_now(),
    )


def _mean(reached: Sequence[Reached]) -> dict[str, float]:
    return _rounded(Reached(*(fmean(figures) for figures in zip(*reached, strict=True))))


def _std(reached: Sequence[Reached]) -> dict[str, float]:
    return _rounded(Reached(*(pstdev(figures) for figures in zip(*reached, strict=True))))


def _rounded(reached: Reached) -> dict[str, float]:
    return {name: round(value, 4) for name, value in reached._asdict().items()}


def _row(who: str, protocol: str, *reached: Reached) -> tuple[str, str, str, str, str]:
    mean, std = _mean(reached), _std(reached)
    figures = [f"{mean[name]:.4f}" + (f" ± {std[name]:.4f}" if len(reached) > 1 else "") for name in mean]
    return who, protocol, figures[0], figures[1], figures[2]
