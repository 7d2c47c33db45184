"""Why a mail is where it is, and what happened to it."""

from collections.abc import Mapping

ERRORS: Mapping[str, tuple[str, str]] = {
    # WAITING
    "error.scheduled": ("Scheduled for {send_at}.", "{send_at}に送信予定です。"),
    "error.bulk": ("Enqueued in bulk; it goes in its turn.", "一括で登録されました。順番に送信されます。"),
    "error.batch": ("In batch {batch}; it goes in its turn.", "一括処理 {batch} の順番待ちです。"),
    "error.over-rate": (
        "The mail API's rate is used up for the moment; it goes in its turn.",
        "送信レートの上限に達したため、順番待ちです。",
    ),
    "error.paused": (
        "Nothing is being sent: {why} It goes when sending is resumed.",
        "送信は停止中です: {why} 再開されしだい送信します。",
    ),
    "error.no-time": (
        "A worker had no time left for it; it is tried again.",
        "処理時間が足りなかったため、再試行します。",
    ),
    "error.retry-later": (
        "Not sent yet, tried again at {due_at}: {why}",
        "まだ送信していません。{due_at}に再試行します: {why}",
    ),
    "error.dependency-unavailable": (
        "Not sent yet, tried again at {due_at}: {why}",
        "まだ送信していません。{due_at}に再試行します: {why}",
    ),
    "error.resend-planned": (
        "It may have been sent: {why} It is sent again at {due_at}, as the mail's on_unknown says.",
        "送信された可能性があります: {why} メールの設定(on_unknown)により、{due_at}に再送します。",
    ),
    # CHECKING, UNKNOWN
    "error.reconciling": (
        "It may have been sent: {why} {note}",
        "送信された可能性があります: {why} {note}",
    ),
    "error.unknown": (
        "It may have been sent: {why} Look for it in the mail API before sending it again.",
        "送信された可能性があります: {why} 再送する前に、メールAPIの送信記録をご確認ください。",
    ),
    "error.overwritten": (
        "It may have been sent: somebody saved an older version of this row while it was being sent. "
        "Look for it in the mail API before sending it again.",
        "送信された可能性があります: 送信中に、このメールの古い内容が上書き保存されました。"
        "再送する前に、メールAPIの送信記録をご確認ください。",
    ),
    "error.poison": (
        "It may have been sent: its worker died or hung {deaths} times, so it is not tried again. "
        "Look for it in the mail API, then correct it or cancel it.",
        "送信された可能性があります: 送信処理が{deaths}回異常終了したため、自動では再試行しません。"
        "メールAPIの送信記録を確認し、内容を直すか、取り消してください。",
    ),
    # FAILED
    "error.refused": ("The mail API refused it: {answer}", "メールAPIに拒否されました: {answer}"),
    "error.unreadable": (
        "The row cannot be sent as it is: {problems}. Nothing was sent.",
        "このままでは送信できません: {problems}。送信していません。",
    ),
    "error.not-encodable": (
        "No request for the mail API can be made of this mail ({kind}). Nothing was sent; correct its texts.",
        "メールAPIへの送信データを作れませんでした({kind})。送信していません。内容を直してください。",
    ),
    "error.suppressed": (
        "Not sent: {why} Lift the address, or send this mail anyway.",
        "送信していません: {why} 停止を解除するか、このメールだけ送信してください。",
    ),
    "error.file-lost": ("Not sent: {why}", "送信していません: {why}"),
    "error.attempts-used-up": (
        "Tried {attempts} times without a clear answer, which is as often as it may: {why}",
        "{attempts}回試しましたが結果を確認できず、上限に達しました: {why}",
    ),
    "error.inserted": (
        "The row was inserted as {status}, so it is not sent by itself. To send it, set its status to PENDING.",
        "状態が{status}の行として追加されたため、自動では送信されません。送信するには、状態(status)をPENDINGにしてください。",
    ),
    "error.reserved-id": (
        "Ids that begin with {prefix} belong to the service, so the row is never sent. Enqueue it under another id.",
        "{prefix} で始まるIDはサービス専用のため、送信されません。別のIDで登録してください。",
    ),
    # HELD
    "error.held": ("Held by {who}{note}", "{who}が保留{note}"),
    "error.held-in-doubt": (
        "It may have been sent. Held by {who}{note}",
        "送信された可能性があります。{who}が保留{note}",
    ),
    "error.reopened": ("Reopened by {who}.", "{who}が取り消しを戻しました。"),
    "error.reopened-in-doubt": (
        "It may have been sent. Reopened by {who}.",
        "送信された可能性があります。{who}が取り消しを戻しました。",
    ),
    "error.already-sent": (
        "This mail was already sent, as delivery {delivery_id}, and history has it. "
        "Nothing more was sent. Cancel the row; a second mail is a new mail.",
        "このメールはすでに送信済みで(配信ID {delivery_id})、履歴にあります。重ねての送信はしていません。"
        "こちらは取り消してください。もう1通送る場合は、新しいメールとして登録してください。",
    ),
    "error.already-cancelled": (
        "This mail was already cancelled, and history has it. Nothing was sent. Cancel the row; to send it after all, "
        "reopen the one in history.",
        "このメールはすでに取り消されていて、履歴にあります。送信していません。こちらは取り消してください。"
        "送信する場合は、履歴のメールの取り消しを戻してください。",
    ),
    "error.restored": (
        "Restored from {source} on {date} by {who}; it was {status} there. Release it or cancel it.",
        "{date}に{who}が{source}から復元しました(元の状態: {status})。保留を解除するか、取り消してください。",
    ),
    "error.restored-held": (
        "Restored from {source} on {date} by {who}; it was {status} there. Release it or cancel it.",
        "{date}に{who}が{source}から復元しました(元の状態: {status})。保留を解除するか、取り消してください。",
    ),
    "error.restored-in-doubt": (
        "May have been sent. Restored from {source} on {date} by {who}; it was {status} there. "
        "Look for it in the mail API's records first. Release it or cancel it.",
        "送信された可能性があります。{date}に{who}が{source}から復元しました(元の状態: {status})。"
        "先にメールAPIの送信記録を確認し、保留を解除するか、取り消してください。",
    ),
    "error.quarantined": (
        "Quarantined from {source} on {date} by {who}; it was {status} there. Release it or cancel it.",
        "{date}に{who}が{source}の隔離のため保留しました(元の状態: {status})。保留を解除するか、取り消してください。",
    ),
    "error.quarantined-in-doubt": (
        "May have been sent. Quarantined from {source} on {date} by {who}; it was {status} there. "
        "Look for it in the mail API's records first. Release it or cancel it.",
        "送信された可能性があります。{date}に{who}が{source}の隔離のため保留しました(元の状態: {status})。"
        "先にメールAPIの送信記録を確認し、保留を解除するか、取り消してください。",
    ),
    "error.set-by-hand": ("The state was set by hand.", "状態が手動で変更されました。"),
}

