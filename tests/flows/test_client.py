"""What an application sees of the outbox."""

from datetime import datetime, timedelta

import pytest

from outbox import Attachment, InvalidRequest, KeyConflict, NotFound, Outbox
from outbox.core.errors import Rejected
from outbox.flows.batch import Action
from outbox.flows.where import Where
from outbox.testing import MemoryStore
from outbox.testing.files import MemoryFiles
from tests.conftest import make_mail


def test_a_scheduled_mail_goes_at_its_time_and_not_before(service, mail):
    """It waits as WAITING with its time, rings nothing, and goes with the first dispatch after it."""
    at = service.clock() + timedelta(hours=3)
    receipt = service.outbox.enqueue(mail(), send_at=at)
    assert receipt.status == "WAITING"
    assert service.doorbells() == []
    for _ in range(179):
        service.clock.forward(minutes=1)
        service.dispatch()
        assert service.api.sent == []
    service.clock.forward(minutes=1)
    service.dispatch()
    assert service.status(receipt.id) == "SENT"


def test_a_time_in_the_past_means_now(service, mail):
    """A mail whose time has gone by is not left waiting."""
    assert service.outbox.enqueue(mail(), send_at=service.clock() - timedelta(days=1)).status == "PENDING"


@pytest.mark.parametrize("at", [datetime(2027, 1, 1), "2027-01-01", 5])  # noqa: DTZ001  that is the point
def test_a_time_without_a_zone_is_refused(service, mail, at):
    """Nobody could tell which moment is meant."""
    with pytest.raises(InvalidRequest, match="send_at"):
        service.outbox.enqueue(mail(), send_at=at)
    assert service.store.outbox == {}


def test_a_lost_doorbell_is_made_good_by_dispatch(service, mail):
    """A row whose stream record never came is sent within minutes."""
    mail_id = service.outbox.enqueue(mail()).id
    service.clock.forward(minutes=3)
    service.dispatch()
    assert service.status(mail_id) == "PENDING"
    service.clock.forward(minutes=1)
    service.dispatch()
    assert service.status(mail_id) == "SENT"


def test_the_same_key_and_mail_again_is_a_success_without_a_second_mail(service, mail):
    """In the outbox, being edited, after it was sent: there is one row and one mail."""
    first = service.outbox.enqueue(mail(), idempotency_key="order-1")
    again = service.outbox.enqueue(mail(), idempotency_key="order-1", send_at=service.clock() + timedelta(days=1))
    assert (first.id, first.duplicate) == ("order-1", False)
    assert (again.id, again.status, again.duplicate) == ("order-1", "PENDING", True)
    service.support.edit("order-1", {"to": "other@example.com"}, "alice")
    assert service.outbox.enqueue(mail(), idempotency_key="order-1").duplicate
    service.ring_until_quiet()
    service.clock.forward(days=30)
    after = service.outbox.enqueue(mail(), idempotency_key="order-1")
    assert (after.status, after.duplicate) == ("SENT", True)
    assert len(service.api.sent) == 1


def test_the_same_key_for_another_mail_is_an_error_that_names_the_difference(service, mail):
    """Nothing is written over."""
    service.outbox.enqueue(mail(), idempotency_key="order-1")
    with pytest.raises(KeyConflict) as error:
        service.outbox.enqueue(mail(subject="Other", urgent=True), idempotency_key="order-1")
    assert error.value.differences == ("subject", "urgent")
    assert service.row("order-1").mail().subject == "Hello"


@pytest.mark.parametrize("key", ["", "x" * 257, "あ" * 100, "a\nb", 5])
def test_refuses_keys_that_cannot_be_ids(service, mail, key):
    """A key is text of 1 to 256 bytes."""
    with pytest.raises(InvalidRequest, match="idempotency_key"):
        service.outbox.enqueue(mail(), idempotency_key=key)


def test_ids_sort_by_time(service, mail):
    """A later mail has a later id."""
    ids = []
    for _ in range(20):
        ids.append(service.outbox.enqueue(mail()).id)
        service.clock.forward(seconds=1)
    assert ids == sorted(set(ids))


