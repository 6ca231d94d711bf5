"""The key of a witness, in its folder: `witness.key`, the text of a secret note key (`note.secret_text`), mode 0600.

It holds the witness's name too, which is for good: the name and the public key are what logs and checkers are given.
The key is made for this one use, since a cosignature does not bind the name; no other cosigner and no log may have it.

A witness whose folder is lost begins again under a new key and a new name, because it has no memory of what the old one
signed.
"""

from __future__ import annotations

from pathlib import Path

from suyuan.evidence.check import COSIGNATURE
from suyuan.evidence.check.note import is_key_name
from suyuan.evidence.log.note import Cosigner, NoteSecret, read_secret, secret_text
from suyuan.privacy.keyring import KeyTrouble, UnsafeKeyFile, read_private, sync_folder, write_private

FILE = "witness.key"
NAME_LENGTH_MAX = 200


def make_witness_key(folder: Path, name: str, *, chance: bytes) -> Cosigner:
    """Makes the key of a new witness; one that is there is left as it is. Raises `KeyTrouble`."""
    if not is_key_name(name) or not name.isprintable() or len(name) > NAME_LENGTH_MAX:
        raise KeyTrouble(
            f"{name!r} is no name of a witness; take one like partner.example/witness, without spaces and plus signs",
            f"{name!r} 不能作为见证方名称，请用 partner.example/witness 这样不含空格和加号的名称。",
        )
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    if not (folder / FILE).exists():
        write_private(folder / FILE, secret_text(NoteSecret(name, COSIGNATURE, chance)).encode() + b"\n")
        sync_folder(folder)
    loaded = load_witness_key(folder)
    if loaded.vkey.name != name:
        raise KeyTrouble(
            f"the witness in {folder} is called {loaded.vkey.name}, and a name is for good; take another folder",
            f"{folder} 中的见证方已名为 {loaded.vkey.name}，名称不可更改，请换一个目录。",
        )
    return loaded


def load_witness_key(folder: Path) -> Cosigner:
    """The key of a witness. Raises `KeyTrouble` with what to do."""
    if not (folder / FILE).exists():
        raise KeyTrouble(
            f"there is no witness in {folder}; make its key first: suyuan witness key --data {folder} --name …",
            f"{folder} 中没有见证方，请先生成密钥：suyuan witness key --data {folder} --name …",
        )
    try:
        signer = read_secret(read_private(folder / FILE).decode()).signer()
    except ValueError:
        signer = None
    if not isinstance(signer, Cosigner):
        raise UnsafeKeyFile(
            f"the key file {FILE} is torn, or another key's; restore it from its backup",
            f"密钥文件 {FILE} 已损坏或属于其他密钥，请从备份中恢复。",
        )
    return signer
