"""What is wrong with one part of a mail or of a row; most are shown after the name of the part."""

from collections.abc import Mapping

FORMS: Mapping[str, tuple[str, str]] = {
    "problems": ("{problems}", "{problems}"),
}

TYPES: Mapping[str, tuple[str, str]] = {
    "type.text": ("text", "文字列"),
    "type.binary": ("binary", "バイナリ"),
    "type.boolean": ("true or false", "真偽値"),
    "type.number": ("a number", "数値"),
    "type.list": ("a list", "リスト"),
    "type.map": ("a map", "マップ"),
    "rule.must-be": ("must be {wanted}, not {found}", "{wanted}でなければなりません(現在は{found})"),
    "rule.wrong-type": ("is of the wrong type {found}", "型が違います({found})"),
    "rule.one-of": ("must be one of {words}, not {word}", "{words}のいずれかにしてください(現在は{word})"),
    "rule.mapping": ("must be a mapping of names to text", "名前と文字列の組でなければなりません"),
    "rule.name-value-text": ("name and value must be text", "名前と値は文字列でなければなりません"),
}

ADDRESSES: Mapping[str, tuple[str, str]] = {
    "rule.address-and-name": ("address and name must be text", "アドレスと名前は文字列でなければなりません"),
    "rule.address-type": (
        "must be text or an Address, not {found}",
        "文字列かAddressでなければなりません(現在は{found})",
    ),
    "rule.no-address": (
        "is not one address of the form name@domain",
        "name@domainの形のメールアドレスを1つだけ入力してください",
    ),
    "rule.address-length": (
        "the address has {number} characters; {least} to {most} are allowed",
        "メールアドレスが{number}文字です。{least}〜{most}文字にしてください",
    ),
    "rule.address-bytes": (
        "the address has more than {most:,} bytes when it is written plainly",
        "メールアドレスが、通常の文字に直すと{most:,}バイトを超えます",
    ),
    "rule.address-control": (
        "the address holds the control character {character}; none is allowed",
        "メールアドレスに制御文字{character}が含まれています。取り除いてください",
    ),
    "rule.name-control": (
        "the name holds the control character {character}; none is allowed",
        "名前に制御文字{character}が含まれています。取り除いてください",
    ),
    "rule.name-length": (
        "the name has {number} characters; at most {most} are allowed",
        "名前が{number}文字です。{most}文字以内にしてください",
    ),
    "rule.addresses": (
        "{number} addresses; at most {most} are allowed",
        "アドレスが{number}件あります。{most}件以内にしてください",
    ),
}

TEXTS: Mapping[str, tuple[str, str]] = {
    "rule.length": (
        "has {number} characters; {least} to {most} are allowed",
        "{number}文字です。{least}〜{most}文字にしてください",
    ),
    "rule.too-long": (
        "has {number} characters; at most {most} are allowed",
        "{number}文字です。{most}文字以内にしてください",
    ),
    "rule.bytes": (
        "is {number} bytes long in UTF-8; at most {most} bytes are allowed",
        "UTF-8で{number}バイトあります。{most}バイト以内にしてください",
    ),
    "rule.all-bytes": (
        "has {number} bytes of text in all; at most {most} are allowed",
        "テキスト全体で{number}バイトあります。{most}バイト以内にしてください",
    ),
    "rule.no-body": (
        "a mail needs text or html; both are empty",
        "本文(テキストまたはHTML)がありません。どちらかを入力してください",
    ),
    "rule.control": (
        "holds the control character {character}; none is allowed",
        "制御文字{character}が含まれています。取り除いてください",
    ),
    "rule.body-control": (
        "holds the control character {character}; only line breaks and tabs are allowed",
        "制御文字{character}が含まれています。使えるのは改行とタブだけです",
    ),
    "rule.variables": (
        "{number} variables; at most {most} are allowed",
        "差し込みコードが{number}件あります。{most}件以内にしてください",
    ),
    "rule.variable-name": (
        "the name {name} must be 1 to 16 letters and digits",
        "差し込みコードの名前{name}は、英数字1〜16文字にしてください",
    ),
    "rule.variable-control": (
        "the value of {name} holds the control character {character}",
        "差し込みコード{name}の値に制御文字{character}が含まれています。取り除いてください",
    ),
    "rule.variable-header": (
        "the value of {name} holds the control character {character} and is used in a header",
        "差し込みコード{name}の値に制御文字{character}が含まれています。件名などのヘッダーで使うため、取り除いてください",
    ),
    "rule.tags": (
        "{number} tags; at most {most} are allowed",
        "タグが{number}件あります。{most}件以内にしてください",
    ),
    "rule.tag": (
        "a tag has {number} characters; 1 to {most} without control characters are allowed",
        "{number}文字のタグがあります。タグは制御文字を含まない1〜{most}文字にしてください",
    ),
    "rule.unsubscribe-empty": ("needs a mailto or a url; both are empty", "mailtoかurlのどちらかが必要です"),
    "rule.unsubscribe-mailto": ("must start with mailto:", "mailto: で始めてください"),
    "rule.unsubscribe-url": (
        "must start with https:// or http://",
        "https:// または http:// で始めてください",
    ),
    "rule.unsubscribe-type": (
        "must be a ListUnsubscribe whose mailto and url are text",
        "mailtoとurlが文字列のListUnsubscribeでなければなりません",
    ),
    "rule.unsubscribe-part": (
        "is not known; mailto and url are",
        "使えない項目です。使えるのはmailtoとurlです",
    ),
}