FINISHED: Mapping[str, tuple[str, str]] = {
    "finished.sent": ("Accepted by the mail API.", "メールAPIが受け付けました。"),
    "finished.found": (
        "Accepted by the mail API: found in its records.",
        "メールAPIが受け付けていました(送信記録で確認)。",
    ),
    "finished.confirmed": ("Sent, says {who}.", "{who}が送信済みと確認しました。"),
    "finished.cancelled": ("Cancelled by {who}.", "{who}が取り消しました。"),
    "finished.cancelled-in-batch": (
        "Cancelled by {who} in batch {batch}.",
        "{who}が取り消しました(一括処理 {batch})。",
    ),
}

EVENTS: Mapping[str, tuple[str, str]] = {
    "event.enqueued": ("enqueued", "登録"),
    "event.sent": ("sent", "送信済み"),
    "event.deferred": ("deferred", "延期"),
    "event.failed": ("failed", "失敗"),
    "event.unknown": ("nobody knows whether it was sent", "送信されたか不明"),
    "event.in-doubt": ("in doubt: it may have been sent", "送信された可能性あり"),
    "event.resend-planned": ("to be sent again", "再送予定"),
    "event.found": ("found in the mail API's records", "メールAPIの送信記録で確認"),
    "event.confirmed": ("confirmed as sent", "送信済みと確認"),
    "event.sent-twice": ("sent a second time", "二重に送信"),
    "event.edited": ("edited", "編集"),
    "event.changed-by-hand": ("changed by hand", "手動で変更"),
    "event.state-set-by-hand": ("state set by hand", "状態を手動で変更"),
    "event.scheduled": ("scheduled", "送信日時を指定"),
    "event.held": ("held", "保留"),
    "event.released": ("released", "保留解除"),
    "event.cancelled": ("cancelled", "取り消し"),
    "event.reopened": ("taken back", "取消を戻した"),
    "event.resent": ("sent again", "再送"),
    "event.resent-though-suppressed": ("sent again although suppressed", "送信停止中に再送"),
    "event.copied-to": ("sent again as a new mail", "新しいメールとして再送"),
    "event.copied-from": ("made of a mail in history", "履歴のメールから作成"),
    "event.restored": ("restored", "復元"),
    "event.quarantined": ("quarantined", "隔離"),
    "event.duplicate-cancelled": ("second row cancelled", "重複分を取消"),
    "event.erased": ("erased on request", "依頼により消去"),
    "event.copy-erased": ("the address of a copy erased on request", "依頼により写しの宛先を消去"),
}

