"""What all commands of officers share: who acts, the way to the line, and how an answer is told."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias, TypeVar

import msgspec
import psycopg
import typer
from psycopg.rows import TupleRow

from suyuan.app.appliers import ANSWERS
from suyuan.app.keys import load_keys
from suyuan.app.supervisor import database_url
from suyuan.base import clock, db, ids
from suyuan.base.refusals import Language, Refusal
from suyuan.config import Settings
from suyuan.faces import officers
from suyuan.faces.cli.speaking import print_table, refuse
from suyuan.faces.cli.terminal import as_json, fail, sentence_of, tell
from suyuan.faces.sdk.key_file import UnsafeKeyFile, read_key_file
from suyuan.flows.change_terms import AnyChange
from suyuan.flows.open_fields import Opened, open_fields
from suyuan.flows.read_fields import ReadAsOfficer
from suyuan.history.frames import LineCaller
from suyuan.privacy.keyring import KeyTrouble, NoEpochKey
from suyuan.privacy.vault import BrokenSeal, Vault
from suyuan.settle import roll
from suyuan.settle.account import FOR_EVER

T = TypeVar("T")
Connection: TypeAlias = psycopg.AsyncConnection[TupleRow]
Story: TypeAlias = Callable[[LineCaller, Vault, Connection], Awaitable[T]]

LINE_WAIT_S = 5.0

NO_KEY_FILE: dict[Language, str] = {
    "en": "Name your key file: suyuan admin --officer FILE …",
    "zh": "请指明您的密钥文件：suyuan admin --officer 文件 …",
}
NO_LINE: dict[Language, str] = {
    "en": "No line answers on this machine; start it with `suyuan serve`, or name its folder with --data.",
    "zh": "本机没有运行中的平台，请先执行 `suyuan serve`，或用 --data 指明数据目录。",
}
NEXT_STEP: dict[Language, str] = {
    "en": "Nothing has changed yet. Another officer: suyuan admin --data {data} --officer FILE approve {proposal}",
    "zh": "尚未生效，请另一位操作员批准：suyuan admin --data {data} --officer 文件 approve {proposal}",
}


IS_THERE: dict[Language, str] = {
    "en": "{file} is there already; name a new file.",
    "zh": "{file} 已存在，请另取文件名。",
}


@dataclass(frozen=True, slots=True)
class Office:
    """What every command of officers shares."""

    settings: Settings
    key_file: Path | None
    language: Language
    is_for_machines: bool

    @property
    def officer(self) -> officers.Officer:
        """Whoever acts. Ends the command where the key file cannot be used."""
        if self.key_file is None:
            fail(NO_KEY_FILE[self.language])
        try:
            key = read_key_file(self.key_file)
        except UnsafeKeyFile as error:
            fail(str(error))
        return officers.Officer(key.id, key.signer)

    def ask(self, command: msgspec.Struct) -> msgspec.Struct:
        """Carries a command to the line and gives its answer; says a refusal and ends the command."""
        answer = asyncio.run(_submit(self.settings.line_socket, command))
        if answer is None:
            fail(NO_LINE[self.language], code=1)
        if isinstance(answer, Refusal):
            refuse(answer, self.language)
        return answer

    def submit(self, command: msgspec.Struct) -> str:
        """The same for a command whose answer is a subject."""
        answer = self.ask(command)
        subject: str = answer.redemption if hasattr(answer, "redemption") else answer.subject  # type: ignore[attr-defined]  # Changed or Recorded.
        return subject

    def propose(self, change: AnyChange, made: str = "") -> None:
        """Proposes a change and says what to do next. `made` is the id of what will be registered."""
        proposal = self.submit(officers.propose(self.officer, new_id("prp"), change))
        self.tell({"proposal": proposal} | ({"id": made} if made else {}))
        if not self.is_for_machines:
            tell(NEXT_STEP[self.language].format(data=self.settings.data, proposal=proposal))

    def tell(self, said: Mapping[str, object]) -> None:
        """One result: a line a field, or JSON."""
        if self.is_for_machines:
            as_json(said)
        else:
            print("\n".join(f"{name}: {value}" for name, value in said.items()))

    def table(self, columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
        """A list: a table, or JSON."""
        if self.is_for_machines:
            as_json([dict(zip(columns, row, strict=True)) for row in rows])
        else:
            print_table(columns, rows)

    def run(self, story: Story[T | Refusal]) -> T:
        """Runs a story that opens sealed fields on this machine; says a refusal and ends the command.

        It gets the line, the vault, and a connection that cannot write.
        """
        vault = self.vault
        self.reading().close()
        try:
            done = asyncio.run(_run(self.settings, vault, story))
        except KeyTrouble as trouble:
            fail(sentence_of(trouble), code=1)
        except (BrokenSeal, NoEpochKey) as trouble:
            fail(str(trouble), code=1)
        except OSError as trouble:
            fail(f"{trouble.filename}: {trouble.strerror}" if trouble.strerror else str(trouble), code=1)
        if done is None:
            fail(NO_LINE[self.language], code=1)
        if isinstance(done, Refusal):
            refuse(done, self.language)
        return done

    @property
    def vault(self) -> Vault:
        """The vault of this machine's keys. Ends the command where they cannot be used."""
        try:
            return load_keys(self.settings).vault
        except KeyTrouble as trouble:
            fail(sentence_of(trouble), code=1)

    def opened(self, read: ReadAsOfficer) -> list[Opened]:
        """What an officer's signed read shows."""

        async def story(line: LineCaller, vault: Vault, connection: Connection) -> list[Opened] | Refusal:
            return await open_fields(line, vault, connection, read, now=clock.SystemClock().now)

        return self.run(story)

    def reading(self) -> roll.Connection:
        """A connection to the platform's database, for looking. Ends the command where there is none."""
        place = self.settings.database_place
        if isinstance(place, Path) and not place.exists():
            fail(NO_LINE[self.language], code=1)
        try:
            return db.connect(database_url(self.settings))
        except db.DatabaseUnreachable as trouble:
            fail(f"{NO_LINE[self.language]} {trouble}" if isinstance(place, Path) else str(trouble), code=1)
        except db.DatabaseTrouble as trouble:
            fail(str(trouble))


