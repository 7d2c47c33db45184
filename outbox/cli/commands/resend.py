"""`outbox resend`: sends mails again, by id or by the thousand; of one in history it makes a new, linked mail."""

from dataclasses import dataclass
from typing import Annotated

import typer

from outbox.cli import many, output
from outbox.cli.desk import Cli, begin
from outbox.cli.options import Json, Yes
from outbox.cli.results import can_ask, each
from outbox.core.errors import InvalidRequest, NeedsConfirmation, WrongState
from outbox.core.row import Row
from outbox.core.shown import safe
from outbox.core.states import FINISHED
from outbox.flows.batch import Action


def resend(  # noqa: PLR0913  each is one word on the command line
    context: typer.Context,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID...]", help="Ids of mails.")] = None,
    *,
    where: many.Wheres = None,
    everything: many.All = False,
    send: many.Start = False,
    to: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Of mails in history: to this address alone, without the copies."),
    ] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Although the recipient is suppressed; this once.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Send mails again that failed or are unknown, or now instead of later.

    Of a mail in history a new mail is made, linked to the old one. Where it came back before, was sent just now or was
    sent again already, that is said first, and nothing is done without a yes (--yes in a script).

    With --where: many at once. Without --send it only counts them and shows some. With it (or --yes) they go in their
    turn, within the rate, as a batch that Ctrl-C stops and `outbox batch continue` continues.
    """
    cli = begin(context, as_json=as_json)
    if where or everything:
        _refuse(ids=ids, to=to, anyway=anyway)
        many.decide(cli, Action("resend"), where, everything=everything, start=send or yes)
        return
    if not ids or send:
        message = "--send belongs to --where; mails named by id go at once" if ids else "give ids of mails, or --where"
        raise InvalidRequest(message)
    each(cli, ids, "rings again", _Resend(cli, to, anyway=anyway, yes=yes))


def _refuse(**given: object) -> None:
    wrong = [name if name == "ids" else f"--{name}" for name, value in given.items() if value]
    if wrong:
        message = f"{wrong[0]} is for single mails, not for --where"
        raise InvalidRequest(message)


@dataclass(frozen=True, slots=True)
class _Resend:
    """Sends one mail again, wherever it is."""

    cli: Cli
    to: str | None
    anyway: bool
    yes: bool

    def __call__(self, mail_id: str) -> Row:
        desk = self.cli.desk
        if self.to is not None:
            return self._asked(mail_id)
        try:
            return desk.support.resend(mail_id, desk.who, anyway=self.anyway)
        except WrongState as wrong:
            if wrong.status not in FINISHED:
                raise
        return self._asked(mail_id)

    def _asked(self, mail_id: str) -> Row:
        """Make a new mail, asking first where there is something to think about and somebody to ask."""
        try:
            return self._again(mail_id, confirmed=self.yes)
        except NeedsConfirmation as needed:
            if not can_ask(self.cli):
                raise
            for warning in needed.warnings:
                output.say(warning)
            if not typer.confirm(f"Send {safe(mail_id)} again all the same?"):
                raise
        except WrongState as wrong:
            raise self._unsent(wrong) from None
        return self._again(mail_id, confirmed=True)

    def _again(self, mail_id: str, *, confirmed: bool) -> Row:
        desk = self.cli.desk
        return desk.again(mail_id, desk.who, self.to, confirmed=confirmed, anyway=self.anyway)

    def _unsent(self, wrong: WrongState) -> Exception:
        if wrong.status in FINISHED or self.to is None:
            return wrong
        command = self.cli.options.command("edit", wrong.mail_id, "--to", self.to, "--send")
        return InvalidRequest(f"Mail {wrong.mail_id} is {wrong.status}, still in the outbox: {command}")
