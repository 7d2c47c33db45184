"""A service in memory with one of everything: what pages look like on a working day."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from outbox import Attachment
from outbox.core.row import Row
from outbox.flows.batch import Action
from outbox.flows.suppression import SuppressionList
from outbox.flows.where import Where
from tests.console.conftest import Browser as Memory

HTML = "<h1>{title}</h1><p>{text}</p><p><a href='https://shop.example/'>Shop</a></p>"
TEXTS = {
    "ja": {
        "order": "ご注文の確認",
        "shipped": "発送のお知らせ",
        "called back": "取消した案内",
        "invoice": "請求書 1月分",
        "thanks": "いつもありがとうございます。",
        "password": "パスワード再設定",
        "news": "お知らせ",
        "next week": "来週のご案内",
        "welcome": "ようこそ",
        "asked": "本人の依頼",
        "file": "請求書.pdf",
        "tag": "注文",
    },
    "en": {
        "order": "Your order 1042",
        "shipped": "Your parcel is on its way",
        "called back": "Closed on Monday",
        "invoice": "Your invoice for January",
        "thanks": "Thank you for your order.",
        "password": "Reset your password",
        "news": "News from the shop",
        "next week": "Your appointment next week",
        "welcome": "Welcome",
        "asked": "she asked for it",
        "file": "invoice.pdf",
        "tag": "order",
    },
}
LONG = "W" * 200


@dataclass
class Scene:
    """The pages there are, by their names, and the service behind them."""

    memory: Memory
    pages: dict[str, str]


def fill(memory: Memory, language: str = "ja") -> Scene:
    """Write mails of every state, what came back, who is suppressed, and batches."""
    service, say = memory.service, TEXTS[language]
    service.suppression = SuppressionList(memory.suppressions, service.clock)
    files = [Attachment(say["file"], b"%PDF-1.4"), Attachment(f"{LONG}.txt", b"x")]
    html = HTML.format(title=say["invoice"], text=say["thanks"])
    memory.write_sent("order-1", subject=say["order"], cc=["keiri@example.com"], tags=[say["tag"]])
    memory.came_back("order-1", "taro@example.com", "HARDERROR", message="user unknown")
    service.clock.forward(hours=2)
    memory.write_sent("order-2", subject=say["shipped"], to="jiro@example.com", html=html, attachments=files)
    memory.write("order-3", subject=say["called back"])
    service.support.cancel("order-3", "carol")
    service.clock.forward(hours=1)
    memory.write_later("later-1", subject=say["next week"], to="goro@example.com")
    memory.write_failed("invoice-2", subject=LONG, to=f"{LONG[:50]}@example.com")
    memory.desk.suppression.add("gone@example.com", "bob", say["asked"])
    memory.desk.suppression.add("back@example.com", "bob", "", service.clock() + timedelta(days=7))
    service.clock.forward(minutes=20)
    memory.write_failed("suppressed-1", subject=say["welcome"], to="gone@example.com")
    memory.write_held("held-1", subject=say["news"], to="shiro@example.com")
    service.clock.forward(minutes=20)
    memory.write_unknown("unknown-1", subject=say["password"], to="saburo@example.com")
    service.clock.forward(minutes=15)
    memory.write_failed("invoice-1", subject=say["invoice"], to="hanako@exampel.com", html=html, text=say["thanks"])
    memory.desk.again("order-2", "alice", confirmed=True)
    service.ring_until_quiet()
    batch = _batch(memory)
    service.clock.forward(minutes=7)
    return Scene(
        memory,
        {
            "outbox": "/",
            "waiting": "/?state=waiting",
            "filtered": "/?state=failed&to=hanako&text=invalid",
            "nothing": "/?state=unknown&subject=nothing",
            "mail failed": "/mail?id=invoice-1",
            "mail unknown": "/mail?id=unknown-1",
            "mail suppressed": "/mail?id=suppressed-1",
            "mail sent": "/mail?id=order-1",
            "mail with files": "/mail?id=order-2",
            "mail cancelled": "/mail?id=order-3",
            "no mail": "/mail?id=nobody",
            "edit": "/mail/edit?id=invoice-1",
            "again": "/mail/again?id=order-1",
            "many": "/many?action=resend&all=1&state=failed",
            "batches": "/batches",
            "batch": f"/batch?id={batch}",
            "history": "/history",
            "history of nobody": "/history?q=nobody@example.com&tag=x",
            "bounces": "/bounces",
            "suppressed": "/suppressed",
            "suppressed address": "/suppressed?q=gone@example.com",
            "activity": "/activity",
            "settings": "/settings",
            "help": "/help",
        },
    )


def _batch(memory: Memory) -> str:
    for number in range(3):
        memory.write_failed(f"many-{number}", subject="一括", to=f"m{number}@example.com", tags=["many"])
    batch = memory.desk.batches.start(Where(tag="many"), Action("resend"), "alice")
    memory.desk.batches.run(batch)
    memory.service.ring_until_quiet()
    return batch


def put(memory: Memory, mail_id: str, **parts: Any) -> Row:
    """Overwrite parts of a row by hand, wherever it is, as somebody may in the table itself."""
    store = memory.service.store
    table = store.outbox if mail_id in store.outbox else store.history
    table[mail_id] = {**table[mail_id], **parts}
    return Row(table[mail_id])