def test_an_application_acts_under_its_own_name_or_another(service, mail):
    """The timeline shows who asked."""
    mail_id = service.outbox.enqueue(mail()).id
    service.outbox.hold(mail_id, "wait")
    service.outbox.release(mail_id, by="alice")
    service.outbox.cancel(mail_id)
    assert [event["who"] for event in service.outbox.get(mail_id).timeline] == ["tester", "tester", "alice", "tester"]


@pytest.mark.parametrize(
    "wrong",
    [{"idempotency_key": "x" * 257}, {"send_at": "tomorrow"}, {"send_at": datetime(2027, 1, 1)}],  # noqa: DTZ001
)
def test_a_wrong_argument_is_refused_before_a_file_is_stored(mail, wrong):
    """Nothing is left in the bucket by a call that could never have written a row."""
    files = MemoryFiles()
    outbox = Outbox(store=MemoryStore(), files=files)
    for step in (outbox.enqueue, outbox.entries):
        with pytest.raises(InvalidRequest):
            step(mail(attachments=[Attachment("a.txt", b"x")]), **wrong)
    assert files.objects == {}


def test_get_says_when_there_is_none(service):
    """An unknown id is an error, not None."""
    with pytest.raises(NotFound):
        service.outbox.get("nowhere")


def test_importing_the_client_pulls_in_no_http_and_no_web_framework():
    """An application that only enqueues stays light, also once it has enqueued a mail; boto3 comes with the tables."""
    import subprocess
    import sys

    code = """
import sys, outbox
from outbox.testing import MemoryStore
from outbox.testing.files import MemoryFiles
file = outbox.Attachment('a.txt', b'x')
mail = outbox.Mail(sender='a@b.example', to='a@b.example', subject='x', text='y', attachments=[file])
outbox.Outbox(store=MemoryStore(), files=MemoryFiles()).enqueue(mail)
heavy = {'boto3', 'httpx', 'starlette', 'uvicorn', 'structlog', 'aws_lambda_powertools', 'rich', 'typer'}
print(sorted(heavy & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_client_is_light():
    """No SDK, no settings, no event loop, no executors, until something needs them; many mails need none of them."""
    import subprocess
    import sys

    code = """
import sys, outbox
heavy = {'boto3', 'botocore', 'httpx', 'pydantic', 'asyncio', 'concurrent.futures', 'tenacity'}
print(sorted(heavy & sys.modules.keys()))
from outbox.testing import MemoryStore
mail = outbox.Mail(sender='a@b.example', to='a@b.example', subject='x', text='y')
assert outbox.Outbox(store=MemoryStore()).enqueue_many([mail, outbox.Draft(mail, 'k')]).run().written == 2
print(sorted({'boto3', 'botocore', 'httpx', 'tenacity'} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]


def test_a_memory_outbox_needs_no_settings(mail):
    """Tests of an application need no tables."""
    store = MemoryStore()
    Outbox(store=store).enqueue(mail())
    assert len(store.outbox) == 1


def test_an_application_acts_on_many_rows_at_once(service):
    """Failed mails are counted, sent again by a batch, and each names it."""
    service.api.answer = refuse
    ids = [service.outbox.enqueue(make_mail(subject=str(number))).id for number in range(3)]
    service.deliver()
    batches = service.outbox.batches(register=service.register)
    assert batches.preview(Where(error="refused")).count == 3
    batch = batches.start(Where(error="refused"), Action("resend"), "job")
    assert batches.run(batch).done == 3
    service.api.answer = None
    service.dispatch()
    assert {service.status(mail_id) for mail_id in ids} == {"SENT"}


def test_batches_need_a_table_to_be_kept_in(service):
    """A store that is no table must bring its register."""
    with pytest.raises(InvalidRequest):
        service.outbox.batches()


def refuse(_mail):
    message = "to: invalid format. (400)"
    raise Rejected(message)
