"""What the page of a bundle says around its facts, in English and Chinese, and the rules of law that it cites.

Each rule stands with the question that it asks and the part of the bundle that answers; that is decision support, and a
lawyer signs before anybody says compliant.
"""

from __future__ import annotations

from typing import NamedTuple

from suyuan.privacy.purposes import Citation, Words


class Rule(NamedTuple):
    """A rule of evidence, what it asks, and where the bundle answers."""

    basis: Citation
    asks: Words
    answered_by: Words


# fmt: off
SAID = {
    "title": Words("Evidence record", "电子数据存证记录"),
    "records": Words("records", "条记录"),
    "record": Words("Record", "记录"),
    "log": Words("log", "日志"),
    "extracted": Words("extracted", "提取时间"),
    "by": Words("extracted by", "提取人"),
    "authority": Words("authority", "提取依据"),
    "other": Words("English", "中文"),
    "not_recorded": Words("not recorded", "未记录"),
    "seen": Words(
        "For whoever trusts the keys below: by {when}, {count} witnesses besides the log itself had seen all of these"
        " records in it, and not a byte of what is shown here has changed since.",
        "对信任下列密钥者而言：截至 {when}，除日志自身外已有 {count} 个见证方见到上述记录全部在日志之中，"
        "此后所示内容一字节未改。"),
    "unseen": Words(
        "For whoever trusts the log's own key: these records stand in it. No witness says since when.",
        "对信任日志自身密钥者而言：上述记录在日志之中，但没有见证方说明自何时起。"),
    "says": Words("What the record says", "记录内容"),
    "field": Words("field", "字段"),
    "value": Words("as logged", "入账内容"),
    "hidden": Words(
        "{count} further fields are not disclosed. Each was committed to with 256 random bits of its own, so nothing"
        " about them can be told from this bundle, not even by guessing.",
        "另有 {count} 个字段未披露。每个字段均以独立的 256 位随机数作出承诺，从本证据包无法得知其内容，猜测亦不可行。"),
    "more": Words(
        "{count} further records follow in short; their fields stand in the folder records/.",
        "其余 {count} 条记录仅列摘要，字段内容见 records/ 目录。"),
    "kept": Words("{count} records are left out here; all are in the folder records/.",
                  "此处略去 {count} 条记录，全部记录见 records/ 目录。"),
    "stands": Words("Where it stands in the log", "在日志中的位置"),
    "checkpoint": Words("Checkpoint of {size} entries", "检查点（{size} 条）"),
    "index": Words("index", "序号"),
    "under": Words("under the checkpoint of", "所属检查点"),
    "entry": Words("entry (SHA-256)", "条目（SHA-256）"),
    "root": Words("root of the log (SHA-256)", "日志根（SHA-256）"),
    "witnessed": Words("Who signed, and when", "何人何时签署"),
    "signer": Words("signer", "签署者"),
    "role": Words("as", "身份"),
    "key": Words("key", "密钥标识"),
    "when": Words("when", "时间"),
    "as_log": Words("the log itself", "日志自身"),
    "as_witness": Words("witness", "见证方"),
    "no_time": Words("states no time", "不载时间"),
    "no_witness": Words(
        "Nobody but the log itself has signed this checkpoint, and the policy in this bundle asks for nobody else.",
        "除日志自身外无人签署该检查点，且包内策略未要求其他签署者。"),
    "came": Words("How it came to be, and into this bundle", "来源、环境与保管"),
    "came_note": Words("The platform's own statements. The log does not prove them.",
                       "以下为平台自身的陈述，日志不能证明。"),
    "source": Words("source", "来源系统"),
    "signed_by": Words("request signed by", "请求签名密钥"),
    "operator": Words("acted", "操作者"),
    "device": Words("evidence of the device", "设备证据"),
    "network": Words("evidence of the network", "网络证据"),
    "clock": Words("clock", "时钟"),
    "software": Words("software", "软件版本"),
    "system": Words("system", "运行环境"),
    "settings": Words("settings (SHA-256)", "配置（SHA-256）"),
    "tool": Words("tool", "提取工具"),
    "command": Words("command", "提取命令"),
    "recorded": Words("extraction recorded as event", "提取行为留痕于事件"),
    "self_check": Words("self-check", "自检"),
    "is_good": Words("found nothing wrong", "未发现异常"),
    "linked": Words("What else belongs to the case", "同案其他记录"),
    "check": Words("How to check it", "如何核对"),
    "shows_not": Words("What it does not prove", "不能证明什么"),
    "law": Words("Which part answers which rule", "各部分对应的法律规定"),
    "rule": Words("rule", "规定"),
    "asks": Words("what it asks", "审查要点"),
    "answer": Words("what the bundle holds for it", "证据包中的对应内容"),
}

