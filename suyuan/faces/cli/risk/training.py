"""`suyuan risk train|card|drift`: a model made from history, what is to be said of it, and whether it has aged.

All of them only read the platform, and may run beside it; what `train` writes is put into service by officers.

    suyuan risk train model.txt --data DIR --champion old-model.txt
    suyuan risk train model.txt --history FOLDER      the folder of `suyuan history export`
    suyuan risk card model.card.json
    suyuan risk drift model.card.json --data DIR      exit status 1 where somebody should look
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from suyuan.base.clock import DAY_S
from suyuan.base.refusals import Language
from suyuan.faces.cli.history import Data, Database, database_of
from suyuan.faces.cli.speaking import Json, Lang, language_of, print_table
from suyuan.faces.cli.terminal import as_json, fail, tell
from suyuan.history.store import Recorded
from suyuan.risk.model.card import BadCard, ModelCard, percent, printed, read_card, write_card

if TYPE_CHECKING:
    from suyuan.risk.model.drift import Drift
    from suyuan.risk.model.examples import Examples
    from suyuan.risk.model.scorer import Scorer

CARD_SUFFIX = ".card.json"
DAYS_MAX = 3_650

History = Annotated[Path | None, typer.Option("--history", help="a folder of `suyuan history export` instead")]

WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "written": "{model} and {card} are written. Officers put a model into service; nothing has changed yet.",
        "exists": "{file} is there already; a model is never written over. Give another name.",
        "other_features": "{file} takes other features than this suyuan measures, so it cannot be compared.",
        "no_segments": "{folder} holds no exported history; make one with `suyuan history export`.",
        "unreadable": "{place} cannot be read as history: {why}",
        "nothing": "Nothing was decided since this model was trained.",
        "steady": "{rows} decisions since: no input has drifted, and the share of bad is what it was.",
        "rate": "The share of bad is {now}, and was {then} when the model was trained.",
        "alarm": "{rows} decisions since. Look at what has changed, and train a new model.",
    },
    "zh": {
        "written": "已写入 {model} 和 {card}。模型须由操作员启用，目前未作任何变更。",
        "exists": "{file} 已存在；模型文件不会被覆盖，请换一个文件名。",
        "other_features": "{file} 使用的特征与本版 suyuan 不同，无法比较。",
        "no_segments": "{folder} 中没有导出的历史，请先运行 `suyuan history export`。",
        "unreadable": "无法将 {place} 作为历史读取：{why}",
        "nothing": "该模型训练之后尚无任何决定。",
        "steady": "此后有 {rows} 笔决定：输入无漂移，异常占比未变。",
        "rate": "异常占比现为 {now}，训练时为 {then}。",
        "alarm": "此后有 {rows} 笔决定。请查明变化，并训练新模型。",
    },
}


def train(
    file: Annotated[Path, typer.Argument(help="where the model goes; its card goes beside it")],
    *,
    data: Data = Path("suyuan-data"),
    database: Database = "",
    history: History = None,
    champion: Annotated[Path | None, typer.Option(help="a model to be compared with on the same labels")] = None,
    label_delay_d: Annotated[
        int, typer.Option(min=0, max=DAYS_MAX, help="days after which an attempt without an outcome was good")
    ] = 7,
    half_life_d: Annotated[int, typer.Option(min=1, max=DAYS_MAX, help="days after which an example weighs half")] = 60,
    good_share_max: Annotated[
        float, typer.Option(min=0, max=0.5, help="the share of good attempts that may score above the threshold")
    ] = 0.005,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="equal seeds give equal models")] = 1,
    is_for_machines: Json = False,
    lang: Lang = None,
) -> None:
    """Trains a model on history and writes it with its card. Exit status 1 where too few outcomes are known yet."""
    from suyuan.risk.model.training import Terms, TooFewLabels
    from suyuan.risk.model.training import train as train_model

    language = language_of(lang)
    card_file = file.with_name(file.stem + CARD_SUFFIX)
    for taken in (taken for taken in (file, card_file) if taken.exists()):
        fail(WORDS[language]["exists"].format(file=taken))
    examples = _examples(data, database, history, language)
    terms = Terms(
        as_of=examples.read_to,
        label_delay_s=label_delay_d * DAY_S,
        half_life_s=half_life_d * DAY_S,
        good_share_max=good_share_max,
        seed=seed,
    )
    try:
        trained = train_model(examples, terms, champion=_champion(champion, examples, language) if champion else None)
    except TooFewLabels as few:
        fail(str(few), code=1)
    _write_new(file, trained.text.encode())
    _write_new(card_file, write_card(trained.card))
    if is_for_machines:
        as_json({"model": str(file), "card": trained.card})
        return
    print("\n".join(printed(trained.card, language)))
    tell(WORDS[language]["written"].format(model=file, card=card_file))


def card(
    file: Annotated[Path, typer.Argument(help="the card of a model")],
    is_for_machines: Json = False,
    lang: Lang = None,
) -> None:
    """Shows what is to be said of a model."""
    found = _card(file)
    if is_for_machines:
        as_json(found)
    else:
        print("\n".join(printed(found, language_of(lang))))


def drift(
    file: Annotated[Path, typer.Argument(help="the card of the model in service")],
    *,
    data: Data = Path("suyuan-data"),
    database: Database = "",
    history: History = None,
    is_for_machines: Json = False,
    lang: Lang = None,
) -> None:
    """Says what has changed since a model was trained. Exit status 1 where somebody should look."""
    from suyuan.risk.model.training import drift_since

    language = language_of(lang)
    known = _card(file)
    examples = _examples(data, database, history, language)
    if known.features != examples.catalogue:
        fail(WORDS[language]["other_features"].format(file=file))
    found = drift_since(known, examples, as_of=examples.read_to)
    if is_for_machines:
        as_json({**msgspec.to_builtins(found), "is_alarm": found.is_alarm})
    else:
        _show(found, language)
    if found.is_alarm:
        raise typer.Exit(1)


def _show(found: Drift, language: Language) -> None:
    words = WORDS[language]
    if found.drifted:
        print_table(("input", "psi"), [(name, f"{value / 100:.2f}") for name, value in found.drifted.items()])
    if found.is_rate_changed:
        now, then = percent(found.base_rate_bp), percent(found.trained_base_rate_bp)
        print(words["rate"].format(now=now, then=then))
    said = "alarm" if found.is_alarm else "steady" if found.rows else "nothing"
    print(words[said].format(rows=found.rows))


def _examples(data: Path, database: str, history: Path | None, language: Language) -> Examples:
    from suyuan.risk.catalogue import load_catalogue
    from suyuan.risk.model.examples import read_examples

    with _recorded(database or data, history, language) as recorded:
        return read_examples(recorded, load_catalogue())


@contextmanager
def _recorded(place: Path | str, history: Path | None, language: Language) -> Iterator[Iterator[Recorded]]:
    from pyarrow import ArrowInvalid

    from suyuan.history import segments
    from suyuan.risk.backtest import past

    if history is None:
        with database_of(place) as connection:
            yield past.recorded(connection)
        return
    try:
        if not history.is_dir() or not segments.segments(history):
            fail(WORDS[language]["no_segments"].format(folder=history))
        yield past.recorded(history)
    except (segments.BrokenExport, ArrowInvalid, OSError, msgspec.DecodeError, KeyError) as why:
        fail(WORDS[language]["unreadable"].format(place=history, why=why), code=1)


def _champion(file: Path, examples: Examples, language: Language) -> Scorer:
    from suyuan.risk.model.forest import TEXT_BYTES_MAX, BadModel
    from suyuan.risk.model.scorer import Scorer

    try:
        scorer = Scorer(_read(file, TEXT_BYTES_MAX).decode("ascii", errors="replace"))
    except BadModel as bad:
        fail(f"{file}: {bad}")
    if (scorer.catalogue, scorer.names) != (examples.catalogue, examples.names):
        fail(WORDS[language]["other_features"].format(file=file))
    return scorer


def _card(file: Path) -> ModelCard:
    from suyuan.risk.model.card import CARD_BYTES_MAX

    try:
        return read_card(_read(file, CARD_BYTES_MAX))
    except BadCard as bad:
        fail(f"{file}: {bad}")


def _read(file: Path, bytes_max: int) -> bytes:
    """At most one byte more than there may be, which is enough to be refused."""
    try:
        with file.open("rb") as opened:
            return opened.read(bytes_max + 1)
    except OSError as error:
        fail(f"{file}: {error.strerror}")


def _write_new(file: Path, content: bytes) -> None:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
