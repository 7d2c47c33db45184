"""`outbox edit --where --set`: the corrections shown on a sample, before and after, then carried out as a batch."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from outbox.cli import many, output
from outbox.cli.desk import Cli
from outbox.cli.safe import cell
from outbox.flows.batch import Action, Trial


def edit(cli: Cli, pairs: Sequence[str] | None, action: Action, *, everything: bool, yes: bool) -> None:
    """Show what would change or, with a yes, change it; exit status 1 if the batch was stopped."""
    meant, unread = many.asked(pairs, everything=everything)
    action.check(meant)
    if yes or action.send:
        many.carry_out(cli, meant, action)
        return
    batches = cli.control.batches
    preview = batches.preview(meant, limit=0)
    changed, same, trials = batches.try_out(meant, action)
    sets = [word for each in action.set for word in ("--set", each)]
    more = [*sets, *(["--all"] if everything else [])]
    go_on = [many.again(cli, "edit", pairs, *more, last) for last in ("--send", "--yes")]
    if cli.as_json:
        told = {"would_change": changed, "would_not": same, "changes": [_json(trial) for trial in trials]}
        output.document(many.preview_json(meant, preview) | told | {"lines_ignored": unread, "go_on": go_on})
        return
    if trials:
        output.show(_table(trials))
    output.say(f"{changed:,} mails would change, {same:,} need no correction.")
    many.tell_warnings(meant, preview, unread)
    output.say(f"Nothing was done. To correct them and send them again: {go_on[0]}")
    output.say(f"To correct them alone: {go_on[1]}")


def _json(trial: Trial) -> dict[str, Any]:
    changes = {name: list(pair) for name, pair in trial.changes.items()}
    return {"id": trial.row.id, "changes": changes, "problem": trial.problem}


def _table(trials: Sequence[Trial]) -> Table:
    table = Table()
    for name in ("id", "field", "before", "after", "problem"):
        table.add_column(name, overflow="fold")
    for trial in trials:
        for name, (before, after) in trial.changes.items():
            facts = (trial.row.id, name, before or "nothing", after or "nothing")
            table.add_row(*map(cell, facts), cell(trial.problem, "bold red"))
    return table