# On what ground sealed fields were opened; a bundle of what is open needs none.
AUTHORITIES = {"warrant": Words("an authority's order", "主管机关的调取文书")}

# What people ask about first, in words; every other member is called as it was logged.
MEMBERS = {
    "seq": Words("number in history", "历史序号"),
    "at": Words("when", "时间"),
    "kind": Words("kind of event", "事件种类"),
    "redemption": Words("redemption", "兑换单号"),
    "partner": Words("partner", "合作方"),
    "seller": Words("seller, by pseudonym", "卖卡人（假名）"),
    "operator": Words("operator", "运营商"),
    "source": Words("source", "来源"),
    "face_fen": Words("face value", "面值"),
    "paid": Words("paid", "付款"),
    "fee_fen": Words("fee", "手续费"),
    "rounding_fen": Words("rounding", "舍入"),
    "debt_fen": Words("of it, an old debt", "其中抵欠"),
    "value_kind": Words("value kind", "价值种类"),
    "channel": Words("payout channel", "支付通道"),
    "reference": Words("the channel's own number", "通道流水号"),
    "contract": Words("contract", "合同"),
    "agent": Words("agent", "代理"),
    "disposition": Words("what becomes of the card", "处置方式"),
    "device": Words("the device's key", "设备密钥"),
    "ip_prefix": Words("network part of the address", "网段前缀"),
    "tier": Words("tier of limits", "限额等级"),
    "identity": Words("identity, by pseudonym", "身份（假名）"),
    "number": Words("phone number, by pseudonym", "手机号码（假名）"),
    "payee": Words("account, by pseudonym", "收款账户（假名）"),
    "source_index": Words("card or number, by a keyed index", "卡或号码（带密钥的索引）"),
    "sealed_name": Words("name, sealed", "姓名（密文）"),
    "sealed_identity": Words("ID number, sealed", "证件号码（密文）"),
    "sealed_number": Words("phone number, sealed", "手机号码（密文）"),
    "sealed_payee": Words("account, sealed", "收款账户（密文）"),
    "sealed_serial": Words("card's serial or number, sealed", "卡号或号码（密文）"),
    "sealed_secret": Words("card's PIN, sealed", "卡密（密文）"),
}

HOW = (
    Words(
        "All at once, offline, with Python alone: `python3 -I verify.py FILE.zip --policy YOURS`. Take the policy,"
        " which names the keys that you trust, from somebody else than whoever gave you the bundle.",
        "一次完成、离线、仅需 Python：`python3 -I verify.py FILE.zip --policy YOURS`。载明可信公钥的策略文件，"
        "请从交付者以外的渠道取得。"),
    Words(
        "By hand, with sha256sum and openssl: step by step in README.md. None of these programs is the platform's.",
        "手工核对：按 README.zh-CN.md 逐步使用 sha256sum 与 openssl，所用程序均非平台编写。"),
    Words(
        "By any program that reads C2SP tlog-proof and tlog-policy: the formats are public, and others wrote them.",
        "以任何支持 C2SP tlog-proof 与 tlog-policy 的程序核对：格式公开，且由他人制定。"),
    Words(
        "Whether this page is the bundle's: it is listed in manifest.json with its digests. The page is a summary;"
        " what counts are the files.",
        "本页是否属于该证据包：manifest.json 列有其摘要值。本页仅为摘要，以文件为准。"),
)

LIMITS = (
    Words(
        "That the record was true when it was written. The log shows that it was not altered afterwards; for the time"
        " before, see how it came to be.",
        "记录写入时内容属实。日志只表明此后未被改动；写入之前的真实性，请审查其来源与生成过程。"),
    Words(
        "What a sealed text holds. The log proves that this very sealed text was logged; an opening in papers/ is the"
        " platform's signed word for its content.",
        "密文的内容。日志只证明入账的就是这段密文；papers/ 中的开启陈述仅为平台签名的说明。"),
    Words(
        "That there is nothing else. The bundle holds what was asked for; which other records belong to the case is the"
        " platform's word.",
        "不存在其他记录。证据包只含所请求的内容；同案尚有哪些记录，系平台陈述。"),
    Words(
        "Who a pseudonym is. That a person stands behind it was verified when they registered, and not by the log.",
        "假名对应何人。其身份系登记时核验，并非由日志证明。"),
    Words(
        "That the platform was independent of the case. It runs the log itself; what makes up for that are witnesses"
        " with no interest in it, and the time stamp.",
        "平台与案件无利害关系。日志由平台自行运行，须由无利害关系的见证方与时间戳补足。"),
)

