"""A person is forgotten: nothing that is kept names them, and what must stay stays."""

import json
from contextlib import suppress
from dataclasses import replace

import pytest

from outbox import Attachment, InvalidRequest, WrongState
from outbox.core import message
from outbox.core.errors import NeedsConfirmation
from outbox.core.ports import Page
from outbox.flows.again import Again
from outbox.flows.forget import Forget, mentions
from outbox.flows.history import History, Sought
from outbox.flows.suppression import SuppressionList
from outbox.testing import LARGEST_ITEM, MemoryStore, item_size
from outbox.testing.bounces import MemorySuppressions
from outbox.testing.size import check_size
from tests.flows.bounces import bounce

TARO = "taro@example.com"


@pytest.fixture
def suppressions():
    """Give an empty suppression list."""
    return MemorySuppressions()


@pytest.fixture
def forget(service, suppressions):
    """Give what forgets."""
    return Forget(service.store, suppressions, service.files, service.clock)


@pytest.fixture
def sent(service, mail):
    """Give what sends mails under chosen ids."""

    def send(mail_id, **parts):
        service.outbox.enqueue(mail(**parts), idempotency_key=mail_id)
        service.ring_until_quiet()
        return service.row(mail_id)

    return send


@pytest.fixture
def known(service, sent, suppressions):
    """Write down all that can be kept of a person."""
    everything = {"cc": ["Anna <anna@example.com>"], "reply_to": TARO, "insert_code": {"name": "田中"}, "tags": ["t-1"]}
    row = sent("mine", to="Taro <TARO@example.com>", attachments=[Attachment("taro.pdf", b"secret")], **everything)
    sent("hers", to="anna@example.com", cc=["Taro <Taro@Example.com>", "notaro@example.com"], bcc=[TARO])
    bounce(service, row.delivery_id, TARO)
    bounce(service, row.delivery_id, "anna@example.com", subject="For Taro")
    SuppressionList(suppressions, service.clock).add(TARO, "bob", "")


def kept(service, suppressions):
    """Write everything that is stored as one text."""
    return json.dumps([service.store.outbox, service.store.history, suppressions.entries], default=str).lower()


@pytest.mark.usefixtures("known")
def test_nothing_that_is_kept_names_the_person(service, forget, suppressions):
    """Mails to them are emptied, copies taken out, bounces, files and the suppression entry deleted."""
    report = forget(TARO, "alice")

    left = kept(service, suppressions).replace("notaro@example.com", "")
    assert "taro" not in left
    assert "田中" not in json.dumps(service.store.history["mine"], ensure_ascii=False)
    assert service.files.objects == {}
    assert (report.mails, report.copies) == (["mine"], ["hers"])
    assert (report.bounces, report.files, report.suppressed, report.left) == (1, 1, True, {})


@pytest.mark.usefixtures("known")
def test_that_it_was_sent_stays(service, forget):
    """A forgotten mail keeps its facts, is shown, and has left the index of recipients."""
    before = service.row("mine")
    forget(" TARO@example.com ", "alice")
    row = service.row("mine")
    for name in ("status", "created_at", "finished_at", "day", "delivery_id", "fingerprint", "attempts", "expires_at"):
        assert row.item[name] == before.item[name]
    assert row.item.keys() & {"to", "subject", "text", "cc", "attachments", "insert_code", "tags", "sender"} == set()
    assert [event["what"] for event in row.timeline] == ["enqueued", "sent", "erased"]
    history = History(service.store, service.clock)
    assert history.show("mine").row.item["recipient"] == "forgotten"
    assert history.look(Sought(to=TARO)) == history.look(Sought(to="forgotten@")) == []
    assert {each.row.id for each in history.look(Sought())} == {"mine", "hers"}
    assert not [item_id for item_id in service.store.history if item_id.endswith(":mine")]


@pytest.mark.usefixtures("known")
def test_somebody_elses_mail_keeps_the_rest(service, forget):
    """Only the address of the copy is taken out, not one that ends alike, and no word of the mail."""
    forget(TARO, "alice")
    item = service.row("hers").item
    assert (item["to"], item["cc"], "bcc" in item) == ("anna@example.com", ["notaro@example.com"], False)
    assert item["text"] == "Good morning."
    assert [each.row.id for each in History(service.store, service.clock).look(Sought(to="notaro@example.com"))]


@pytest.mark.usefixtures("known")
def test_a_dry_run_changes_nothing(service, forget, suppressions):
    """It tells the same as the real one would."""
    before, files = kept(service, suppressions), dict(service.files.objects)
    would = forget(TARO, "alice", dry_run=True)
    assert (kept(service, suppressions), service.files.objects) == (before, files)
    done = forget(TARO, "alice")
    assert (would.mails, would.copies, would.bounces, would.files, would.suppressed) == (
        done.mails,
        done.copies,
        done.bounces,
        done.files,
        done.suppressed,
    )


