"""What a bad day may cost: invocations and writes of a simulated day stay under a stated bound."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from outbox.core.errors import NoRecords, NotAnswered, OutcomeUnknown, Rejected, TryLater
from outbox.core.mail_api import Accepted
from outbox.testing import FakeRecords
from tests.bill.day import MINUTES, Day
from tests.figures import merge

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
ROWS = 1000
# A dead API costs the same for each row; how many there are decides only how long the test takes.
DEAD_ROWS = int(os.environ.get("OUTBOX_BILL_ROWS", "50"))
POISON = "mail-37"


def fail(error: Exception) -> Callable[[Any], Any]:
    def answer(_mail: Any) -> Any:
        raise error

    return answer


def all_at_once(day: Day, rows: int = ROWS, **parts: Any) -> Day:
    for number in range(rows):
        day.enqueue(number, **parts)
    return day.run()


def sent(mapping: Any, patterns: Any) -> Day:
    """Spread mails over the whole day; some are refused, some end in doubt and are not found."""

    def answer(mail: Any) -> Any:
        kind = int(mail.subject) % 20
        if kind in {3, 13}:
            raise Rejected("to: invalid format. (400)")
        if kind == 7:
            raise OutcomeUnknown("a 500.")
        return Accepted(mail.subject)

    day = Day(mapping, patterns, answer)

    def write(minute: int) -> None:
        for number in range(minute * ROWS // MINUTES, (minute + 1) * ROWS // MINUTES):
            day.enqueue(number, subject=str(number))

    return day.run(write)


def crash(mapping: Any, patterns: Any) -> Day:
    """Crash the function whenever one certain record is in its batch."""
    return all_at_once(Day(mapping, patterns, crashes_at=POISON))


def unwritable(mapping: Any, patterns: Any) -> Day:
    """Fail every write of one certain row, so that deliver asks for its record again and again."""
    return all_at_once(Day(mapping, patterns, broken_rows=frozenset({POISON})))


def paused(mapping: Any, patterns: Any) -> Day:
    """Stop the line before the mails come."""
    day = Day(mapping, patterns)
    day.switch.pause("alice", "the wrong price went out.")
    return all_at_once(day)


def refused(mapping: Any, patterns: Any) -> Day:
    """Let no connection to the mail API come about."""
    return all_at_once(Day(mapping, patterns, fail(TryLater("no connection to the mail API."))), DEAD_ROWS)


def timeout(mapping: Any, patterns: Any) -> Day:
    """Let every call end in a read time-out, the look-ups as well."""
    records = FakeRecords(error=NotAnswered("the mail API did not answer."))
    return all_at_once(Day(mapping, patterns, fail(OutcomeUnknown("the mail API did not answer.")), records), DEAD_ROWS)


def resend(mapping: Any, patterns: Any) -> Day:
    """Let every call end in a read time-out of an API without records, with mails that say: send again."""
    records = FakeRecords(error=NoRecords("This mail API has no records."))
    day = Day(mapping, patterns, fail(OutcomeUnknown("the mail API did not answer.")), records)
    return all_at_once(day, DEAD_ROWS, on_unknown="resend")


def busy(mapping: Any, patterns: Any) -> Day:
    """Answer every call with a 429 that asks for a minute."""
    return all_at_once(Day(mapping, patterns, fail(TryLater("the rate is used up (429).", 60))))


@dataclass(frozen=True)
class Bound:
    """What a day may cost, a mail where nothing else is said, and why.

    `heard`, `heard_unfiltered`: stream records handed to deliver, with the template's filter and with none; each is an
    invocation of its own in the worst case, when no two come together. `retries`: invocations that the mapping repeats,
    in all. `reads`: of the store and the shared items, a minute, besides eight for each write.
    """

    day: Callable[[Any, Any], Day]
    why: str
    heard: float
    heard_unfiltered: float
    writes_mean: float
    writes_most: int
    retries: int = 0
    reads: int = 50


# A batch of 100 is halved seven times before the one record in it is alone and tried three times more.
HALVED = 2 * 7 + 3
BOUNDS = {
    "sent": Bound(
        sent,
        "a mail is claimed and settled; one in doubt is looked up five times besides, two writes each",
        *(2, 4, 2.6, 13),
    ),
    "crash": Bound(
        crash,
        "over the rate, claimed, settled; the record that crashes deliver is given up each time it is heard",
        *(2, 4, 3, 3, 4 * HALVED),
    ),
    "unwritable": Bound(
        unwritable,
        "its record is tried four times, then dispatch tries the row once a run",
        *(2, 4, 5, MINUTES + 20, 4 * HALVED),
    ),
    "paused": Bound(
        paused,
        "one write says why the row waits; then nobody touches it, and dispatch only asks the switch",
        *(2, 2, 1, 1),
        reads=3,
    ),
    "refused": Bound(
        refused,
        "the backoff goes up to 1 h with full jitter, so a row is tried about 53 times; each is a claim and a settle",
        *(76, 151, 120, 150),
    ),
    "timeout": Bound(
        timeout,
        "sent once, then looked for some 53 times while the records do not answer; a look is two writes",
        *(120, 120, 120, 150),
    ),
    "resend": Bound(
        resend,
        "eight calls, each claimed, put in doubt, looked for (two writes) and put back; then a person must look",
        *(27, 36, 34, 35),
    ),
    "busy": Bound(
        busy,
        "about one call a minute for all mails; meanwhile dispatch looks once a second at rate and urgent lanes",
        *(5, 7, 5, 10),
        reads=1100,
    ),
}
# What takes long and does not depend on the filter is done once.
CASES = [(case, filtered) for case in BOUNDS for filtered in (True, False) if filtered or case != "busy"]


@pytest.fixture(scope="module")
def mapping() -> Any:
    """Read the stream mapping of the template."""
    resources = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))["Resources"]
    return resources["Deliver"]["Properties"]["Events"]["Doorbell"]["Properties"]


@pytest.mark.parametrize(
    ("case", "filtered"), CASES, ids=[f"{case}{'' if filtered else '-unfiltered'}" for case, filtered in CASES]
)
def test_a_bad_day_stays_under_its_bound(mapping, capsys, case, *, filtered):
    """Each bad day, with the template's stream filter and with a wrong one that lets everything through."""
    patterns = [json.loads(each["Pattern"]) for each in mapping["FilterCriteria"]["Filters"]]
    bound = BOUNDS[case]

    cost = bound.day(mapping, patterns if filtered else None).figures()

    name = f"{case}{'' if filtered else ', unfiltered'}"
    with capsys.disabled():
        print(f"\n{name}: {cost}")  # noqa: T201  the numbers are the point
    note(name, cost)
    assert cost["deliver"] <= cost["records"] + cost["retries"]
    assert cost["records"] <= cost["rows"] * (bound.heard if filtered else bound.heard_unfiltered), bound.why
    assert cost["retries"] <= bound.retries, bound.why
    assert cost["starts"] <= cost["deliver"], "deliver starts dispatch once an invocation"
    assert cost["dispatch"] <= MINUTES + cost["starts"]
    assert cost["row_writes_mean"] <= bound.writes_mean, bound.why
    assert cost["row_writes_most"] <= bound.writes_most, bound.why
    assert cost["shared_writes"] <= 26 * MINUTES + 2 * cost["api_calls"], "a lease renewed every 5 s, a slot a call"
    assert cost["reads"] <= bound.reads * MINUTES + 8 * cost["row_writes"], bound.why


def note(case: str, cost: dict[str, Any]) -> None:
    """Add the numbers to the file of figures, if one is asked for."""
    merge("bill", {case: cost})
