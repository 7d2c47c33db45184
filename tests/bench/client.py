"""`Outbox.enqueue()` beside a bare conditional `put_item` whose item is ready, and the time to build an entry.

On the embedded AWS, whose put takes no longer than one within a region, so the ratio there is not flattered by a slow
table. Bare is measured twice: by a client of the same settings as ours, and by boto3 as it comes. All three take turns
mail by mail, another one first each time; stream and schedule are cut off, so that no function takes the machine from
them.
"""

from typing import Any

from outbox import Mail, Outbox
from outbox.adapters import aws
from outbox.adapters.wire import to_wire
from outbox.local.stack import LocalStack
from tests.bench import rig
from tests.bench.effort import Effort, clocked, median, ratio
from tests.conftest import make_mail
from tests.storm import crew

NEW = "attribute_not_exists(id)"


def measure(effort: Effort) -> dict[str, Any]:
    """Measure one enqueue at a time, and entries for an application's own transaction."""
    with LocalStack(sandbox_arguments=rig.NO_RATE) as stack:
        crew.take_over(stack)
        session, where = stack.session(), {"endpoint_url": stack.info.aws_endpoint_url}
        client: Any = aws.dynamodb(session, **where)
        names = {"table": stack.info.outbox_table, "history_table": stack.info.history_table}
        outbox = Outbox(client=client, actor="bench", **names)
        effort.say("client: enqueue beside bare puts")
        clients = {"bare": client, "plain_boto3": session.client("dynamodb", **where)}
        put = _puts(outbox, clients, names["table"], effort)
        effort.say("client: entries")
        return put | _entries(outbox, effort)


def _puts(outbox: Outbox, clients: dict[str, Any], table: str, effort: Effort) -> dict[str, Any]:
    mails = effort.pick(300, 20)
    _turns(outbox, clients, table, mails=effort.pick(50, 2))
    runs = [_turns(outbox, clients, table, mails) for _ in effort.times()]
    each = {name: [sum(run[name]) / mails * 1000 for run in runs] for name in ("enqueue", *clients)}
    return {
        "mails": mails,
        "runs": len(runs),
        "enqueue_ms": median(each["enqueue"]),
        **{f"{name}_ms": median(each[name]) for name in clients},
        "ratio": ratio(each["enqueue"], each["bare"]),
        "ratio_to_plain_boto3": ratio(each["enqueue"], each["plain_boto3"]),
    }


def _turns(outbox: Outbox, clients: dict[str, Any], table: str, mails: int) -> dict[str, list[float]]:
    """Write so many mails in each way, in turn; give the seconds of each."""
    seconds: dict[str, list[float]] = {name: [] for name in ("enqueue", *clients)}
    for number in range(mails):
        mail, names = _mail(number), list(seconds)
        for name in [*names[number % len(names) :], *names[: number % len(names)]]:
            item = to_wire(rig.rows_of([mail])[0])
            with clocked(seconds[name]):
                if name == "enqueue":
                    outbox.enqueue(mail)
                else:
                    clients[name].put_item(TableName=table, Item=item, ConditionExpression=NEW)
    return seconds


def _entries(outbox: Outbox, effort: Effort) -> dict[str, Any]:
    count = effort.pick(2000, 50)
    mails = [_mail(number) for number in range(count)]
    plain, keyed, made = list[float](), list[float](), list[float]()
    for _ in effort.times():
        with clocked(plain):
            for mail in mails:
                outbox.entries(mail)
        with clocked(keyed):
            for number, mail in enumerate(mails):
                outbox.entries(mail, idempotency_key=f"order-{number}")
        with clocked(made):
            for number in range(count):
                _mail(number)
    each = {"entries_us": plain, "entries_with_key_us": keyed, "mail_us": made}
    return {name: round(median(seconds, 9) / count * 1e6) for name, seconds in each.items()}


def _mail(number: int) -> Mail:
    return make_mail(subject=f"Order {number}", text=f"Thank you for order {number}. " * 25, tags=["bench"])
