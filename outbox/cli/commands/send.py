"""`outbox send`: writes one mail into the outbox."""

from pathlib import Path
from typing import Annotated

import typer

from outbox.cli import options as opt
from outbox.cli import output
from outbox.cli.desk import Cli, begin
from outbox.cli.parts import attachment, moment, parts
from outbox.cli.views import to_copy
from outbox.client import Receipt
from outbox.core.mail import ListUnsubscribe, Mail


def send(  # noqa: PLR0913  a mail has many parts
    context: typer.Context,
    *,
    sender: Annotated[str, typer.Option("--from", "--sender", metavar="ADDRESS", help="'Name <a@b>' or 'a@b'.")],
    to: Annotated[str, typer.Option("--to", metavar="ADDRESS", help="The one recipient.")],
    subject: Annotated[str, typer.Option("--subject", help="Subject.")],
    text: opt.Text = None,
    text_file: opt.TextFile = None,
    html: opt.Html = None,
    html_file: opt.HtmlFile = None,
    cc: opt.Cc = None,
    bcc: opt.Bcc = None,
    reply_to: opt.ReplyTo = None,
    attach: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="File to go with it; repeatable.")] = None,
    tag: opt.Tag = None,
    code: opt.Code = None,
    unsubscribe: opt.Unsubscribe = None,
    encoding: opt.Encoding = None,
    urgent: Annotated[bool, typer.Option("--urgent", help="Overtake other mail: the urgent lane.")] = False,
    on_unknown: opt.OnUnknown = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="Idempotency key: with the same key the same mail is written once."),
    ] = None,
    at: opt.At = None,
    as_json: opt.Json = False,
) -> None:
    """Write a mail into the outbox; it goes within moments, or at its time.

    Nothing is written when the mail API would refuse it. Prints the receipt: its id and state.
    """
    cli = begin(context, as_json=as_json)
    send_at = moment(at)
    given = parts(
        text=text, text_file=text_file, html=html, html_file=html_file, cc=cc, bcc=bcc, reply_to=reply_to, tag=tag,
        code=code, unsubscribe=unsubscribe, encoding=encoding, on_unknown=on_unknown,
    )  # fmt: skip
    if "list_unsubscribe" in given:
        given["list_unsubscribe"] = ListUnsubscribe(**given["list_unsubscribe"])
    attachments = [attachment(path) for path in attach or []]
    mail = Mail(sender=sender, to=to, subject=subject, urgent=urgent, attachments=attachments, **given)
    _tell(cli, cli.desk.outbox.enqueue(mail, idempotency_key=key, send_at=send_at))


def _tell(cli: Cli, receipt: Receipt) -> None:
    if cli.as_json:
        output.document({"id": receipt.id, "status": receipt.status, "duplicate": receipt.duplicate})
        return
    if receipt.duplicate:
        output.say(f"{receipt.id} was there already, with the same mail; nothing was written. It is {receipt.status}.")
    else:
        output.say(f"{receipt.id} is in the outbox, {receipt.status}.")
    output.say(f"  {to_copy(cli.options, 'show', receipt.id)}")
