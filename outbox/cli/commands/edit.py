"""`outbox edit`: corrects one mail in the outbox, or many in one way, and sends them again if asked."""

from typing import Annotated

import typer

from outbox.cli import many, many_edits, output, views
from outbox.cli import options as opt
from outbox.cli.desk import Cli, begin
from outbox.cli.parts import moment, parts
from outbox.core.codes import EventCode
from outbox.core.errors import InvalidRequest
from outbox.core.row import Row
from outbox.core.shown import words
from outbox.flows.batch import Action
from outbox.flows.correct import KNOWN


def edit(  # noqa: PLR0913  a mail has many parts
    context: typer.Context,
    mail_id: Annotated[str, typer.Argument(metavar="[ID]", help="Id of the mail.", show_default=False)] = "",
    *,
    where: many.Wheres = None,
    everything: many.All = False,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help=f"With --where; may be repeated: {KNOWN}."),
    ] = None,
    sender: Annotated[str | None, typer.Option("--from", "--sender", metavar="ADDRESS", help="Sender.")] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="ADDRESS", help="The one recipient.")] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="Subject.")] = None,
    text: opt.Text = None,
    text_file: opt.TextFile = None,
    html: opt.Html = None,
    html_file: opt.HtmlFile = None,
    cc: opt.Cc = None,
    bcc: opt.Bcc = None,
    reply_to: opt.ReplyTo = None,
    tag: opt.Tag = None,
    code: opt.Code = None,
    unsubscribe: opt.Unsubscribe = None,
    encoding: opt.Encoding = None,
    urgent: Annotated[bool | None, typer.Option("--urgent/--no-urgent", help="Overtake other mail, or not.")] = None,
    on_unknown: opt.OnUnknown = None,
    send: Annotated[bool, typer.Option("--send", help="Send it again at once.")] = False,
    at: opt.At = None,
    revision: Annotated[
        int | None, typer.Option(metavar="N", help="Save only if the row still has this revision (see show).")
    ] = None,
    version: Annotated[
        str, typer.Option(metavar="WORD", help="Save only if the mail is as it was, raw edits too (see show --json).")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --where: do it; without, it is only shown.")] = False,
    as_json: opt.Json = False,
) -> None:
    """Correct a mail in the outbox. It keeps its state unless --send or --at says otherwise.

    What is not named stays as it is; a list (--cc, --bcc, --tag, --code, --unsubscribe) is replaced as a whole; an
    empty value ('') clears. A mail that waits goes at its time with the new content.

    With --where and --set: many at once, each checked as a whole. Without --yes or --send it only shows what would
    change; --send sends again what it changed, --yes alone leaves it where it is.
    """
    cli = begin(context, as_json=as_json)
    changes = parts(
        sender=sender, to=to, subject=subject, text=text, text_file=text_file, html=html, html_file=html_file, cc=cc,
        bcc=bcc, reply_to=reply_to, tag=tag, code=code, unsubscribe=unsubscribe, encoding=encoding, urgent=urgent,
        on_unknown=on_unknown,
    )  # fmt: skip
    send_at = moment(at)
    if where or everything or sets:
        if mail_id or changes or send_at or revision is not None or version:
            message = (
                "--where takes its corrections by --set alone; ids, --at, --revision, --version are for single mails"
            )
            raise InvalidRequest(message)
        many_edits.edit(cli, where, Action("edit", tuple(sets or ()), send=send), everything=everything, yes=yes)
        return
    if not mail_id:
        message = "give the id of a mail, or --where and --set"
        raise InvalidRequest(message)
    if not changes and not send_at:
        message = "nothing to change was given; `outbox resend` sends a mail again as it is"
        raise InvalidRequest(message)
    desk = cli.desk
    if send_at and send_at <= desk.now():
        message = f"--at {at} has passed; --send sends it at once"
        raise InvalidRequest(message)
    edited = desk.support.edit(
        mail_id, changes, desk.who, revision=revision, version=version, send_at=send_at, send=send
    )
    _tell(cli, edited)


def _tell(cli: Cli, row: Row) -> None:
    if cli.as_json:
        output.document(views.as_json(row) | {"version": row.version, "changed": _changed(row)})
        return
    output.say(f"{row.id} is saved and {row.item.get('status')}.")
    for name, (before, after) in _changed(row).items():
        output.say(f"  {name}: {before or 'nothing'} -> {after or 'nothing'}")
    output.show(*views.todo(row, cli.options))


def _changed(row: Row) -> dict[str, tuple[str, str]]:
    """Read from the timeline what this very save changed."""
    event = next((event for event in reversed(row.timeline) if event.get("what") == EventCode.EDITED), {})
    changes = event.get("changes") or {}
    return {name: (words(before), words(after)) for name, (before, after) in changes.items()}