NOTES: Mapping[str, tuple[str, str]] = {
    "note.none": (".", "しました。"),
    "note.said": (": {note}", ": {note}"),
}

# Why a mail is in doubt, deferred or paused.
CAUSES: Mapping[str, tuple[str, str]] = {
    "answer-said": ("{said} ({status})", "「{said}」({status})"),
    "answer-without-reason": ("no reason was given ({status}).", "理由の記載なし({status})。"),
    "suppressed": ("{address} is suppressed {why}.", "{address}は送信停止中です({why})。"),
    "worker-died": (
        "the worker that took it at {claimed_at} did not come back.",
        "{claimed_at}に送信を始めた処理が、完了しませんでした。",
    ),
    "unexpected": ("an unexpected {kind}.", "予期しないエラーが発生しました({kind})。"),
    "answer-says-nothing": (
        "the mail API answered {status}, which says nothing about this mail.",
        "メールAPIの応答({status})からは、このメールの結果が分かりません。",
    ),
    "answer-without-id": (
        "the mail API answered {status} without a readable delivery id.",
        "メールAPIの応答({status})から、配信IDを読み取れませんでした。",
    ),
    "no-answer": (
        "the mail API did not answer within {seconds} s ({kind}).",
        "メールAPIから{seconds}秒以内に応答がありませんでした({kind})。",
    ),
    "connection-broke": (
        "the connection to the mail API broke before its answer came ({kind}).",
        "応答を受け取る前に、メールAPIとの接続が切れました({kind})。",
    ),
    "no-connection": ("no connection to the mail API ({kind}).", "メールAPIに接続できません({kind})。"),
    "files-did-not-leave": (
        "the files did not leave within {seconds} s.",
        "添付ファイルの送信が{seconds}秒以内に終わりませんでした。",
    ),
    "rate-used-up": (
        "the mail API's rate is used up for the moment (429).",
        "メールAPIの送信レートの上限に達しています(429)。",
    ),
    "credentials-refused": (
        "the mail API refuses the credentials (401).",
        "メールAPIが認証情報を拒否しています(401)。",
    ),
    "no-right-to-send": (
        "the mail API says these credentials have no right to send (403).",
        "この認証情報には送信の権限がありません(403)。",
    ),
    "account-locked": (
        "the mail API says the account is locked (423).",
        "メールAPIのアカウントがロックされています(423)。",
    ),
    "address-not-found": (
        "the mail API's address answers that there is no such place (404); check the address setting.",
        "メールAPIの接続先が見つかりません(404)。接続先の設定をご確認ください。",
    ),
    "address-refuses-call": (
        "the mail API's address does not take this call (405); check the address setting.",
        "メールAPIの接続先が正しくないようです(405)。接続先の設定をご確認ください。",
    ),
    "address-refuses-form": (
        "the mail API's address does not take this form (415); check the address setting.",
        "メールAPIの接続先が正しくないようです(415)。接続先の設定をご確認ください。",
    ),
    "address-redirects": (
        "the mail API's address sends elsewhere ({status}); check the address setting.",
        "メールAPIの接続先が別の場所へ転送しています({status})。接続先の設定をご確認ください。",
    ),
    "address-invalid": (
        "the mail API's address is no web address.",
        "メールAPIの接続先がWebアドレスになっていません。",
    ),
    "secret-empty": ("the secret with {what} is empty.", "シークレット({what})が空です。"),
    "secret-unreadable": (
        "the secret with {what} cannot be read ({code_said}).",
        "シークレット({what})を読み取れません({code_said})。",
    ),
    "secret-malformed": (
        "the secret with {what} must be JSON of the form {form}.",
        "シークレット({what})の形式が正しくありません。正しい形式: {form}",
    ),
    "mail-api-credentials": ("the mail API's credentials", "メールAPIの認証情報"),
    "files-unavailable": (
        "its files cannot be read just now ({kind}).",
        "添付ファイルを読み取れません({kind})。",
    ),
    "files-slow": (
        "its files took too long to read; another worker tries again.",
        "添付ファイルの読み取りに時間がかかったため、再試行します。",
    ),
    "tables-unavailable": (
        "history and the suppression list cannot be read just now ({kind}).",
        "履歴と送信停止リストを読み取れません({kind})。",
    ),
    "paused-by": ("paused by {who}.", "{who}が一時停止しました。"),
    "paused-without-reason": ("stopped without a reason.", "理由の記載なしに停止しました。"),
    "pause-unreadable": (
        "the switch was edited by hand and says neither on nor off.",
        "停止スイッチが手動で編集され、稼働・停止のどちらとも読み取れません。",
    ),
    "file-gone": ("The file {name} is not in the bucket any more.", "ファイル{name}が保存場所にありません。"),
    "file-changed": (
        "The file {name} is not the file that was enqueued: its SHA-256 differs.",
        "ファイル{name}が、登録時のものと異なります(SHA-256の不一致)。",
    ),
    "file-problem": ("The file {name}: {problem}", "ファイル{name}: {problem}"),
    "file-no-access": (
        "The file {name} is not there, or nobody here may read it.",
        "ファイル{name}がないか、読み取る権限がありません。",
    ),
    "file-not-there": ("The file {name} is not in the bucket.", "ファイル{name}がバケットにありません。"),
    "file-unreadable": (
        "The file {name} cannot be read: S3 answers {answer}.",
        "ファイル{name}を読み取れません(S3の応答: {answer})。",
    ),
}