FILES: Mapping[str, tuple[str, str]] = {
    "rule.files": (
        "{number} files; at most {most} are allowed",
        "添付ファイルが{number}件あります。{most}件以内にしてください",
    ),
    "rule.files-bytes": (
        "with {name} the files are larger than the {most} bytes that are allowed in all",
        "{name}を含めると、添付ファイルの合計が上限({most}バイト)を超えます",
    ),
    "rule.file-unreadable": ("{name} cannot be read: {said}", "{name}を読み取れません: {said}"),
    "rule.attachment": (
        "an attachment needs a text name, a text mime type and bytes or their place",
        "添付ファイルには、名前、MIMEタイプ、内容またはその場所が必要です",
    ),
    "rule.file-name": (
        "a file name has 1 to {most} characters and no slash",
        "ファイル名は、スラッシュを含まない1〜{most}文字にしてください",
    ),
    "rule.file-name-control": (
        "the file name holds the control character {character}; none is allowed",
        "ファイル名に制御文字{character}が含まれています。取り除いてください",
    ),
    "rule.mime-control": (
        "the mime type holds the control character {character}; none is allowed",
        "MIMEタイプに制御文字{character}が含まれています。取り除いてください",
    ),
    "rule.mime-length": (
        "the mime type has {number} characters; at most {most} fit",
        "MIMEタイプが{number}文字です。{most}文字以内にしてください",
    ),
    "rule.file-refused": (
        "files ending in .{extension} are refused by the mail API",
        ".{extension} のファイルはメールAPIで拒否されます",
    ),
    "rule.not-own-file": (
        "names no file of this mail; a mail sends its own files only",
        "このメールのファイルではありません。送信できるのは自分のファイルだけです",
    ),
    "rule.no-file": ("This is no file.", "ファイルの情報になっていません。"),
    "rule.sha256": (
        "must be 64 hexadecimal digits in lower case",
        "小文字の16進数64桁でなければなりません",
    ),
    "rule.body-size": ("is {size}; at most {most} are allowed", "{size}は大きすぎます(上限{most})"),
    "rule.body-not-read": (
        "lies in the bucket and was not read",
        "バケットに保存されており、読み込まれていません",
    ),
    "rule.body-not-texts": (
        "names a file that holds no texts of a mail",
        "メールの本文のファイルではありません",
    ),
    "rule.body-cleared": (
        "lies in the bucket, where it can be replaced but not taken away",
        "バケットに保存されているため、置き換えはできますが、空にはできません",
    ),
}