async def _submit(socket: Path, command: msgspec.Struct) -> msgspec.Struct | None:
    line = LineCaller(socket, ANSWERS)
    try:
        return await line.submit(command) if await line.reach(within_s=LINE_WAIT_S) else None
    finally:
        line.close()


async def _run(settings: Settings, vault: Vault, story: Story[T | Refusal]) -> T | Refusal | None:
    line = LineCaller(settings.line_socket, ANSWERS)
    try:
        if not await line.reach(within_s=LINE_WAIT_S):
            return None
        async with await psycopg.AsyncConnection.connect(database_url(settings), autocommit=True) as connection:
            await connection.execute("SET default_transaction_read_only = on")
            return await story(line, vault, connection)
    finally:
        line.close()


def beginning_of(day: str, option: str) -> clock.Micros:
    """When a day begins in Shanghai, as an option names it."""
    try:
        begins_at = clock.shanghai_midnight(day)
    except ValueError:
        raise typer.BadParameter("write a day as YYYY-MM-DD", param_hint=option) from None
    if not 0 < begins_at < FOR_EVER - clock.DAY_S * clock.SECOND:
        raise typer.BadParameter("choose a day between 1970 and 2255", param_hint=option)
    return begins_at


def end_of(day: str, option: str) -> clock.Micros:
    """When it is over."""
    return clock.plus(beginning_of(day, option), clock.DAY_S)


def new_id(prefix: str) -> str:
    """A fresh id."""
    return ids.new_id(prefix, at=clock.SystemClock().now(), chance=os.urandom(ids.CHANCE_BYTES))


def new_file(file: Path, language: Language) -> BinaryIO:
    """A new file that nobody else may read. Ends the command where there is one."""
    try:
        return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except FileExistsError:
        fail(IS_THERE[language].format(file=file))
    except OSError as trouble:
        fail(f"{file}: {trouble.strerror}")
