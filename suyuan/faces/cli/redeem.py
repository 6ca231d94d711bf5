"""`suyuan redeem FILE`: sells a file of cards through the API of a running platform; start it again if it was killed.

The whole file is checked first; while anything is wrong with it, nothing is sent (`--skip-bad` sells the rest).
Beside FILE appear `FILE.result.csv` (one row per card) and `FILE.result.journal` (what a second start goes by).

    exit code   0  every card was taken (with --wait: paid)
                1  every card was decided, some were refused, rejected or skipped
                2  asked wrongly, or the file has flaws: nothing was sent
                3  the platform is silent, unbelievable, or refuses for a reason that is not a card's; or --wait is over
                   and payouts are pending: start again later
              130  interrupted; start the same command again to go on
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from suyuan.base import clock
from suyuan.base.crypto import PublicKey
from suyuan.base.refusals import Language
from suyuan.faces.cli import pins
from suyuan.faces.cli.terminal import as_json, fail, language, tell
from suyuan.faces.redeem_file.cards import CardRow, Sheet, read_cards
from suyuan.faces.redeem_file.flaws import Flaw
from suyuan.faces.redeem_file.journal import Heading, Journal, JournalTrouble, Names, Outcome
from suyuan.faces.redeem_file.result import BAD, NOT_SENT, SENTENCES, UNKNOWN, ResultRow, write_result
from suyuan.faces.redeem_file.sell import UNDER_WAY, Selling, Terms
from suyuan.faces.sdk import AsyncPlatform, Patience, Refused, SigningKey, Trouble, UnsafeKeyFile, read_key_file
from suyuan.settle.card import load_formats

app = typer.Typer(add_completion=False)

DONE, SOME_REFUSED, WRONG, START_AGAIN, INTERRUPTED = 0, 1, 2, 3, 130
NOTHING_SENT: dict[Language, str] = {
    "en": "Nothing was sent. Lines of {file} with flaws: {lines}.",
    "zh": "未提交任何卡。{file} 中有误的行数：{lines}。",
}
SEE: dict[Language, str] = {"en": "{states}; see {result}", "zh": "{states}；详见 {result}"}
GO_ON: dict[Language, str] = {
    "en": "Start the same command again to go on where it stopped.",
    "zh": "重新运行同一命令即可从中断处继续。",
}
PUT_RIGHT: dict[Language, str] = {
    "en": "Put this right, then start again: with --retry-refused, or with another --result if an option was wrong.",
    "zh": "请先解决此问题，再加 --retry-refused 重新运行；若是参数填错，请改正并换一个 --result。",
}
GOOD = (*UNDER_WAY, "paid")
TELL_S = 5.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked for, once it is known to make sense."""

    file: Path
    content: bytes
    sheet: Sheet
    result: Path
    terms: Terms
    key: SigningKey
    url: str
    origin: str
    platform_keys: dict[str, PublicKey]
    at_once: int
    again: bool
    wait_s: float

    @property
    def heading(self) -> Heading:
        names = Names(self.key.secret)
        terms = self.terms
        return Heading(names.file(self.content), self.origin, terms.contract, terms.seller, terms.agent or "")


@app.command()
def redeem(  # noqa: PLR0913 - Each option of the command is one argument.
    file: Annotated[Path, typer.Argument(help="CSV: operator,serial,pin,face_yuan – or 运营商,卡号,卡密,面值")],
    *,
    url: Annotated[str, typer.Option(help="the platform's address")],
    key: Annotated[Path, typer.Option(help="your signing key file")],
    contract: Annotated[str, typer.Option(help="ctr_…")],
    seller: Annotated[str, typer.Option(help="slr_…")],
    agent: Annotated[str, typer.Option(help="agt_…")] = "",
    result: Annotated[Path | None, typer.Option(help="where the result is written")] = None,
    encoding: Annotated[str, typer.Option(help="of the file, where it is not recognised")] = "",
    platform_key: Annotated[list[str] | None, typer.Option(help="ed25519:…; else the pinned keys")] = None,
    at_once: Annotated[int, typer.Option(min=1, max=256, help="how many cards are on their way at a time")] = 16,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="sell the good rows of a file with flaws")] = False,
    retry_refused: Annotated[bool, typer.Option("--retry-refused", help="offer refused cards anew")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="wait until every payout is decided")] = False,
    wait_s: Annotated[float, typer.Option(min=0, help="how long to wait at most")] = 600.0,
    json: Annotated[bool, typer.Option("--json", help="a summary as the last line of output")] = False,
) -> None:
    """Sell a file of cards. Killed at any moment, it goes on where it was: nothing is lost, nothing is paid twice.

    Leaves with 0 when every card was taken, 1 when some were refused, 2 when nothing was sent, 3 when it should be
    started again later, 130 when it was interrupted.
    """
    began_s = clock.monotonic_s()
    content, sheet = _read(file, encoding)
    _tell_flaws(file, sheet)
    if sheet.flaws and not (skip_bad and sheet.cards):
        if json:
            as_json({"cards": len(sheet.cards), "bad": len(_bad_lines(sheet)), "sent": 0, "exit_code": WRONG})
        fail(NOTHING_SENT[language()].format(file=file, lines=len(_bad_lines(sheet))), code=WRONG)
    own, origin, keys = _who(key, url, platform_key or [])
    wish = Wish(
        file=file, content=content, sheet=sheet, result=result or file.with_suffix(".result.csv"),
        terms=Terms(contract, seller, agent or None), key=own, url=url, origin=origin, platform_keys=keys,
        at_once=at_once, again=retry_refused, wait_s=wait_s if wait else 0.0,
    )  # fmt: skip
    if wish.result.resolve() == file.resolve():
        fail("The result would overwrite the file of cards; name another --result.")
    code, summary = _run(wish)
    if json:
        as_json(summary | {"seconds": round(clock.monotonic_s() - began_s, 3), "exit_code": code})
    raise typer.Exit(code)