@pytest.mark.usefixtures("known")
def test_twice_is_harmless(service, forget, suppressions):
    """The second time nothing is found and nothing changes."""
    forget(TARO, "alice")
    before = kept(service, suppressions)
    report = forget(TARO, "alice")
    assert (report.mails, report.copies, report.bounces, report.suppressed) == ([], [], 0, False)
    assert kept(service, suppressions) == before


WRITES = ("annotate", "erase")


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("crash", range(9))
@pytest.mark.parametrize("happened", [True, False])
def test_a_second_run_completes_an_interrupted_one(service, forget, suppressions, crash, happened):
    """Whichever write is the last before the crash, done or not, the next run finds what is left."""
    originals = {name: getattr(service.store, name) for name in WRITES}
    done = []

    def breaking(name):
        def write(*args):
            done.append(name)
            if len(done) <= crash or happened:
                originals[name](*args)
            if len(done) > crash:
                message = "the wire is cut"
                raise TimeoutError(message)

        return write

    for name in WRITES:
        setattr(service.store, name, breaking(name))
    with suppress(TimeoutError):
        forget(TARO, "alice")
    for name, original in originals.items():
        setattr(service.store, name, original)

    assert forget(TARO, "alice").left == {}
    assert "taro" not in kept(service, suppressions).replace("notaro@example.com", "")
    assert service.files.objects == {}


@pytest.mark.usefixtures("known")
def test_files_that_cannot_be_deleted_are_left_to_a_second_run(service, forget):
    """The mail stays findable until its files are gone."""
    key = service.row("mine").own_files[0]
    service.files.undeletable = {key: "AccessDenied"}
    report = forget(TARO, "alice")
    assert (report.mails, list(report.left)) == ([], ["mine"])
    assert "AccessDenied" in report.left["mine"]
    service.files.undeletable = {}
    assert forget(TARO, "alice").mails == ["mine"]


@pytest.mark.usefixtures("known")
def test_files_of_other_mails_are_never_touched(service, forget):
    """A row that names a foreign file does not make it go."""
    service.files.objects["mails/hers/1/0"] = b"hers"
    service.store.history["mine"]["attachments"].append({"name": "x", "mime": "", "key": "mails/hers/1/0"})
    forget(TARO, "alice")
    assert list(service.files.objects) == ["mails/hers/1/0"]


def test_unsent_mails_are_left_alone_and_listed(service, forget, mail):
    """Wherever they wait, to the person or as a copy; cancelled and forgotten again, they are gone."""
    service.api.answer = None
    waiting = service.outbox.enqueue(mail(), send_at=service.clock().replace(year=2027)).id
    copy = service.outbox.enqueue(mail(to="anna@example.com", bcc=[TARO]), idempotency_key=f"to-{TARO}").id
    service.support.hold(copy, "bob")
    service.outbox.enqueue(mail(to="anna@example.com"))
    before = dict(service.store.outbox)

    report = forget(TARO, "alice")

    assert (set(report.unsent), report.named, service.store.outbox) == ({waiting, copy}, [copy], before)
    service.support.cancel(waiting, "alice")
    assert forget(TARO, "alice").mails == [waiting]


def test_an_id_that_holds_the_address_is_said(forget, sent):
    """An idempotency key cannot be changed."""
    sent(f"welcome-{TARO}")
    assert forget(TARO, "alice").named == [f"welcome-{TARO}"]


def test_words_of_the_timeline_go(service, forget, mail):
    """Corrections and refusals may quote the address or the mail; who and what stays."""
    mail_id = service.outbox.enqueue(mail(subject="About Taro")).id
    service.support.hold(mail_id, "bob", f"ask {TARO} first")
    service.support.edit(mail_id, {"subject": "Better"}, TARO)
    service.support.release(mail_id, "bob")
    service.ring_until_quiet()
    forget(TARO, "alice")
    row = service.row(mail_id)
    assert [event["what"] for event in row.timeline] == ["enqueued", "held", "edited", "released", "sent", "erased"]
    assert row.timeline[2]["who"] == "forgotten"
    assert "taro" not in str(row.item).lower()


def test_the_reason_of_a_mail_that_is_forgotten_is_a_code(service, forget, sent):
    """It stands on the row in the language of the stack, and each reader gets their own."""
    sent("m")
    replace(forget, language="ja")(TARO, "alice")
    row = service.row("m")
    assert row.reason == "依頼により、内容と宛先を消去しました。"
    assert message.reason(row.item, "en") == "What it said and to whom was erased on request."


def test_who_cancelled_a_mail_is_forgotten_in_its_details(service, forget, mail):
    """The code of a cancelled mail names them as well as the sentence does."""
    mail_id = service.outbox.enqueue(mail(to="jiro@example.com", cc=[TARO])).id
    service.support.cancel(mail_id, TARO)
    forget(TARO, "alice")
    row = service.row(mail_id)
    assert "details" not in row.item
    assert not mentions({name: row.item[name] for name in row.item if name != "timeline"}, TARO)


