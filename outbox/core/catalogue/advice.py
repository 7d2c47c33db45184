"""What happens to a mail next, what to know before acting, and what an inspection finds."""

from collections.abc import Mapping

NEXT: Mapping[str, tuple[str, str]] = {
    "next.pending": ("It goes within moments.", "まもなく送信されます。"),
    "next.waiting": ("It goes by itself when it is due.", "予定の日時に自動で送信されます。"),
    "next.sending": (
        "It is just being sent; nothing can be changed now.",
        "送信中のため、今は変更できません。",
    ),
    "next.checking": (
        "It is being looked up in the mail API's records.",
        "メールAPIの送信記録に照会しています。",
    ),
    "next.checking-resend": (
        (
            "It is being looked up in the mail API's records until {until}; next at {due_at}. "
            "Found, it is SENT; not found by then, it is sent again."
        ),
        (
            "{until}まで、メールAPIの送信記録に照会します(次回: {due_at})。"
            "見つかればSENT(送信済み)になり、見つからなければ再送します。"
        ),
    ),
    "next.checking-hold": (
        (
            "It is being looked up in the mail API's records until {until}; next at {due_at}. "
            "Found, it is SENT; not found by then, it is UNKNOWN and waits for a person."
        ),
        (
            "{until}まで、メールAPIの送信記録に照会します(次回: {due_at})。"
            "見つかればSENT(送信済み)に、見つからなければUNKNOWN(送信不明)になり、担当者の確認を待ちます。"
        ),
    ),
    "next.failed": (
        "It waits for a person; it never goes by itself.",
        "担当者の対応を待っています。自動では送信されません。",
    ),
    "next.unknown": (
        (
            "It may have been sent; it never goes by itself. Look in the mail API's records, then confirm that it was "
            "sent, or send it again."
        ),
        (
            "送信された可能性があります。自動では送信されません。"
            "メールAPIの送信記録を確認し、送信済みとして記録するか、再送してください。"
        ),
    ),
    "next.held": ("It is held; it never goes by itself.", "保留中です。自動では送信されません。"),
    "next.sent": (
        "The mail API took it. Nothing is left to do.",
        "メールAPIが受け付けました。対応は必要ありません。",
    ),
    "next.cancelled": ("It was cancelled and not sent.", "取り消され、送信されませんでした。"),
    "next.no-state": (
        "Its state is none the service knows; the service leaves it alone.",
        "状態が正しくないため、処理されません。",
    ),
}

WARNINGS: Mapping[str, tuple[str, str]] = {
    "warning.bounced": (
        "It came back from {recipient} at {at}: {said}.",
        "{at}に{recipient}から不達が返っています:「{said}」",
    ),
    "warning.just-sent": ("It was sent only {minutes} minutes ago.", "まだ{minutes}分前に送信したばかりです。"),
    "warning.just-now": (
        "It was sent only less than a minute ago.",
        "送信してからまだ1分も経っていません。",
    ),
    "warning.resent": (
        "It was sent again already, at {at} by {who}, as {id}.",
        "すでに{at}に{who}が再送しています(新しいメール: {id})。",
    ),
}

SUPPRESSION: Mapping[str, tuple[str, str]] = {
    "suppression.added": ("added by {who}", "{who}が登録"),
}

DOCTOR: Mapping[str, tuple[str, str]] = {
    "doctor.files": (
        "Its files could not be kept ({kind}): they may expire.",
        "添付ファイルの保存期限を外せませんでした({kind})。期限で削除される可能性があります。",
    ),
    "doctor.lost": (
        "No index and no stream event finds it: its {missing} is missing or odd.",
        "どのインデックスからもストリームからも見つかりません。{missing}がないか、正しくありません。",
    ),
    "doctor.no-due-time": (
        "PENDING, but dispatch would never find it: it has no due_at or no lane. `outbox resend` sends it.",
        "PENDINGですが、due_atかlaneがないためdispatchから見つかりません。outbox resend で送信できます。",
    ),
    "doctor.overdue": (
        "PENDING, but nobody looked at it since {due_at}: is dispatch running? `outbox resend` sends it.",
        "PENDINGですが、{due_at}から処理されていません。dispatchは動いていますか。outbox resend で送信できます。",
    ),
    "doctor.orphan": (
        "It stands for a mail that is not in history.",
        "対応するメールが履歴にありません。",
    ),
    "doctor.never-expires": (
        "DynamoDB would never delete it: its expires_at {wrong}.",
        "DynamoDBが削除できません。expires_atが{wrong}。",
    ),
    "expires.missing": ("is missing", "ありません"),
    "expires.no-number": (
        "is {value}, not a whole number of seconds",
        "{value}で、秒数の整数ではありません",
    ),
    "expires.milliseconds": ("is {value}: milliseconds, not seconds", "{value}で、秒ではなくミリ秒です"),
    "expires.far": (
        "is {value}, more than a hundred years from now",
        "{value}で、100年以上先です",
    ),
    "expires.long-ago": (
        "is {value}, so long ago that DynamoDB takes it for a mistake",
        "{value}で、古すぎるためDynamoDBが無視します",
    ),
    "doctor.attachments": (
        "{number} of its attachments name no file and hold none.",
        "添付ファイルのうち{number}件に、ファイルの指定も内容もありません。",
    ),
    "doctor.made-visible": (
        "put where people look for it, with a reason",
        "理由を付けて、一覧に表示されるようにしました",
    ),
    "doctor.erased": ("erased", "削除しました"),
    "doctor.expires": ("expires at {at}", "{at}に削除されるようにしました"),
}

ERASURE: Mapping[str, tuple[str, str]] = {
    "finished.erased": (
        "What it said and to whom was erased on request.",
        "依頼により、内容と宛先を消去しました。",
    ),
    "erasure.busy": ("it keeps changing", "更新され続けています"),
    "erasure.full": (
        "there is no room on it to note this; delete the mail by hand",
        "消去を記録する空きがありません。手動でメールを削除してください",
    ),
    "erasure.files": ("{number} of its files: {answers}", "添付ファイル{number}件: {answers}"),
    "erasure.backups": (
        (
            "Point-in-time backups of the tables keep it for up to 35 days; a restore brings it back, so erase it "
            "again then."
        ),
        "テーブルのポイントインタイムバックアップには最長35日間残ります。復元すると戻るため、その際は再度消去してください。",
    ),
    "erasure.provider": (
        "The mail API keeps its own records for 62 days, and its own stop list.",
        "メールAPI側の送信記録(62日間)と停止リストは残ります。",
    ),
    "erasure.not-found": (
        (
            "Not found: mails whose address was corrected before they went, what other mails say, bounces nobody could "
            "read."
        ),
        "見つからないもの: 送信前に宛先を修正したメール、ほかのメールの本文、読み取れなかった不達通知。",
    ),
    "erasure.later-bounces": (
        "A bounce that comes after this is stored again; erase the address again then.",
        "この後に届いた不達通知は再び記録されます。その際は再度消去してください。",
    ),
    "erasure.logs": (
        "Log lines hold ids of mails and no address.",
        "ログにはメールのIDだけがあり、アドレスはありません。",
    ),
}

SENTENCES: Mapping[str, tuple[str, str]] = {**NEXT, **WARNINGS, **SUPPRESSION, **DOCTOR, **ERASURE}
