"""Why something that was asked for cannot be done."""

from collections.abc import Mapping

MAILS: Mapping[str, tuple[str, str]] = {
    "not-found": (
        "No mail with the id {id}, neither in the outbox nor in history.",
        "ID {id} のメールは、送信箱にも履歴にもありません。",
    ),
    "changed-meanwhile": (
        "Mail {id} was changed meanwhile; look again before saving.",
        "メール {id} は、この画面を開いた後に変更されました。最新の内容を確認してから保存してください。",
    ),
    "key-conflict": (
        "The idempotency key {key} was already used for another mail; different: {fields}.",
        "冪等キー{key}は別のメールですでに使われています(異なる項目: {fields})。",
    ),
    "key-conflict.content": ("the content", "内容"),
    "id-taken": ("the id is taken", "このIDはすでに使われています。"),
    "row-not-as-expected": (
        "the row is not as expected",
        "データが想定と異なっていました。もう一度お試しください。",
    ),
    "row-too-large": (
        "the row would be larger than the table takes (400 KB); nothing was written",
        "テーブルの上限(400 KB)を超えるため、保存していません。",
    ),
    "history-has-it": ("history has it", "すでに送信済みで、履歴にあります"),
}

# A mail is in a state in which this cannot be done: `what` is one of `cannot.…`, `why` one of `why.…`.
STATES: Mapping[str, tuple[str, str]] = {
    "wrong-state": ("Mail {id} is {status} and cannot be {what}.", "メール {id} は {status} のため、{what}。"),
    "wrong-state.why": (
        "Mail {id} is {status} and cannot be {what}: {why}.",
        "メール {id} は {status} のため、{what}: {why}。",
    ),
    "status.none": ("without a state", "状態なし"),
    "cannot.edited": ("edited", "編集できません"),
    "cannot.held": ("held", "保留できません"),
    "cannot.released": ("released", "保留を解除できません"),
    "cannot.cancelled": ("cancelled", "取り消せません"),
    "cannot.resent": ("sent again", "再送できません"),
    "cannot.sent-anyway": ("sent anyway", "送信停止の宛先には送信できません"),
    "cannot.confirmed": ("confirmed as sent", "送信済みとして確定できません"),
    "cannot.deleted": ("deleted", "削除できません"),
    "cannot.reopened": ("reopened", "取り消しを戻せません"),
    "cannot.copied": ("made a new mail of", "新しいメールを作成できません"),
    "why.being-sent": (
        "it is just being sent; look again in a moment",
        "送信中です。少し待ってからもう一度ご確認ください",
    ),
    "why.left-outbox": ("it has left the outbox", "すでに送信箱を出ています"),
    "why.in-outbox": ("it is in the outbox already", "すでに送信箱にあります"),
    "why.in-outbox-edit": (
        "it is still in the outbox, where it can be edited",
        "まだ送信箱にあります。送信箱で編集してください",
    ),
    "why.only-held": ("only HELD mails are", "対象は保留中(HELD)のメールだけです"),
    "why.only-unknown": ("only UNKNOWN mails are", "対象は送信不明(UNKNOWN)のメールだけです"),
    "why.only-cancelled": ("only CANCELLED mails are", "対象は取消済み(CANCELLED)のメールだけです"),
    "why.only-suppressed": (
        "only a mail that FAILED because its recipient is suppressed is",
        "対象は、宛先が送信停止のため失敗(FAILED)したメールだけです",
    ),
    "why.only-history": (
        "only a mail in history is; cancel an unsent one first",
        "対象は履歴にあるメールだけです。未送信のメールは先に取り消してください",
    ),
    "why.files-kept": (
        "{number} of its files cannot be deleted ({answers})",
        "削除できないファイルが{number}件あります({answers})",
    ),
    "why.erased": ("what it said was erased on request", "依頼により内容が消去されています"),
    "why.no-texts": ("history does not keep what mails said", "履歴に本文が保存されていません"),
    "why.resent-already": (
        "it was sent again as another mail already; then there would be two",
        "すでに別のメールとして再送されているため、二重になります",
    ),
    "why.sent-after-all": (
        "it was sent after all, as delivery {delivery_id}",
        "取り消しの後に送信されていました(配信ID {delivery_id})",
    ),
    "why.unknown-delivery": ("of unknown id", "不明"),
}