# --- Before anything is sent ------------------------------------------------------------------------------------------


def _read(file: Path, encoding: str) -> tuple[bytes, Sheet]:
    try:
        content = file.read_bytes()
        "".encode(encoding or "utf-8")
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}.")
    except LookupError:
        fail(f"There is no encoding called {encoding!r}; try utf-8 or gb18030.")
    formats = load_formats(clock.shanghai_day(clock.SystemClock().now()))
    return content, read_cards(content, formats, encoding)


def _tell_flaws(file: Path, sheet: Sheet) -> None:
    for flaw in sheet.flaws:
        tell(flaw.text(str(file), language()))


def _who(key: Path, url: str, platform_keys: list[str]) -> tuple[SigningKey, str, dict[str, PublicKey]]:
    try:
        own = read_key_file(key)
        origin, keys = pins.trusted(url, [PublicKey.parse(text) for text in platform_keys])
    except (UnsafeKeyFile, ValueError, pins.NotPinned) as error:
        fail(f"Nothing was sent: {error}")
    except Trouble as error:
        fail(f"Nothing was sent: {error}", code=START_AGAIN)
    return own, origin, dict(keys)


# --- The run ----------------------------------------------------------------------------------------------------------


def _run(wish: Wish) -> tuple[int, dict[str, Any]]:
    """Sells, and writes the result however it ends."""
    try:
        journal = Journal(wish.result.with_suffix(".journal"), wish.heading, Names(wish.key.secret))
    except (JournalTrouble, OSError) as error:
        fail(f"Nothing was sent: {error}")
    with journal, _progress(len(wish.sheet.cards)) as progress:
        for card in wish.sheet.cards:
            if (known := journal.outcome(card.line)) is not None:
                progress.seen(card, known)
        selling, is_interrupted = asyncio.run(_sell(wish, journal, progress))
        rows = list(_rows(wish.sheet, journal, selling.under_way))
        try:
            write_result(wish.result, rows)
        except OSError as error:
            fail(f"{wish.result} cannot be written: {error.strerror}; start the same command again.", code=START_AGAIN)
    code = _exit_code(rows, selling, is_interrupted=is_interrupted, waited=wish.wait_s > 0)
    _tell_end(wish, rows, selling, code)
    return code, _summary(wish, rows, selling)


async def _sell(wish: Wish, journal: Journal, progress: _Progress) -> tuple[Selling, bool]:
    """One event loop. The first Ctrl-C begins no further card, the second does not wait for those under way."""
    patience = Patience(tries_max=10, first_wait_s=0.3, wait_max_s=20.0)
    async with AsyncPlatform(
        wish.url, key_id=wish.key.id, signer=wish.key.signer, keys=wish.platform_keys, origin=wish.origin,
        patience=patience, timeout_s=20.0, connections_max=wish.at_once,
    ) as platform:  # fmt: skip
        selling = Selling(platform, wish.terms, journal, at_once=wish.at_once, seen=progress.seen)
        asked_to_stop = _listen(selling)
        with contextlib.suppress(asyncio.CancelledError):
            await selling.sell(wish.sheet.cards, again=wish.again)
            if wish.wait_s and not selling.is_stopping:
                await selling.wait(wish.sheet.cards, timeout_s=wish.wait_s)
        return selling, bool(asked_to_stop)


