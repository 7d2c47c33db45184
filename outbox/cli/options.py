"""The options that several commands share, under one name and one explanation each."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout and nothing else.")]
Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of mails.", show_default=False)]
SomeIds = Annotated[list[str] | None, typer.Argument(metavar="ID...", help="Ids of mails.", show_default=False)]
Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the mail.", show_default=False)]

Cc = Annotated[list[str] | None, typer.Option("--cc", metavar="ADDRESS", help="Copy to; may be repeated.")]
Bcc = Annotated[list[str] | None, typer.Option("--bcc", metavar="ADDRESS", help="Blind copy to; may be repeated.")]
ReplyTo = Annotated[str | None, typer.Option("--reply-to", metavar="ADDRESS", help="Where answers go.")]
Text = Annotated[str | None, typer.Option("--text", help="Text part.")]
TextFile = Annotated[Path | None, typer.Option("--text-file", help="File (UTF-8) with the text part; - for stdin.")]
Html = Annotated[str | None, typer.Option("--html", help="HTML part.")]
HtmlFile = Annotated[Path | None, typer.Option("--html-file", help="File (UTF-8) with the HTML part; - for stdin.")]
Tag = Annotated[list[str] | None, typer.Option("--tag", help="Tag to find it by; may be repeated.")]
Code = Annotated[
    list[str] | None,
    typer.Option("--code", metavar="NAME=VALUE", help="Put VALUE where the mail says __NAME__; may be repeated."),
]
Unsubscribe = Annotated[
    list[str] | None,
    typer.Option("--unsubscribe", metavar="URL", help="List-Unsubscribe: mailto:… or https://…; may be repeated."),
]
Encoding = Annotated[str | None, typer.Option("--encoding", help="UTF-8 or ISO-2022-JP.")]
OnUnknown = Annotated[
    str | None,
    typer.Option(
        "--on-unknown",
        metavar="hold|resend",
        help="When nobody can tell whether the mail API took it: hold it for a person, or resend it.",
    ),
]
At = Annotated[
    str | None,
    typer.Option("--at", metavar="TIME", help="Send not before, with a time zone: 2026-01-31T09:00+09:00."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; needed where nobody can be asked.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")]
Since = Annotated[str, typer.Option("--from", metavar="YYYY-MM-DD", help="First day (UTC).")]
Until = Annotated[str, typer.Option("--until", metavar="YYYY-MM-DD", help="Last day (UTC); today unless said.")]
Day = Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="One day (UTC), instead of --from and --until.")]
DeliveryId = Annotated[str, typer.Option(metavar="ID", help="The mail API's id of the delivery.")]
