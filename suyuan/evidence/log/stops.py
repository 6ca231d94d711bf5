"""Why a log stops, each as a code that stays and as a sentence in English and Chinese that says what to do next.

Whoever writes a log stops rather than guesses: a log that signed two histories once is worth nothing for ever, while
one that stands still for an hour is only late. So each of these is raised, and none is answered by trying again
before somebody has read it, except where the sentence says so.

>>> stopped = LogStopped(Stop.FILE_IS_MISSING, file="tile/0/003")
>>> stopped.code, str(stopped)
(<Stop.FILE_IS_MISSING: 'file_is_missing'>, 'tile/0/003 is missing; run fsck, then rebuild the log from its entries.')
>>> stopped.zh
'缺少 tile/0/003，请先运行 fsck，再用原始条目重建日志。'
"""

from __future__ import annotations

from enum import StrEnum

_SHOWN_CHARS_MAX = 200


class Stop(StrEnum):
    """Codes in the order in which opening, writing and sealing come to them."""

    POLICY_CANNOT_BE_READ = "policy_cannot_be_read"
    KEY_CANNOT_BE_READ = "key_cannot_be_read"
    LOG_IS_OPEN_ELSEWHERE = "log_is_open_elsewhere"
    LOG_EXISTS_ALREADY = "log_exists_already"
    LOG_HAS_STOPPED = "log_has_stopped"
    SHARD_IS_CLOSED = "shard_is_closed"
    DISK_REFUSED = "disk_refused"
    FILE_IS_MISSING = "file_is_missing"
    FILE_IS_MALFORMED = "file_is_malformed"
    CHECKPOINT_IS_MISSING = "checkpoint_is_missing"
    CHECKPOINT_IS_NOT_OURS = "checkpoint_is_not_ours"
    SECOND_COPY_IS_MISSING = "second_copy_is_missing"
    FOLDER_IS_OLDER = "folder_is_older"
    LOG_HAS_FORKED = "log_has_forked"
    TILES_GIVE_ANOTHER_ROOT = "tiles_give_another_root"
    ENTRIES_ARE_NOT_IN_TILES = "entries_are_not_in_tiles"
    WITNESS_IS_AHEAD = "witness_is_ahead"
    WITNESS_DISAGREES = "witness_disagrees"
    CHECKPOINT_WAS_EXCHANGED = "checkpoint_was_exchanged"
    DISK_READS_DIFFERENTLY = "disk_reads_differently"
    HISTORY_IS_BROKEN = "history_is_broken"
    HISTORY_IS_OLDER = "history_is_older"
    HISTORY_IS_ANOTHER = "history_is_another"
    ENTRIES_ARE_TOO_FEW = "entries_are_too_few"
    ENTRIES_GIVE_ANOTHER_ROOT = "entries_give_another_root"


class LogStopped(Exception):
    """Raised when going on could lose or fork the log, or what it holds cannot be read."""

    def __init__(self, code: Stop, /, **facts: object) -> None:
        self.code = code
        english, chinese = SENTENCES[code]
        super().__init__(english.format(**{name: shown(fact) for name, fact in facts.items()}))
        # A fact that is a refusal of its own has a sentence in both languages.
        self.zh = chinese.format(**{name: shown(getattr(fact, "zh", fact)) for name, fact in facts.items()})


def shown(fact: object) -> str:
    """As it is, but cut, and without anything that moves a terminal: file names may be a stranger's."""
    text = str(fact)
    cut = text if len(text) <= _SHOWN_CHARS_MAX else text[:_SHOWN_CHARS_MAX] + "…"
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in cut)


# One line of English above one of Chinese, in the order of the codes.
_FOR_GOOD = (
    " If what came after is lost for good, run `suyuan evidence begin`.",
    "若其后内容确已丢失，请执行 `suyuan evidence begin`。",
)
_TOO_OLD = (
    " `suyuan evidence rebuild --checkpoint`, or, where no database can, `suyuan evidence begin --witness-is-ahead`.",
    " `suyuan evidence rebuild --checkpoint`；数据库无法重建时请执行 `suyuan evidence begin --witness-is-ahead`。",
)