SETTINGS: Mapping[str, tuple[str, str]] = {
    "setting-missing": ("{name}: is not set", "{name}が設定されていません"),
    "bucket-missing": (
        "OUTBOX_BUCKET: is not set; the mail's files lie in that bucket.",
        "OUTBOX_BUCKETが設定されていません。メールの添付ファイルはそのバケットにあります。",
    ),
    "bucket-missing.texts": (
        "OUTBOX_BUCKET: is not set; the mail's texts lie in that bucket.",
        "OUTBOX_BUCKETが設定されていません。メールの本文はそのバケットにあります。",
    ),
    "bucket-missing.enqueue": (
        "OUTBOX_BUCKET: is not set, and this mail has files or is too large for a row.",
        "OUTBOX_BUCKETが設定されていません。このメールには添付ファイルがあるか、行に入りきりません。",
    ),
    "no-copies": ("there are no copies of tables here", "ここにはテーブルの写しがありません。"),
    "sign-in-broken": (
        "Nobody can sign in now: the list of people is wrong. Whoever runs the console finds in its output why.",
        (
            "利用者の一覧に誤りがあるため、現在サインインできません。原因はコンソールの出力に記録されています。"
            "管理者にお知らせください。"
        ),
    ),
}

BULK: Mapping[str, tuple[str, str]] = {
    "not-written": ("{why}; nothing was written", "{why}。何も書き込んでいません。"),
    "not-written.unclear": (
        "{why}; nobody knows whether it was written",
        "{why}。書き込まれたかどうか分かりません。",
    ),
    "bulk.caused": ("{what} ({kind}: {said})", "{what}({kind}: {said})"),
    "bulk.deadline": ("the deadline came first", "期限に間に合いませんでした"),
    "bulk.files": ("its files could not be stored", "添付ファイルを保存できませんでした"),
    "bulk.not-taken": ("the table did not take it", "テーブルに書き込めませんでした"),
    "bulk.no-capacity": ("the table had no capacity for it", "テーブルの処理能力が足りませんでした"),
    "bulk.broken-off": ("it was broken off ({error})", "中断されました({error})"),
    "bulk.no-mail": (
        "must be a Mail or a Draft of one, not {found}",
        "MailかDraftでなければなりません(現在は{found})。",
    ),
    "request.iterable": ("mails must be iterable, not {found}", "mailsは反復可能でなければなりません({found})。"),
    "request.deadline-zone": (
        "deadline must be a datetime with a time zone, or seconds from now",
        "deadlineには、タイムゾーンのある日時か、今からの秒数を指定してください。",
    ),
    "request.deadline": (
        "deadline must be seconds from now, or a datetime with a time zone",
        "deadlineには、今からの秒数か、タイムゾーンのある日時を指定してください。",
    ),
    "request.threads": (
        "threads must be a whole number from 1 to 256",
        "threadsは1〜256の整数で指定してください。",
    ),
    "request.own-register": (
        "a store of its own needs a register of its own",
        "独自のstoreには独自のregisterが必要です。",
    ),
    "request.key": (
        "idempotency_key must be text of 1 to {most} bytes without control characters",
        "idempotency_keyは、制御文字を含まない1〜{most}バイトの文字列にしてください。",
    ),
    "request.key-reserved": (
        "idempotency_key must not begin with {prefix}, which the service uses itself",
        "idempotency_keyは{prefix}で始められません(サービス専用です)。",
    ),
    "request.content-unread": (
        "the content of {name} is read when the mail is enqueued, and not known before",
        "{name}の内容はメールの登録時に読み込まれます。まだ分かりません。",
    ),
    "request.not-stored": (
        "{name} has not been stored, so no row can name it",
        "{name}はまだ保存されていないため、行に書き込めません。",
    ),
}