def _listen(selling: Selling) -> list[signal.Signals]:
    """Notes each signal to stop in the list it gives."""
    heard: list[signal.Signals] = []
    selling_task = asyncio.current_task()
    assert selling_task is not None, "this runs in the event loop"

    def stop(number: signal.Signals) -> None:
        heard.append(number)
        selling.stop()
        if len(heard) > 1:
            selling_task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    return heard


# --- What is told -----------------------------------------------------------------------------------------------------


class _Progress:
    """A bar on the terminal, with the rate; nothing where nobody looks."""

    def __init__(self, bar: Any, task: Any) -> None:
        self._bar, self._task = bar, task
        self._states: dict[int, str] = {}
        self._counts: Counter[str] = Counter()

    def seen(self, card: CardRow, outcome: Outcome) -> None:
        """A card whose state is known, or known anew."""
        self._counts[self._states.get(card.line, "")] -= 1
        self._counts[outcome.state] += 1
        self._states[card.line] = outcome.state
        told = "  ".join(f"{count} {state}" for state, count in sorted(self._counts.items()) if count > 0)
        self._bar.update(self._task, completed=len(self._states), told=told)


@contextlib.contextmanager
def _progress(total: int) -> Iterator[_Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[told]}"), _rate(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        yield _Progress(bar, bar.add_task("", total=total, told=""))


def _rate() -> Any:
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Rate(ProgressColumn):
        """Cards a second; nothing before the first."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.1f}/s" if task.speed else "")

    return Rate()


def _rows(sheet: Sheet, journal: Journal, under_way: set[int]) -> Iterator[ResultRow]:
    """One row per line of the file, in its order."""
    flaws: dict[int, list[Flaw]] = {}
    for flaw in sheet.flaws:
        flaws.setdefault(flaw.line, []).append(flaw)
    cards = {card.line: card for card in sheet.cards}
    for line in sorted(cards.keys() | flaws.keys()):
        if line in flaws:
            yield _bad_row(line, flaws[line])
        else:
            yield _row(cards[line], journal.outcome(line) or Outcome(UNKNOWN if line in under_way else NOT_SENT))


def _row(card: CardRow, outcome: Outcome) -> ResultRow:
    english, chinese = SENTENCES.get(outcome.state, ("", ""))
    return ResultRow(
        card.line, card.operator, card.masked_serial, card.face_fen, outcome.state, outcome.redemption,
        outcome.paid if outcome.redemption else "", outcome.value_kind, outcome.code,
        outcome.sentence_zh or chinese, outcome.sentence_en or english, card.reference,
    )  # fmt: skip


def _bad_row(line: int, flaws: list[Flaw]) -> ResultRow:
    chinese = "".join(f"{flaw.name}：{flaw.sentence('zh')}" for flaw in flaws)
    english = " ".join(f"{flaw.name}: {flaw.sentence('en')}" for flaw in flaws)
    return ResultRow(line, "", "", "", BAD, "", "", "", flaws[0].code, chinese, english, "")


def _bad_lines(sheet: Sheet) -> set[int]:
    return {flaw.line for flaw in sheet.flaws}


def _exit_code(rows: list[ResultRow], selling: Selling, *, is_interrupted: bool, waited: bool) -> int:
    states = {row.state for row in rows}
    if is_interrupted:
        return INTERRUPTED
    if states & {NOT_SENT, UNKNOWN} or (waited and states & UNDER_WAY) or selling.stopped_by is not None:
        return START_AGAIN
    return DONE if states <= set(GOOD) else SOME_REFUSED


def _tell_end(wish: Wish, rows: list[ResultRow], selling: Selling, code: int) -> None:
    why = selling.stopped_by
    if isinstance(why, Refused):
        tell(f"{why.code}: {why.sentence_zh if language() == 'zh' else why.sentence_en}")
    elif why is not None:
        tell(str(why))
    states = Counter(row.state for row in rows)
    told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    tell(SEE[language()].format(states=told, result=wish.result))
    if code in (START_AGAIN, INTERRUPTED):
        is_decided = isinstance(why, Refused) and why.is_final
        tell((PUT_RIGHT if is_decided else GO_ON)[language()])


def _summary(wish: Wish, rows: list[ResultRow], selling: Selling) -> dict[str, Any]:
    states = Counter(row.state for row in rows)
    taken = [row for row in rows if row.state in GOOD]
    return {
        "cards": len(rows),
        "sent": selling.sent,
        "states": dict(states),
        "refused": dict(Counter(row.code for row in rows if row.code and row.state != BAD)),
        "bad": states[BAD],
        "face_fen": sum(int(row.face_fen) for row in taken),
        "paid": sum(int(row.paid) for row in taken),
        "result": str(wish.result),
    }
