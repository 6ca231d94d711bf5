"""What can be wrong with evidence, each as a code that stays and as a sentence in English and Chinese.

>>> bad = BadEvidence(Wrong.INDEX_IS_OUT_OF_RANGE, index=9, size=4)
>>> str(bad)
'Entry 9 is asked for, but the tree has only 4 entries.'
>>> bad.zh
'所问为第 9 条，但该树仅有 4 条记录。'
>>> str(bad.inside("records/9/record.tlog-proof"))
'records/9/record.tlog-proof: Entry 9 is asked for, but the tree has only 4 entries.'
"""

from __future__ import annotations

from enum import StrEnum

_SHOWN_CHARS_MAX = 200


class Wrong(StrEnum):
    """Codes in the order in which a checker comes to them."""

    # The bundle's file.
    BUNDLE_IS_TOO_LARGE = "bundle_is_too_large"
    BUNDLE_IS_NOT_ONE_PLAIN_ZIP = "bundle_is_not_one_plain_zip"
    BUNDLE_HAS_TOO_MANY_FILES = "bundle_has_too_many_files"
    BUNDLE_NAME_IS_UNSAFE = "bundle_name_is_unsafe"
    BUNDLE_FILE_IS_ENCRYPTED = "bundle_file_is_encrypted"
    BUNDLE_FILE_IS_A_LINK = "bundle_file_is_a_link"
    BUNDLE_FILE_IS_OF_ANOTHER_FORM = "bundle_file_is_of_another_form"
    BUNDLE_NAME_IS_DOUBLED = "bundle_name_is_doubled"
    BUNDLE_FILE_IS_TORN = "bundle_file_is_torn"
    # What the bundle holds.
    FILE_IS_MISSING = "file_is_missing"
    MANIFEST_IS_MALFORMED = "manifest_is_malformed"
    MANIFEST_IS_OF_ANOTHER_FORMAT = "manifest_is_of_another_format"
    FILE_IS_NOT_LISTED = "file_is_not_listed"
    FILE_WAS_ALTERED = "file_was_altered"
    FILE_IS_OUT_OF_PLACE = "file_is_out_of_place"
    BUNDLE_HOLDS_NO_RECORD = "bundle_holds_no_record"
    # Records.
    RECORD_IS_MALFORMED = "record_is_malformed"
    OPENINGS_ARE_MALFORMED = "openings_are_malformed"
    MEMBER_IS_DOUBLED = "member_is_doubled"
    OPENINGS_ARE_OF_ANOTHER_FORMAT = "openings_are_of_another_format"
    OPENINGS_ARE_OF_OTHER_MEMBERS = "openings_are_of_other_members"
    RECORD_IS_NOT_WHAT_WAS_LOGGED = "record_is_not_what_was_logged"
    RECORD_NUMBER_IS_NOT_SHOWN = "record_number_is_not_shown"
    RECORD_IS_OF_ANOTHER_NUMBER = "record_is_of_another_number"
    ENTRY_IS_ANOTHER = "entry_is_another"
    # Keys and notes.
    VKEY_IS_MALFORMED = "vkey_is_malformed"
    VKEY_KIND_IS_UNKNOWN = "vkey_kind_is_unknown"
    VKEY_ID_IS_ANOTHER = "vkey_id_is_another"
    NOTE_IS_TOO_LARGE = "note_is_too_large"
    NOTE_IS_NOT_PLAIN_TEXT = "note_is_not_plain_text"
    NOTE_IS_MALFORMED = "note_is_malformed"
    SIGNATURE_LINE_IS_MALFORMED = "signature_line_is_malformed"
    SIGNATURES_ARE_TOO_MANY = "signatures_are_too_many"
    SIGNATURE_IS_BAD = "signature_is_bad"
    NOBODY_KNOWN_SIGNED = "nobody_known_signed"
    # Checkpoints and policies.
    CHECKPOINT_IS_MALFORMED = "checkpoint_is_malformed"
    CHECKPOINT_SIZE_IS_MALFORMED = "checkpoint_size_is_malformed"
    CHECKPOINT_ROOT_IS_MALFORMED = "checkpoint_root_is_malformed"
    POLICY_IS_TOO_LARGE = "policy_is_too_large"
    POLICY_IS_NOT_PLAIN_TEXT = "policy_is_not_plain_text"
    POLICY_IS_TORN = "policy_is_torn"
    POLICY_LINE_IS_MALFORMED = "policy_line_is_malformed"
    POLICY_KEY_IS_OF_ANOTHER_KIND = "policy_key_is_of_another_kind"
    POLICY_KEY_IS_DOUBLED = "policy_key_is_doubled"
    POLICY_NAME_IS_TAKEN = "policy_name_is_taken"
    POLICY_NAME_IS_UNKNOWN = "policy_name_is_unknown"
    POLICY_MEMBER_IS_DOUBLED = "policy_member_is_doubled"
    POLICY_THRESHOLD_IS_IMPOSSIBLE = "policy_threshold_is_impossible"
    POLICY_QUORUM_IS_DOUBLED = "policy_quorum_is_doubled"
    POLICY_HAS_NO_QUORUM = "policy_has_no_quorum"
    LOG_IS_UNKNOWN = "log_is_unknown"
    LOG_HAS_NOT_SIGNED = "log_has_not_signed"
    QUORUM_IS_MISSED = "quorum_is_missed"
    # Trees and proofs.
    PROOF_IS_TOO_LARGE = "proof_is_too_large"
    PROOF_IS_MALFORMED = "proof_is_malformed"
    SIZE_IS_OUT_OF_RANGE = "size_is_out_of_range"
    INDEX_IS_OUT_OF_RANGE = "index_is_out_of_range"
    PROOF_LENGTH_IS_WRONG = "proof_length_is_wrong"
    HASH_LENGTH_IS_WRONG = "hash_length_is_wrong"
    INCLUSION_LEADS_ELSEWHERE = "inclusion_leads_elsewhere"
    TREE_HAS_SHRUNK = "tree_has_shrunk"
    EMPTY_TREE_HAS_ANOTHER_ROOT = "empty_tree_has_another_root"
    ROOTS_OF_ONE_SIZE_DIFFER = "roots_of_one_size_differ"
    CONSISTENCY_LEADS_FROM_ELSEWHERE = "consistency_leads_from_elsewhere"
    CONSISTENCY_LEADS_ELSEWHERE = "consistency_leads_elsewhere"
    # Records of one bundle beside each other.
    RECORDS_ARE_OUT_OF_STEP = "records_are_out_of_step"