SENTENCES: dict[Stop, tuple[str, str]] = {
    Stop.POLICY_CANNOT_BE_READ: (
        "{file}, which log_policy names, cannot be read ({reason}); put it right as docs/witness.md says.",
        "无法读取 log_policy 所指的 {file}（{reason}），请按 docs/witness.md 改正。",
    ),
    Stop.KEY_CANNOT_BE_READ: (
        "A key that sealing needs cannot be used ({reason}); put it back: no new key ever replaces one of the log's.",
        "封存所需的密钥无法使用（{reason}），请予恢复：日志的密钥不能以新密钥替代。",
    ),
    Stop.LOG_IS_OPEN_ELSEWHERE: (
        "Another process is writing to this log; wait for its end, or stop it.",
        "另有进程正在写入此日志，请等待其结束或将其停止。",
    ),
    Stop.LOG_EXISTS_ALREADY: (
        "There is a log here already ({file}); open it, or begin a new one under another name.",
        "此处已有日志（{file}），请直接打开，或以其他名称新建。",
    ),
    Stop.LOG_HAS_STOPPED: (
        "This log stopped before and takes nothing more; close it, look at the first error, and open it again.",
        "此日志先前已停止，不再接受写入，请关闭后查看首个错误，再重新打开。",
    ),
    Stop.SHARD_IS_CLOSED: (
        "This shard is closed and continued by another one ({file}); write to the newest shard.",
        "此分片已关闭并由后续分片接续（{file}），请写入最新的分片。",
    ),
    Stop.DISK_REFUSED: (
        "The disk refused {file} ({reason}); make room or repair it, then open the log again: nothing signed is lost.",
        "磁盘拒绝操作 {file}（{reason}），请排除故障或腾出空间后重新打开日志：已签署的内容没有丢失。",
    ),
    Stop.FILE_IS_MISSING: (
        "{file} is missing; run fsck, then rebuild the log from its entries.",
        "缺少 {file}，请先运行 fsck，再用原始条目重建日志。",
    ),
    Stop.FILE_IS_MALFORMED: (
        "{file} is torn or not of its form; run fsck, then rebuild the log from its entries.",
        "{file} 残缺或格式不符，请先运行 fsck，再用原始条目重建日志。",
    ),
    Stop.CHECKPOINT_IS_MISSING: (
        "This folder has no checkpoint; put the folder back, or give the last checkpoint, as a witness has it, to"
        + _TOO_OLD[0],
        "此文件夹中没有检查点，请恢复该文件夹，或从见证方取得最后的检查点后执行" + _TOO_OLD[1],
    ),
    Stop.CHECKPOINT_IS_NOT_OURS: (
        "{file} is not signed by this log ({reason}); put the right checkpoint back, or give the right keys.",
        "{file} 不是本日志签署的（{reason}），请恢复正确的检查点，或提供正确的密钥。",
    ),
    Stop.SECOND_COPY_IS_MISSING: (
        "The second copy of the checkpoint, {file}, is missing; attach its device, or ask all witnesses, then copy.",
        "检查点的第二份副本 {file} 不存在，请接入其所在设备，或与所有见证方核对后重新复制。",
    ),
    Stop.FOLDER_IS_OLDER: (
        "This old copy has {size} of {signed} signed entries and would fork; put the newer folder back, or rebuild it.",
        "此旧副本仅有已签署 {signed} 条中的 {size} 条，继续会使日志分叉，请恢复较新的文件夹或重建。",
    ),
    Stop.LOG_HAS_FORKED: (
        "Two signed checkpoints do not fit together ({reason}); keep both, run fsck, and sign nothing meanwhile.",
        "两份已签署的检查点互相矛盾（{reason}），请保留两份并运行 fsck，查明之前不要签署。",
    ),
    Stop.TILES_GIVE_ANOTHER_ROOT: (
        "The tiles do not give the root of the checkpoint of {size}; run fsck, then rebuild the log from its entries.",
        "瓦片与 {size} 条的检查点的根不符，请先运行 fsck，再用原始条目重建日志。",
    ),
    Stop.ENTRIES_ARE_NOT_IN_TILES: (
        "The entries in {file} are not those of their tile; run fsck, then rebuild the log from its entries.",
        "{file} 中的条目与其瓦片不符，请先运行 fsck，再用原始条目重建日志。",
    ),
    Stop.WITNESS_IS_AHEAD: (
        "{witness} saw {seen} entries, and {signed} are known here: put newer copies back, or rebuild. If it has no"
        " checkpoint of that size by our key, it lies: drop it from the policy." + _FOR_GOOD[0],
        "见证方 {witness} 称已见过 {seen} 条，而此处只知 {signed} 条，请恢复较新的副本或重建。"
        "若其拿不出由本方密钥签署的该检查点，则所言不实，请将其移出策略。" + _FOR_GOOD[1],
    ),
    Stop.WITNESS_DISAGREES: (
        "{witness} says the tree of {signed} does not continue what it saw; compare them, or drop it if it lies.",
        "见证方 {witness} 称 {signed} 条的树与其所见不相接续，请核对双方检查点；若其所言不实，请将其移出策略。",
    ),
    Stop.CHECKPOINT_WAS_EXCHANGED: (
        "{file} is not what this process wrote last; find out who exchanged it, then open the log again.",
        "{file} 不是本进程最后写入的内容，请查明由谁替换，再重新打开日志。",
    ),
    Stop.DISK_READS_DIFFERENTLY: (
        "{file} reads otherwise than it was written, and nothing was signed; check disk and memory, then open again.",
        "{file} 读出的内容与写入的不同，尚未签署任何内容，请检查磁盘和内存后重新打开日志。",
    ),
    Stop.HISTORY_IS_BROKEN: (
        "History cannot be sealed ({reason}); put the right database back, or start the version that wrote it.",
        "数据库中的历史无法封存（{reason}），请恢复正确的数据库，或改用写入它的软件版本。",
    ),
    Stop.HISTORY_IS_OLDER: (
        "{shard} has sealed {signed} entries and the database knows {known}; put the newer database back."
        + _FOR_GOOD[0],
        "{shard} 已封存 {signed} 条，而数据库仅有 {known} 条，请恢复较新的数据库。" + _FOR_GOOD[1],
    ),
    Stop.HISTORY_IS_ANOTHER: (
        "Event {seq} in the database is not the one that {shard} has sealed; put the right one back." + _FOR_GOOD[0],
        "数据库中的事件 {seq} 与 {shard} 已封存的不同，请恢复正确的数据库。" + _FOR_GOOD[1],
    ),
    Stop.ENTRIES_ARE_TOO_FEW: (
        "There are {given} entries, and {signed} were signed; put the database back that has all of them."
        + _FOR_GOOD[0],
        "所给条目只有 {given} 条，而已签署 {signed} 条，请恢复具备全部条目的数据库。" + _FOR_GOOD[1],
    ),
    Stop.ENTRIES_GIVE_ANOTHER_ROOT: (
        "These entries do not give the signed root of {size}, so nothing was changed; give those that were sealed.",
        "这些条目得不出已签署的 {size} 条的根，未作任何改动，请准确提供当时封存的条目。",
    ),
}