ASKED: Mapping[str, tuple[str, str]] = {
    "request.who": (
        "{field} must be text of {least} to {most} characters without control characters",
        "{field}は、制御文字を含まない{least}〜{most}文字で指定してください。",
    ),
    "asked.who": ("who asks", "操作する人の名前"),
    "request.send-at-zone": (
        "send_at must be a datetime with a time zone",
        "送信日時には、タイムゾーンのある日時を指定してください。",
    ),
    "request.send-at-range": ("send_at is out of the range of times", "送信日時が範囲外です。"),
    "request.until": (
        "until must be a datetime with a time zone, still to come",
        "終了は、これからの日時を指定してください。",
    ),
    "request.suppression-busy": (
        "The entry of this address keeps changing; try again in a moment.",
        "このアドレスの記録が更新され続けています。少し待ってからやり直してください。",
    ),
    "request.too-long": ("{field}: is longer than {most:,} characters", "{field}: {most:,}文字を超えています。"),
    "request.limit": ("limit must be from 1 to {most:,}", "limitは1〜{most:,}で指定してください。"),
    "request.size": ("size: must be from 1 to {most}", "件数は1〜{most}で指定してください。"),
    "request.page": (
        "page: is none of this list; begin again with the first one",
        "このページは一覧にありません。最初のページからやり直してください。",
    ),
    "request.cursor": (
        "cursor {cursor} is none of this list",
        "このページ({cursor})は一覧にありません。最初のページからやり直してください。",
    ),
    "request.date": (
        "{field} must be a date of the form YYYY-MM-DD (UTC)",
        "{field}: YYYY-MM-DDの形の日付(UTC)を入力してください。",
    ),
    "request.moment": (
        "{field}: {written} is neither a UTC date (2026-01-31) nor a time with a zone (2026-01-31T09:00+09:00)",
        "{field}: {written}は、UTCの日付(2026-01-31)でもタイムゾーンのある日時(2026-01-31T09:00+09:00)でもありません。",
    ),
    "request.local-moment": (
        "{field}: {written} is neither a date (2026-01-31) nor a moment (2026-01-31T09:00)",
        "{field}: {written}は、日付(2026-01-31)でも日時(2026-01-31T09:00)でもありません。",
    ),
    "request.days": (
        "from {first} until {last} is no span of 1 to {most} days",
        "{first}から{last}までは、1〜{most}日の期間ではありません。",
    ),
    "request.history-state": (
        "nothing in history is {status}; SENT and CANCELLED live there",
        "履歴に{status}のメールはありません。SENT(送信済み)とCANCELLED(取消済み)だけです。",
    ),
    "request.history-only": (
        "day and delivery_id are asked of history, where nothing is {status}",
        "日付と配信IDは履歴を検索します。履歴に{status}のメールはありません。",
    ),
    "request.whole-address": (
        "history is asked by a whole address, not by {written}",
        "履歴はアドレス全体で検索してください({written})。",
    ),
    "request.no-address": (
        "{written} is no address; name the whole one",
        "{written}はメールアドレスではありません。アドレス全体を指定してください。",
    ),
    "request.span": ("span: {written} is neither hour nor day", "期間はhourまたはdayで指定してください({written})。"),
    "request.language": (
        "code: {written} is no language of the console",
        "{written}はコンソールの言語ではありません。",
    ),
    "request.zone": ("zone: {written} is no time zone", "{written}というタイムゾーンはありません。"),
    "request.no-file": ("n: this mail has no file {written}", "このメールにファイル{written}はありません。"),
    "request.segments": ("segments must be from 1 to {most}", "segmentsは1〜{most}で指定してください。"),
    "request.rate": ("rate must be more than 0 rows a second", "rateは毎秒0行より大きくしてください。"),
}

FILTERS: Mapping[str, tuple[str, str]] = {
    "request.waits-for-nobody": (
        "state: rows that are {status} wait for nobody; FAILED, UNKNOWN and HELD do",
        "{status}のメールは要確認ではありません(FAILED、UNKNOWN、HELDが要確認です)。",
    ),
    "request.problem-state": (
        "state: {written} is none that waits for a person; failed, unknown and held are",
        "{written}は要確認の状態ではありません(failed、unknown、heldが要確認です)。",
    ),
    "request.states": (
        "state: a list shows any of {some}, or any of {others}",
        "{some}と{others}は、同じ一覧に表示できません。",
    ),
    "request.since": (
        "since: {since} is after until, {until}",
        "開始({since})が終了({until})より後になっています。",
    ),
    "request.day": (
        "day: is since and until in one; give it alone",
        "dayはsinceとuntilを兼ねます。単独で指定してください。",
    ),
    "request.domain": (
        "domain: {written} is no whole domain; this is one: example.com",
        "{written}はドメイン全体ではありません(例: example.com)。",
    ),
    "request.pair": (
        "{written} is not KEY=VALUE with one of the keys {keys} and ids=@FILE",
        "{written}はKEY=VALUEの形ではありません。使えるキーは{keys}とids=@FILEです。",
    ),
    "request.twice": ("{field}: is given twice", "{field}: 2回指定されています。"),
    "request.empty": ("{field}: is empty", "{field}: 空です。"),
    "request.control": (
        "{field}: holds the control character {character}; none is allowed",
        "{field}: 制御文字{character}が含まれています。取り除いてください。",
    ),
    "request.correction": (
        "{written} is not FIELD=VALUE of one that can be set for many: {known}",
        "{written}は、一括で修正できるFIELD=VALUEの形ではありません: {known}",
    ),
    "request.no-correction": (
        "nothing to correct was given; these can be: {known}",
        "修正の指定がありません。修正できるのは次のとおりです: {known}",
    ),
    "request.domains": (
        "{field}: {written} is not OLD:NEW, two whole domains: exampel.com:example.com",
        "{field}: {written}は、旧ドメイン:新ドメインの形(例: exampel.com:example.com)ではありません。",
    ),
}

