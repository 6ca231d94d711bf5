"""What can go wrong with a KMS, each as a sentence that says what to do, in both languages.

A refusal's own words are only compared with the few that are known here and never repeated: what answers at a wrong
address may send anything, and an error must not carry a token that came back. The words are those of OpenBao 2.7 and
of HashiCorp Vault, which OpenBao was forked from; whatever they do not say leaves its HTTP status.

>>> meaning(503, b'{"errors": ["Vault is sealed"]}') is SEALED
True
>>> meaning(400, b'{"errors": ["cipher: message authentication failed"]}') is NOT_ITS_OWN
True
>>> meaning(502, b"<html>Bad gateway").en.format(status=502)
'the KMS refuses with HTTP 502; its own log says why'
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class Failure(NamedTuple):
    """What to say. `{key}`, `{mount}` and `{status}` stand for the key's name, its engine's and the HTTP status."""

    en: str
    zh: str


# fmt: off
BAD_URL = Failure(
    "kms_url is not the bare https:// address of a KMS; plain http:// is taken on the loopback only, as from an agent",
    "kms_url 应为 KMS 的 https:// 地址，且不带路径；仅回环地址（如本机代理）可用 http://。")
BAD_NAME = Failure(
    "kms_key, kms_mount or kms_namespace is not a name; write it as the KMS lists it",
    "kms_key、kms_mount 或 kms_namespace 不是有效名称，请按 KMS 中的名称填写。")
BAD_CA = Failure(
    "kms_ca_file holds no readable PEM certificate; name the certificate of the authority that the KMS's own is from",
    "kms_ca_file 无法读取或不是 PEM 证书，请指定签发 KMS 证书的机构证书。")
NO_TOKEN = Failure(
    "there is no token in kms_token_file; write one there that may use the key, with mode 0600",
    "kms_token_file 中没有令牌，请写入有权使用该密钥的令牌，文件权限设为 0600。")
NOT_REACHABLE = Failure(
    "the KMS cannot be reached; start it, or correct kms_url",
    "无法连接 KMS，请启动 KMS 或更正 kms_url。")
NOT_TRUSTED = Failure(
    "the KMS shows a certificate that is not trusted; name its authority in kms_ca_file, and do not turn the check off",
    "KMS 出示的证书不受信任，请在 kms_ca_file 中指定其签发机构，不要关闭校验。")
TIMED_OUT = Failure(
    "the KMS did not answer in time; look at its load, and at what lies between",
    "KMS 未在时限内应答，请检查其负载及中间网络。")
LOST = Failure(
    "the connection to the KMS broke before its answer was complete; look at what lies between, then try again",
    "与 KMS 的连接在应答完成前中断，请检查中间网络后重试。")
TOO_LONG = Failure(
    "what answers at kms_url sends more than any KMS does; correct kms_url",
    "kms_url 处的应答超出 KMS 应有的长度，请更正 kms_url。")
UNREADABLE = Failure(
    "what answers at kms_url does not answer as a KMS does; correct kms_url, or look at the proxy between",
    "kms_url 处的应答不是 KMS 的格式，请更正 kms_url 或检查中间的代理。")
REDIRECTS = Failure(
    "the KMS redirects, and keys are sent nowhere else; name its active node in kms_url, or the one in front",
    "KMS 要求重定向，而密钥不会发往别处；请在 kms_url 中填写主节点或统一入口的地址。")
SEALED = Failure(
    "the KMS is sealed or has no active node; unseal it, then start again",
    "KMS 处于封存状态或没有主节点，请解封后重试。")
FORBIDDEN = Failure(
    "the KMS does not let this token use the key {key} under {mount}; renew the token, or grant its policy update on"
    " encrypt and decrypt; a misspelt name is answered like this too",
    "KMS 不允许此令牌使用 {mount} 下的密钥 {key}：请续期令牌，或为其策略授予 encrypt 与 decrypt 的 update 权限；"
    "名称写错时也是此应答。")
NO_MOUNT = Failure(
    "the KMS has no transit engine under {mount}; correct kms_mount or kms_namespace, or enable the engine there",
    "KMS 在 {mount} 下没有 transit 引擎，请更正 kms_mount 或 kms_namespace，或在该处启用引擎。")
NO_KEY = Failure(
    "the KMS has no key {key}; correct kms_key; if the key was deleted, restore the KMS from its backup",
    "KMS 中没有密钥 {key}，请更正 kms_key；若密钥已被删除，请从备份恢复 KMS。")
TOO_OLD = Failure(
    "the KMS no longer opens the version of {key} that wrapped the ring; lower its min_decryption_version,"
    " or restore the KMS from before the version was trimmed",
    "KMS 不再允许用包裹密钥环的 {key} 旧版本解密，请调低 min_decryption_version，或将 KMS 恢复到该版本被清除之前。")
TOO_NEW = Failure(
    "the KMS does not know the version of {key} that wrapped the ring; it was set back, restore its newest backup",
    "KMS 没有包裹密钥环的 {key} 版本，可能被回退，请恢复其最新备份。")
NO_AEAD = Failure(
    "the key {key} cannot bind what it wraps; make one of type aes256-gcm96 and name it in kms_key",
    "密钥 {key} 不支持关联数据，请新建 aes256-gcm96 类型的密钥并写入 kms_key。")
BUSY = Failure(
    "the KMS takes no more requests at present; raise its rate limit for this platform, or wait",
    "KMS 暂不接受更多请求，请为本平台提高速率限制，或稍候。")
REFUSED = Failure(
    "the KMS refuses with HTTP {status}; its own log says why",
    "KMS 以 HTTP {status} 拒绝，原因见其日志。")
WRONG_LENGTH = Failure(
    "the KMS gave back something that is no epoch's key; the ring's file or the KMS was tampered with, restore both",
    "KMS 返回的内容不是纪元密钥；密钥环文件或 KMS 可能被篡改，请恢复两者。")
NOT_ITS_OWN = Failure(
    "the key ring was wrapped by another key of the KMS, or was altered; restore it, or correct kms_key",
    "密钥环由 KMS 的另一把密钥包裹，或已被改动；请恢复密钥环，或更正 kms_key。")
# fmt: on

# Looked for in this order, since "too new" is said of a ciphertext that is otherwise fine.
_STATED = (
    ("encryption key not found", NO_KEY),
    ("too old", TOO_OLD),
    ("no such key version", TOO_OLD),
    ("version is too new", TOO_NEW),
    ("non-AEAD", NO_AEAD),
    ("message authentication failed", NOT_ITS_OWN),
    ("invalid ciphertext", NOT_ITS_OWN),
)
_BY_STATUS = {403: FORBIDDEN, 404: NO_MOUNT, 429: BUSY, 503: SEALED}


class _Errors(msgspec.Struct, frozen=True):
    errors: list[str]


def meaning(status: int, content: bytes) -> Failure:
    """What an answer that is not 200 means."""
    if 300 <= status < 400:
        return REDIRECTS
    if status != 400:
        return _BY_STATUS.get(status, REFUSED)
    try:
        words = " ".join(msgspec.json.decode(content, type=_Errors).errors)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return UNREADABLE
    return next((failure for part, failure in _STATED if part in words), REFUSED)