NOTICE = Words(
    "This is a log that the platform runs itself. It is no blockchain evidence service (区块链存证服务), is not filed"
    " as one, and claims no presumption that rests on one. Decision support, not legal advice: a lawyer signs before"
    " anyone says compliant.",
    "本日志由平台自行运行，不是区块链存证服务，未作此类备案，也不主张以之为前提的推定。本页供决策参考，不是法律意见；未经律师签署，"
    "不得宣称合规。")

ONLINE, INTERNET = "人民法院在线诉讼规则", "最高人民法院关于互联网法院审理案件若干问题的规定"
CIVIL, SIGNATURES = "最高人民法院关于民事诉讼证据的若干规定", "电子签名法"
CRIMINAL = "关于办理刑事案件收集提取和审查判断电子数据若干问题的规定（法发〔2016〕22号）"

RULES = (
    Rule(Citation(ONLINE, "2021", "16–17"),
         Words("Unaltered since it was stored; by a platform without interest or improper hand in it?",
               "存储后是否未经篡改；平台与当事人有无利害关系、有无不当干预？"),
         Words("Proof, signatures and cosignatures in record.tlog-proof; the presumption for blockchains is not"
               " claimed.", "record.tlog-proof 中的证明、签名与联署；不主张针对区块链的推定。")),
    Rule(Citation(ONLINE, "2021", "18"),
         Words("True before it was stored: source, making, storing, witnesses, corroboration?",
               "存储前是否真实：来源、生成机制、存储过程、第三方见证、关联印证？"),
         Words("prelog.json, links.json, cosignatures, signed papers.",
               "prelog.json、links.json、联署、平台签名文书。")),
    Rule(Citation(INTERNET, "2018", "11"),
         Words("Environment, who and when, medium, extraction that can be repeated, additions, a form that verifies?",
               "环境、主体与时间、介质与保管、提取可重现、增删、可按特定形式验证？"),
         Words("environment.json, signatures and times, manifest.json, custody.json, verify.py; electronic signature,"
               " trusted time stamp and digest side by side.",
               "environment.json、签名与时间、manifest.json、custody.json、verify.py；电子签名、可信时间戳与哈希值校验并用。")),
    Rule(Citation(CIVIL, "2019", "93"),
         Words("Was the system whole and running, able to find its errors, kept, in ordinary dealings?",
               "系统是否完整、正常运行、有防错手段、妥善保管、形成于正常往来？"),
         Words("environment.json with its self-checks; the log proves itself against its last checkpoint before each"
               " new one.", "environment.json 及其自检；日志每次签署前均以上一检查点自证。")),
    Rule(Citation(CIVIL, "2019", "94"),
         Words("Confirmed by a neutral third party; formed in normal business; kept as agreed?",
               "是否由中立第三方确认、形成于正常业务、按约定方式保管？"),
         Words("Cosignatures of neutral witnesses, timestamp.tsr; kind and instant of the record.",
               "中立见证方的联署、timestamp.tsr；记录的种类与时间。")),
    Rule(Citation(SIGNATURES, "2019", "5–6, 8, 13–14"),
         Words("Whole since its final form; sender and time told; the key exclusive, any change found?",
               "最终形成后是否完整；发件人与时间可识别；密钥专有、改动可发现？"),
         Words("keys.json with validity; Ed25519 and SM2 signatures; signed papers.",
               "keys.json 及有效期；Ed25519 与 SM2 签名；平台签名文书。")),
    Rule(Citation(CRIMINAL, "2016", "5, 14"),
         Words("Integrity values; a list of kind, format and digest, with time, place, method, holder?",
               "完整性校验值；载明类别、格式、校验值及时间、地点、方法、持有人的清单？"),
         Words("manifest.json in SHA-256 and SM3; custody.json, to be signed on paper by the holder.",
               "manifest.json（SHA-256 与 SM3）；custody.json，并由持有人在纸质清单上签名。")),
)
# fmt: on