def test_who_was_left_out_is_forgotten(service, forget, suppressions, mail):
    """A suppressed copy stands in `left_out` and in the timeline of somebody else's mail."""
    service.suppression = SuppressionList(suppressions, service.clock)
    service.suppression.add(TARO, "bob", "")
    mail_id = service.outbox.enqueue(mail(to="anna@example.com", cc=[TARO, "b@example.com"])).id
    service.ring_until_quiet()
    assert TARO in str(service.row(mail_id).item["left_out"])
    forget(TARO, "alice")
    assert "taro" not in str(service.store.history)
    assert service.row(mail_id).item["cc"] == ["b@example.com"]


def test_a_forgotten_mail_is_not_sent_again(service, forget, sent):
    """Neither of the two presses it once it is forgotten, nor in the very moment."""
    sent("m", attachments=[Attachment("a.txt", b"a")])
    again = Again(service.store, service.files, service.clock)
    add = service.store.add_linked

    def overtaken(*args):
        forget(TARO, "alice")
        return add(*args)

    service.store.add_linked = overtaken
    for _ in range(2):
        with pytest.raises(WrongState, match="erased on request"):
            again("m", "bob", confirmed=True)
    assert service.store.outbox == {}


def test_a_resend_in_the_same_moment_is_listed(service, forget, sent):
    """A new mail made while the old one is being forgotten is found among the unsent."""
    sent("m")
    again, annotate = Again(service.store, service.files, service.clock), service.store.annotate

    def overtaken(*args):
        service.store.annotate = annotate
        again("m", "bob", confirmed=True)
        return annotate(*args)

    service.store.annotate = overtaken
    report = forget(TARO, "alice")
    assert (report.mails, report.unsent) == (["m"], list(service.store.outbox))
    with pytest.raises(WrongState):
        again("m", "bob")


def test_a_mail_that_is_sent_meanwhile_is_listed(service, forget, mail):
    """It left the outbox after history was read: nobody has emptied it yet, so it must be forgotten again."""
    mail_id = service.outbox.enqueue(mail()).id
    copies = service.store.copies

    def sent_then(*args):
        page = copies(*args)
        service.ring_until_quiet()
        return page

    service.store.copies = sent_then
    report = forget(TARO, "alice")
    assert (service.status(mail_id), report.mails, report.unsent) == ("SENT", [], [mail_id])
    service.store.copies = copies
    assert forget(TARO, "alice").mails == [mail_id]


def test_an_index_that_lags_harms_nobody(service, forget, sent):
    """A mail the index still shows under the address is emptied only if the mail itself is to it."""
    sent("hers", to="anna@example.com")
    service.store.copies = lambda *_: Page([{"id": "hers"}, {"id": "outbox:copy:0:gone"}])
    report = forget(TARO, "alice")
    assert (report.mails, report.left, service.row("hers").item["to"]) == ([], {}, "anna@example.com")


def test_a_mail_that_keeps_changing_is_left(service, forget, sent):
    """It is told, and the rest is done."""
    sent("busy")
    sent("other")
    annotate = service.store.annotate

    def changing(mail_id, patch, expect):
        if mail_id == "busy":
            service.store.history["busy"]["revision"] += 1
        return annotate(mail_id, patch, expect)

    service.store.annotate = changing
    report = forget(TARO, "alice")
    assert (report.mails, list(report.left)) == (["other"], ["busy"])


def test_a_full_row_is_left(service, forget, sent):
    """It is told, its copy stays findable, and the rest is done."""
    sent("full", to="anna@example.com", cc=[TARO], reply_to="x@example.com")
    sent("other")
    item = service.store.history["full"]
    item["note"] = "x" * (LARGEST_ITEM - item_size(item) - 10)
    service.store.annotate = lambda mail_id, patch, expect: (
        check_size(patch.applied(service.store.history[mail_id])),
        MemoryStore.annotate(service.store, mail_id, patch, expect),
    )
    report = forget(TARO, "alice")
    assert (report.mails, list(report.left)) == (["other"], ["full"])
    assert forget(TARO, "alice", dry_run=True).copies == ["full"]


def test_many_mails(service, forget, sent):
    """Page after page of a long acquaintance is forgotten."""
    for number in range(250):
        sent(f"m-{number}")
        bounce(service, service.row(f"m-{number}").delivery_id, TARO)
    report = forget(TARO, "alice")
    assert (len(report.mails), report.bounces) == (250, 250)
    assert forget(TARO, "alice").mails == []


@pytest.mark.parametrize("address", ["", "taro", "forgotten", None])
def test_only_whole_addresses(forget, address):
    """A part of an address would forget the wrong people."""
    with pytest.raises(InvalidRequest):
        forget(address, "alice")


def test_what_is_needed_for_a_resend_is_not_lost_on_others(service, forget, sent):
    """Other mails can be sent again as before."""
    sent("mine")
    sent("hers", to="anna@example.com")
    forget(TARO, "alice")
    with pytest.raises(NeedsConfirmation):
        Again(service.store, service.files, service.clock)("hers", "bob")
