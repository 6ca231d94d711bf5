"""`suyuan kek`: where the key lies that opens the key ring – in the key file, or in a KMS – and moving the ring.

To put a platform under a KMS: make the key and the token there, name them in `suyuan.toml` (`kms_url`, `kms_key`),
`suyuan kek move --to kms`, start the platform again. To take it back: `suyuan kek move --to file` first, then take
`kms_url` out of `suyuan.toml`, then start again. The ring's file is replaced whole or not at all, so whoever was
interrupted runs the command once more.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from suyuan.app.keys import look_at_kek, move_kek
from suyuan.config import BadSettings, Settings, load_settings
from suyuan.faces.cli.terminal import as_json, fail, language, sentence_of
from suyuan.privacy.keyring import KeyTrouble

app = typer.Typer(add_completion=False, no_args_is_help=True, help="The key that opens the key ring: show, move.")

PLACES = ("kms", "file")
Data = Annotated[Path, typer.Option("--data", help="the data folder of a platform")]
Json = Annotated[bool, typer.Option("--json", help="for machines")]


@app.command()
def show(data: Data, json: Json = False) -> None:
    """Open the whole ring and say where its KEK lies. Leaves with 1 when it does not open."""
    try:
        kek = look_at_kek(_settings(data))
    except KeyTrouble as trouble:
        fail(sentence_of(trouble), code=1)
    if json:
        as_json(kek._asdict())
    else:
        print(f"{kek.place}: {kek.oldest}–{kek.newest}")


@app.command()
def move(
    data: Data,
    to: Annotated[str, typer.Option(help="kms: the one in suyuan.toml; file: keys/vault.key")],
    json: Json = False,
) -> None:
    """Wrap the ring's keys under the KMS, or under the key file again. Start the platform again afterwards."""
    if to not in PLACES:
        fail(f"There is no place called {to!r}; take {' or '.join(PLACES)}.")
    settings = _settings(data)
    if not settings.kms_url:
        fail("Name the KMS in suyuan.toml first: kms_url, kms_key and the token's file.")
    try:
        epochs = move_kek(settings, is_to_kms=to == "kms")
    except KeyTrouble as trouble:
        fail(sentence_of(trouble), code=1)
    if json:
        as_json({"to": to, "epochs": epochs})
    else:
        print(_told(to, epochs))


def _settings(data: Path) -> Settings:
    try:
        return load_settings(data)
    except BadSettings as error:
        fail(str(error))


def _told(to: str, epochs: list[int]) -> str:
    """What was done and what is next, in the reader's language."""
    numbers = ", ".join(map(str, epochs))
    if language() == "zh":
        done = f"已重新包裹纪元密钥：{numbers}。" if epochs else "密钥环已在该处，未作更改。"
        return done + ("请重启平台。" if to == "kms" else "请从 suyuan.toml 删除 kms_url，然后重启平台。")
    done = f"The keys of epochs {numbers} are wrapped anew. " if epochs else "The ring lies there already. "
    return done + ("Start the platform again." if to == "kms" else "Take kms_url out of suyuan.toml, then start again.")