class BadEvidence(Exception):
    """Raised for evidence that is not to be believed; says what is wrong, and in which file of a bundle."""

    def __init__(self, code: Wrong, /, *, file: str | None = None, **facts: object) -> None:
        self.code = code
        self.file = file
        self._facts = facts
        shown = {name: _shown(fact) for name, fact in facts.items()}
        where = f"{file}: " if file is not None else ""
        english, chinese = SENTENCES[code]
        super().__init__(where + english.format(**shown))
        self.zh = where + chinese.format(**shown)

    def inside(self, where: str) -> BadEvidence:
        """The same, said of a file, or of the folder that the file stands in."""
        return BadEvidence(self.code, file=where + (self.file or ""), **self._facts)


def _shown(fact: object) -> str:
    """Numbers as they are, texts in quotes."""
    return str(fact) if type(fact) is int else f'"{printable(str(fact))}"'


def printable(text: str) -> str:
    """A stranger's text, cut, and without anything that moves a terminal or turns the direction of writing."""
    cut = text if len(text) <= _SHOWN_CHARS_MAX else text[:_SHOWN_CHARS_MAX] + "…"
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in cut)


# One line in English above one in Chinese, in the order of the codes.
SENTENCES: dict[Wrong, tuple[str, str]] = {
    Wrong.BUNDLE_IS_TOO_LARGE: (
        "The bundle holds more than the {most} bytes that are read, packed or unpacked.",
        "证据包（压缩前或压缩后）超过可读取的上限 {most} 字节。",
    ),
    Wrong.BUNDLE_IS_NOT_ONE_PLAIN_ZIP: (
        "The bundle is torn, or is not one plain zip file from its first byte to its last.",
        "证据包残缺，或并非从头到尾只是一个普通 zip 文件。",
    ),
    Wrong.BUNDLE_HAS_TOO_MANY_FILES: (
        "The bundle holds {count} files, more than the {most} that are read.",
        "证据包含 {count} 个文件，超过可读取的上限 {most} 个。",
    ),
    Wrong.BUNDLE_NAME_IS_UNSAFE: (
        "The bundle holds a file named {name}, which could be unpacked to a place outside: it is not opened.",
        "证据包内有名为 {name} 的文件，解压时可能落到包外，不予打开。",
    ),
    Wrong.BUNDLE_FILE_IS_ENCRYPTED: (
        "The file {name} in the bundle is encrypted, so nobody can check it.",
        "证据包内的文件 {name} 已加密，无法核对。",
    ),
    Wrong.BUNDLE_FILE_IS_A_LINK: (
        "The entry {name} of the bundle is a link or a device, not a file.",
        "证据包内的 {name} 是链接或设备，而不是文件。",
    ),
    Wrong.BUNDLE_FILE_IS_OF_ANOTHER_FORM: (
        "The file {name} is packed in a way that programs could read differently: ask for the bundle as it was made.",
        "文件 {name} 的打包方式可能被不同程序读成不同内容：请索取原始证据包。",
    ),
    Wrong.BUNDLE_NAME_IS_DOUBLED: (
        "The bundle holds two files named {name}, so it is not clear which is meant.",
        "证据包内有两个名为 {name} 的文件，无法确定以哪个为准。",
    ),
    Wrong.BUNDLE_FILE_IS_TORN: (
        "The file {name} in the bundle is torn: it does not unpack to the size and checksum that it names.",
        "证据包内的文件 {name} 残缺：解压结果与其标明的大小和校验和不符。",
    ),
    Wrong.FILE_IS_MISSING: (
        "The bundle lacks the file {name}.",
        "证据包缺少文件 {name}。",
    ),
    Wrong.MANIFEST_IS_MALFORMED: (
        "This is not a list of files in canonical JSON, sorted by name, each once and whole.",
        "这不是规范 JSON 的文件清单：应按名称排序，每个文件仅列一次且各项齐全。",
    ),
    Wrong.MANIFEST_IS_OF_ANOTHER_FORMAT: (
        "The manifest is of the format {format}, which this checker does not know.",
        "清单的格式为 {format}，本校验程序不认识。",
    ),
    Wrong.FILE_IS_NOT_LISTED: (
        "The bundle holds the file {name}, which its manifest does not list.",
        "证据包内有文件 {name}，而清单未列出该文件。",
    ),
    Wrong.FILE_WAS_ALTERED: (
        "The file {name} was altered: its {digest} or its size is not what the manifest says.",
        "文件 {name} 已被改动：其 {digest} 值或大小与清单不符。",
    ),
    Wrong.FILE_IS_OUT_OF_PLACE: (
        "The file {name} does not belong among the records.",
        "文件 {name} 不应出现在记录目录中。",
    ),
    Wrong.BUNDLE_HOLDS_NO_RECORD: (
        "The bundle holds no record, so there is nothing to prove.",
        "证据包内没有任何记录，无可证明。",
    ),
    Wrong.RECORD_IS_MALFORMED: (
        "The record is not a canonical JSON object of fields: it is torn, empty, or written in another form.",
        "记录不是规范形式的 JSON 字段对象：残缺、为空或写法不同。",
    ),
    Wrong.OPENINGS_ARE_MALFORMED: (
        "The openings are not canonical JSON of names, commitments and salts: they are torn, or of another form.",
        "开启信息不是由名称、承诺与盐值组成的规范 JSON：残缺或写法不同。",
    ),
    Wrong.MEMBER_IS_DOUBLED: (
        "The record has a member twice, so that another value of it may have been shown to somebody else.",
        "该记录含有重名成员，可能曾向他人出示不同的取值。",
    ),
    Wrong.OPENINGS_ARE_OF_ANOTHER_FORMAT: (
        "The openings are of the format {format}, which this checker does not know.",
        "开启信息的格式为 {format}，本校验程序不认识。",
    ),
    Wrong.OPENINGS_ARE_OF_OTHER_MEMBERS: (
        "The record and the openings do not show the same fields: {name} stands in one of them only.",
        "记录与开启信息所示字段不一致：{name} 只出现在其中之一。",
    ),
    Wrong.RECORD_IS_NOT_WHAT_WAS_LOGGED: (
        "The record's {name} is not what was logged: its commitment does not fit.",
        "记录中的 {name} 与入账时不符：承诺值不匹配。",
    ),
    Wrong.RECORD_NUMBER_IS_NOT_SHOWN: (
        "The record does not show its number, so its folder could claim any; have it made with the member seq.",
        "记录未出示其编号（seq），所在目录因而可以冒称任何编号；请出具含 seq 的证据包。",
    ),
    Wrong.RECORD_IS_OF_ANOTHER_NUMBER: (
        "The record says that its number is {number}, which is not its folder's.",
        "记录自称编号为 {number}，与所在目录不符。",
    ),
    Wrong.ENTRY_IS_ANOTHER: (
        "The entry is not that of the record: record, openings and entry do not belong together.",
        "该条目不是这条记录的条目：记录、开启信息与条目并非一组。",
    ),
    Wrong.VKEY_IS_MALFORMED: (
        "{key} is not a verifier key: it should read <name>+<8 hex digits>+<base64>.",
        "{key} 不是合法的验证公钥：格式应为 <名称>+<8 位十六进制>+<base64>。",
    ),
    Wrong.VKEY_KIND_IS_UNKNOWN: (
        "The key of {key} is of a kind that this checker cannot check.",
        "{key} 的公钥类型不在本校验程序支持范围内。",
    ),
    Wrong.VKEY_ID_IS_ANOTHER: (
        "The key id of {key} does not belong to its key: one of the two was altered or mistyped.",
        "{key} 的密钥标识与公钥不符：其一被改动或抄错。",
    ),
    Wrong.NOTE_IS_TOO_LARGE: (
        "The signed note has {length} bytes, more than the {most} that are read.",
        "签名文本有 {length} 字节，超过可读取的上限 {most} 字节。",
    ),
    Wrong.NOTE_IS_NOT_PLAIN_TEXT: (
        "The signed note is not plain UTF-8 text: byte {position} is a control character or torn.",
        "签名文本不是纯 UTF-8 文本：第 {position} 字节为控制字符或残缺字符。",
    ),
    Wrong.NOTE_IS_MALFORMED: (
        "This is not a signed note: a text, an empty line and whole signature lines are expected.",
        "这不是签名文本：应依次为正文、空行和完整的签名行。",
    ),
    Wrong.SIGNATURE_LINE_IS_MALFORMED: (
        "{line} is not a signature line: it should read — <name> <base64>.",
        "{line} 不是签名行：格式应为 — <名称> <base64>。",
    ),
    Wrong.SIGNATURES_ARE_TOO_MANY: (
        "The signed note has {count} signatures, more than the {most} that are read.",
        "签名文本有 {count} 个签名，超过可读取的上限 {most} 个。",
    ),
    Wrong.SIGNATURE_IS_BAD: (
        "The signature by {key} is not good: the text or the signature was altered, or another key signed.",
        "{key} 的签名无效：正文或签名被改动，或由其他密钥签署。",
    ),
    Wrong.NOBODY_KNOWN_SIGNED: (
        "No key that is known here has signed this note.",
        "没有任何已知密钥签署过该文本。",
    ),
    Wrong.CHECKPOINT_IS_MALFORMED: (
        "This is not a checkpoint: the log's name, the size and the root are expected, one a line.",
        "这不是检查点：应逐行写明日志名称、条数和根哈希。",
    ),
    Wrong.CHECKPOINT_SIZE_IS_MALFORMED: (
        "The checkpoint's size {size} is not a plain number below 2^63.",
        "检查点的条数 {size} 不是小于 2^63 的十进制数。",
    ),
    Wrong.CHECKPOINT_ROOT_IS_MALFORMED: (
        "The checkpoint's root {root} is not a base64 hash of 32 bytes.",
        "检查点的根哈希 {root} 不是 32 字节的 base64 哈希。",
    ),
    Wrong.POLICY_IS_TOO_LARGE: (
        "The policy has {length} bytes, more than the {most} that are read.",
        "策略文件有 {length} 字节，超过可读取的上限 {most} 字节。",
    ),
    Wrong.POLICY_IS_NOT_PLAIN_TEXT: (
        "The policy is not plain text: byte {position} is a control character.",
        "策略文件不是纯文本：第 {position} 字节为控制字符。",
    ),
    Wrong.POLICY_IS_TORN: (
        "The policy's last line has no end: the file may be torn, so nothing of it is believed.",
        "策略文件最后一行没有换行：文件可能残缺，因此全部不予采信。",
    ),
    Wrong.POLICY_LINE_IS_MALFORMED: (
        "Line {line} of the policy is none of log, witness, group and quorum with the words that these take.",
        "策略文件第 {line} 行不是合法的 log、witness、group 或 quorum 行。",
    ),
    Wrong.POLICY_KEY_IS_OF_ANOTHER_KIND: (
        "Line {line} of the policy: the key of {key} is of another kind; logs sign by Ed25519, witnesses cosign.",
        "策略文件第 {line} 行：{key} 的公钥类型不符；日志应为 Ed25519 签名公钥，见证方应为联署公钥。",
    ),
    Wrong.POLICY_KEY_IS_DOUBLED: (
        "Line {line} of the policy: the key of {key} stands there already, so it would count twice.",
        "策略文件第 {line} 行：{key} 的公钥已出现过，会被重复计数。",
    ),
    Wrong.POLICY_NAME_IS_TAKEN: (
        "Line {line} of the policy: the name {name} is taken already.",
        "策略文件第 {line} 行：名称 {name} 已被占用。",
    ),
    Wrong.POLICY_NAME_IS_UNKNOWN: (
        "Line {line} of the policy: nothing before it is named {name}.",
        "策略文件第 {line} 行：此前没有名为 {name} 的见证方或组。",
    ),
    Wrong.POLICY_MEMBER_IS_DOUBLED: (
        "Line {line} of the policy: {name} is a member of a group already, so it would count twice.",
        "策略文件第 {line} 行：{name} 已是某组成员，会被重复计数。",
    ),
    Wrong.POLICY_THRESHOLD_IS_IMPOSSIBLE: (
        "Line {line} of the policy: a group needs any, all or a number from 1 to {most} of its members.",
        "策略文件第 {line} 行：组的门限应为 any、all 或 1 到 {most} 之间的数。",
    ),
    Wrong.POLICY_QUORUM_IS_DOUBLED: (
        "Line {line} of the policy names a second quorum.",
        "策略文件第 {line} 行重复指定了法定数。",
    ),
    Wrong.POLICY_HAS_NO_QUORUM: (
        "The policy names no quorum; write `quorum none` to ask for no witness.",
        "策略文件没有指定法定数；若不要求见证，请写明 `quorum none`。",
    ),
    Wrong.LOG_IS_UNKNOWN: (
        "The checkpoint is of the log {log}, which the policy does not name.",
        "检查点属于日志 {log}，而策略文件没有列出该日志。",
    ),
    Wrong.LOG_HAS_NOT_SIGNED: (
        "The checkpoint bears no signature of the log {log} by a key that the policy names.",
        "检查点没有日志 {log} 以策略所列公钥作出的签名。",
    ),
    Wrong.QUORUM_IS_MISSED: (
        "Too few witnesses have cosigned: {count} of the {known} known ones, which does not make the quorum {quorum}.",
        "联署的见证方不足：已知 {known} 个中有 {count} 个联署，未达到法定数 {quorum}。",
    ),
    Wrong.PROOF_IS_TOO_LARGE: (
        "The proof has {length} bytes, more than the {most} that are read.",
        "证明文件有 {length} 字节，超过可读取的上限 {most} 字节。",
    ),
    Wrong.PROOF_IS_MALFORMED: (
        "Line {line} is not what a c2sp.org/tlog-proof@v1 file has there.",
        "第 {line} 行不符合 c2sp.org/tlog-proof@v1 的格式。",
    ),
    Wrong.SIZE_IS_OUT_OF_RANGE: (
        "No tree has {size} entries.",
        "不存在 {size} 条记录的树。",
    ),
    Wrong.INDEX_IS_OUT_OF_RANGE: (
        "Entry {index} is asked for, but the tree has only {size} entries.",
        "所问为第 {index} 条，但该树仅有 {size} 条记录。",
    ),
    Wrong.PROOF_LENGTH_IS_WRONG: (
        "The proof has {given} hashes where this place of this tree needs {needed}.",
        "证明含 {given} 个哈希，而该位置需要 {needed} 个。",
    ),
    Wrong.HASH_LENGTH_IS_WRONG: (
        "Hash {position} has {length} bytes, not 32.",
        "第 {position} 个哈希为 {length} 字节，而非 32 字节。",
    ),
    Wrong.INCLUSION_LEADS_ELSEWHERE: (
        "Entry {index} is not in the tree of {size} entries: its proof leads to another root.",
        "第 {index} 条不在这棵 {size} 条记录的树中：其证明得出的根哈希不同。",
    ),
    Wrong.TREE_HAS_SHRUNK: (
        "A log only grows: a tree of {size} entries cannot follow one of {old_size}.",
        "日志只增不减：{size} 条记录的树不可能后于 {old_size} 条记录的树。",
    ),
    Wrong.EMPTY_TREE_HAS_ANOTHER_ROOT: (
        "The tree is said to be empty, but its root is not the empty tree's.",
        "所称为空树，但根哈希不是空树的根哈希。",
    ),
    Wrong.ROOTS_OF_ONE_SIZE_DIFFER: (
        "Two trees of {size} entries have different roots: the log has forked.",
        "两棵同为 {size} 条记录的树根哈希不同：日志已分叉。",
    ),
    Wrong.CONSISTENCY_LEADS_FROM_ELSEWHERE: (
        "The tree of {size} entries does not begin with the known tree of {old_size}: its proof is of another root.",
        "{size} 条记录的树并非以已知的 {old_size} 条记录的树开头：证明对应的旧根哈希不同。",
    ),
    Wrong.CONSISTENCY_LEADS_ELSEWHERE: (
        "The tree of {size} entries does not begin with that of {old_size}: the proof leads to another root.",
        "{size} 条记录的树并非以 {old_size} 条记录的树开头：证明得出的根哈希不同。",
    ),
    Wrong.RECORDS_ARE_OUT_OF_STEP: (
        "The record stands at {index}, which does not fit the number and place of another record of the same log.",
        "该记录位于第 {index} 条，与同一日志另一条记录的编号和位置对不上。",
    ),
}