EDITS: Mapping[str, tuple[str, str]] = {
    "rule.no-field": (
        "is no field of a mail; they are {fields}",
        "メールの項目ではありません。項目は{fields}です",
    ),
    "rule.not-editable": (
        "cannot be edited; these can: {fields}",
        "編集できない項目です。編集できるのは{fields}です",
    ),
    "rule.variable-line": ("line {number} is not NAME=VALUE", "{number}行目がNAME=値の形になっていません"),
    "rule.variable-twice": ("line {number} names {name} a second time", "{number}行目の{name}が重複しています"),
    "rule.past": (
        "has passed; leave it empty to send at once",
        "過ぎた日時です。すぐに送信する場合は空欄にしてください",
    ),
    "rule.no-local-moment": (
        "is no moment such as 2026-01-31T09:00",
        "日時として読み取れません(例: 2026-01-31T09:00)",
    ),
    "rule.schedule-kept": (
        "can be changed, but taken away only by sending: give a time, or save and send",
        "日時は変更できますが、空欄にできるのは送信するときだけです。日時を入力するか、「保存して送信」を選んでください",
    ),
    "rule.not-sure": (
        "it may have been sent: say that you have looked, or save without sending",
        "送信された可能性があります。確認済みの欄にチェックするか、送信せずに保存してください",
    ),
}

EVENTS: Mapping[str, tuple[str, str]] = {
    "rule.object": ("must be an object", "オブジェクトではありません"),
    "rule.text": ("must be text", "文字列ではありません"),
}

IMPORTS: Mapping[str, tuple[str, str]] = {
    "import.no-column": (
        "--map names the column {column}, which is not there",
        "--mapに指定された列{column}がありません",
    ),
    "import.no-part": (
        "is no part of a mail; known: {known}",
        "メールの項目ではありません。使えるのは{known}です",
    ),
    "import.column-twice": ("says {field} a second time", "{field}が重複しています"),
    "import.nesting": ("holds a nesting that nobody can read", "入れ子が深すぎて読み取れません"),
    "import.texts": ("must be text, or a list of texts", "文字列か、文字列のリストでなければなりません"),
    "import.no-recipient": ("is empty; every row needs a recipient", "空です。すべての行に宛先が必要です"),
    "import.several-recipients": (
        "holds several addresses; a mail has one recipient, so give each a row, or use cc and bcc",
        "アドレスが複数あります。宛先は1つです。行を分けるか、ccとbccを使ってください",
    ),
    "import.moment": (
        "is no time with a time zone; this is one: 2026-01-31T09:00+09:00",
        "タイムゾーンのある日時ではありません(例: 2026-01-31T09:00+09:00)",
    ),
}

# What the parts of a mail are called in front of a rule; scripts and logs go by the English ones.
FIELDS: Mapping[str, tuple[str, str]] = {
    "field.sender": ("sender", "差出人"),
    "field.to": ("to", "宛先"),
    "field.cc": ("cc", "CC"),
    "field.bcc": ("bcc", "BCC"),
    "field.reply_to": ("reply_to", "返信先"),
    "field.subject": ("subject", "件名"),
    "field.text": ("text", "本文"),
    "field.html": ("html", "HTML本文"),
    "field.insert_code": ("insert_code", "差し込みコード"),
    "field.tags": ("tags", "タグ"),
    "field.urgent": ("urgent", "優先"),
    "field.encoding": ("encoding", "文字コード"),
    "field.on_unknown": ("on_unknown", "送信不明時の動作"),
    "field.attachments": ("attachments", "添付ファイル"),
    "field.list_unsubscribe": ("list_unsubscribe", "配信停止の案内"),
    "field.list_unsubscribe.mailto": ("list_unsubscribe.mailto", "配信停止用アドレス"),
    "field.list_unsubscribe.url": ("list_unsubscribe.url", "配信停止用URL"),
    "field.send_at": ("send_at", "送信日時"),
    "field.status": ("status", "状態"),
    "field.body": ("body", "本文のファイル"),
    "field.address": ("address", "アドレス"),
    "field.mail": ("mail", "メール"),
    "field.row": ("row", "データ"),
}

SENTENCES: Mapping[str, tuple[str, str]] = {
    **FORMS,
    **TYPES,
    **ADDRESSES,
    **TEXTS,
    **FILES,
    **EDITS,
    **EVENTS,
    **IMPORTS,
    **FIELDS,
}