BATCHES: Mapping[str, tuple[str, str]] = {
    "batch.none": (
        "There is no batch {batch}; `outbox batch list` shows the latest.",
        "一括処理{batch}はありません(最近のものは outbox batch list で表示できます)。",
    ),
    "batch.over": ("Batch {batch} is done; nothing is left of it.", "一括処理 {batch} は完了しています。"),
    "batch.busy": (
        "Batch {batch} is being run; a run that died is replaced {seconds} seconds later.",
        "一括処理 {batch} は実行中です。実行中に異常終了した場合は、{seconds}秒後に続行できます。",
    ),
    "batch.taken-over": (
        "Batch {batch} was taken over by somebody else.",
        "一括処理 {batch} はほかで続行されています。",
    ),
    "batch.no-id": ("batch: {written} is no id of a batch", "{written}は一括処理のIDではありません。"),
    "batch.everything": (
        "nothing was said of which rows are meant; all FAILED ones are meant only when that is said",
        "対象が指定されていません。失敗(FAILED)したメールすべてを対象にする場合は、そう指定してください。",
    ),
    "batch.action": ("action: {written} is none of {known}", "{written}という操作はありません({known}のいずれか)。"),
    "batch.action-state": (
        "action: {action} is nothing for mails that are {status}",
        "{status}のメールに{action}はできません。",
    ),
    "batch.set": ("set: belongs to edit, which needs it", "setはeditに必要で、ほかの操作には使えません。"),
    "batch.release-state": (
        "state: HELD mails are released, others are held; {status} was asked for",
        "保留解除は保留中のメールに、保留はそれ以外のメールに使えます(指定: {status})。",
    ),
    "batch.one-state": ("state: choose one state that needs a person", "要確認の状態を1つ選んでください。"),
    "batch.nothing-ticked": ("nothing is ticked", "メールがチェックされていません。"),
    "batch.too-many-ticked": ("more than {most} are ticked", "一度に選べるのは{most}件までです。"),
}

# Why a row of many was left alone.
SKIPPED: Mapping[str, tuple[str, str]] = {
    "skipped.gone": ("no such mail", "該当するメールがありません"),
    "skipped.left-outbox": ("has left the outbox", "すでに送信箱を出ています"),
    "skipped.being-sent": ("is just being sent", "送信中です"),
    "skipped.to-be-sent": ("is to be sent already", "すでに送信待ちです"),
    "skipped.changed": ("was changed meanwhile", "処理中に変更されました"),
    "skipped.other": ("is not, or no longer, what was asked for", "条件に合わなくなりました"),
    "skipped.not-asked": ("is not what was asked for", "条件に合いません"),
    "skipped.already-sent": ("was already sent; history has it", "すでに送信済みで、履歴にあります"),
    "skipped.same": ("needs no correction", "修正の必要がありません"),
    "skipped.no-room": ("has no room left (400 KB)", "データの上限(400 KB)に達しています"),
    "skipped.in-doubt": (
        "may have been sent: give ids to mean them",
        "送信された可能性があります(1件ずつチェックすれば対象にできます)",
    ),
    "skipped.in-doubt-error": (
        "may have been sent: give error={error} or ids to mean them",
        "送信された可能性があります(理由の種類 {error} で絞り込むか、1件ずつチェックすれば対象にできます)",
    ),
    "skipped.invalid": ("cannot be: {problems}", "このままでは修正できません: {problems}"),
    "skipped.others": ("another reason", "その他の理由"),
    "skipped.held-instead": ("is held: release it instead", "保留中です(保留解除を使ってください)"),
    "skipped.held-already": ("is held already", "すでに保留中です"),
    "skipped.not-held": ("is not held", "保留されていません"),
    "skipped.no-state": ("its state is none the service knows", "状態が正しくありません"),
    "skipped.unknown-unnamed": (
        "UNKNOWN, may have been sent: name the state to mean them",
        "送信不明(UNKNOWN)です(状態を指定すれば対象にできます)",
    ),
    "skipped.held-unnamed": (
        "HELD by somebody: name the state to mean them",
        "保留中(HELD)です(状態を指定すれば対象にできます)",
    ),
}

SENTENCES: Mapping[str, tuple[str, str]] = {
    **MAILS,
    **STATES,
    **SETTINGS,
    **BULK,
    **ASKED,
    **FILTERS,
    **BATCHES,
    **SKIPPED,
}