SUPPRESSION: Mapping[str, tuple[str, str]] = {
    "suppressed-since-until": ("since {since} until {until}: {why}", "{since}から{until}まで: {why}"),
    "suppressed-since-ever": ("since {since} without end: {why}", "{since}から無期限: {why}"),
    "suppressed-until": ("until {until}: {why}", "{until}まで: {why}"),
    "suppressed-ever": ("without end: {why}", "無期限: {why}"),
    "suppressed-without-reason": ("no reason was given", "理由の記載なし"),
    "suppression.delivery": (", delivery {id}", "(配信{id})"),
    "suppression.listed": (
        "{kind} on {at}{delivery}; the mail API has the address on its own list",
        "{at}に{kind}{delivery}。メールAPIの停止リストにあるアドレスです。",
    ),
    "suppression.meanwhile": (
        "{kind} on {at}{delivery}; a hard error while it was suppressed",
        "{at}に{kind}{delivery}。送信停止中のハードエラーです。",
    ),
    "suppression.errors": (
        "{kind} on {at}{delivery}; {count} hard errors within {days} days",
        "{at}に{kind}{delivery}。{days}日以内にハードエラー{count}回です。",
    ),
    "suppression.error": (
        "{kind} on {at}{delivery}; {count} hard error within {days} days",
        "{at}に{kind}{delivery}。{days}日以内にハードエラー{count}回です。",
    ),
}

RECONCILIATION: Mapping[str, tuple[str, str]] = {
    "reconcile.begun": (
        "It is being looked up in the mail API's records.",
        "メールAPIの送信記録に照会しています。",
    ),
    "reconcile.no-slot": (
        "The rate had no room for the look-up; it is looked up again at {due_at}.",
        "送信レートの上限のため、まだ照会できていません。{due_at}に再び照会します。",
    ),
    "reconcile.too-young": (
        "A delivery that may be this mail was seen; it is looked up again at {due_at}.",
        "このメールと思われる送信記録があり、確定を待っています。{due_at}に再び照会します。",
    ),
    "reconcile.not-seen": (
        "It has not been seen there yet; it is looked up again at {due_at}.",
        "送信記録にはまだ見つかりません。{due_at}に再び照会します。",
    ),
    "reconcile.not-answered": (
        "The mail API's records did not answer: {why} It is looked up again at {due_at}.",
        "送信記録に照会できませんでした: {why} {due_at}に再び照会します。",
    ),
    "reconcile.never-answered": (
        "{doubt} The mail API's records did not answer: {why}",
        "{doubt} メールAPIの送信記録に照会できませんでした: {why}",
    ),
    "reconcile.never-seen": (
        "{doubt} It was not seen in the mail API's records ({attempts} look-ups).",
        "{doubt} メールAPIの送信記録には見つかりませんでした({attempts}回照会)。",
    ),
    "reconcile.unreadable": (
        "{doubt} The row can no longer be read ({problems}).",
        "{doubt} 内容に誤りがあり、照会できませんでした({problems})。",
    ),
    "reconcile.file-lost": ("{doubt} {why}", "{doubt} {why}"),
    "reconcile.off": (
        "{doubt} The look-up in the mail API's records is switched off.",
        "{doubt} メールAPIの送信記録への照会は無効になっています。",
    ),
    "reconcile.no-records": (
        "{doubt} {why}",
        "{doubt} {why}",
    ),
    "records.malformed": (
        "the mail API's records came in a form nobody knows.",
        "メールAPIの送信記録を読み取れませんでした。",
    ),
    "records.unreadable": (
        "the mail API's records could not be read ({status}).",
        "メールAPIの送信記録を読み取れませんでした({status})。",
    ),
    "records.none": (
        "the mail API has no records to look in ({status}).",
        "メールAPIに照会できる送信記録がありません({status})。",
    ),
}

# What is wrong with one part of a row or a mail.
RULES: Mapping[str, tuple[str, str]] = {
    "rule.missing": ("is missing", "ありません"),
    "rule.reading-failed": ("cannot be read ({kind})", "読み取れません({kind})"),
    "rule.no-state": (
        "is {word}, which is no state; PENDING sends it, HELD keeps it",
        "{word}という状態はありません。送信するにはPENDING、保留するにはHELDを入力してください",
    ),
    "rule.state-empty": (
        "is empty; PENDING sends it, HELD keeps it",
        "空です。送信するにはPENDING、保留するにはHELDを入力してください",
    ),
    "rule.no-moment": (
        "is no moment such as 2026-01-31T09:00:00+09:00",
        "日時として読み取れません(例: 2026-01-31T09:00:00+09:00)",
    ),
    "rule.no-due-time": (
        "tells no moment to send it; set the status to PENDING, with send_at for later",
        "送信日時の情報が不足しています。状態(status)をPENDINGにし、日時を指定する場合はsend_atも入力してください",
    ),
    "rule.row-too-large": (
        "is larger than the table takes (400 KB) with everything that is on it",
        "データが上限(400 KB)を超えています",
    ),
}

SENTENCES: Mapping[str, tuple[str, str]] = {
    **ERRORS,
    **FINISHED,
    **EVENTS,
    **NOTES,
    **CAUSES,
    **SUPPRESSION,
    **RECONCILIATION,
    **RULES,
}
