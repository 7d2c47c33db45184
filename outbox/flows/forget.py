"""Forget a person: take what is kept about an address out of history, the bucket and the suppression list.

What was sent to it stays as a fact (id, state, times, delivery id, counts) without what it said and to whom. Each step
leaves the address findable until its last write, so that a second run completes one that was interrupted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from outbox.core import clock, places
from outbox.core.change import Patch, seen
from outbox.core.codes import EventCode
from outbox.core.errors import InvalidRequest, Lost, TooLarge
from outbox.core.message import Language, Message, render
from outbox.core.ports import Clock, Files, Store, Suppressions
from outbox.core.row import Event, Item, Row
from outbox.core.transitions import Stamp
from outbox.flows.find import PAGE, Find, everything
from outbox.flows.history import bounces_of
from outbox.flows.support import check_who

TRIES = 5
FORGOTTEN = "forgotten"
REASON = Message("finished.erased")
BUSY, FULL = Message("erasure.busy"), Message("erasure.full")
# What stays of a forgotten mail: nothing of it says who got it or what was in it.
KEPT = frozenset(
    """
    id status revision attempts created_at send_at finished_at day expires_at delivery_id fingerprint urgent encoding
    on_unknown confirmed_by resend_of resent_as
    """.split()  # noqa: SIM905  twenty quoted words are harder to read
)
FACTS = frozenset({"at", "who", "what", "was", "times", "since", "claimed_at", "delivery_id", "of", "resent_as"})
BEYOND = (
    Message("erasure.backups"),
    Message("erasure.provider"),
    Message("erasure.not-found"),
    Message("erasure.later-bounces"),
    Message("erasure.logs"),
)


@dataclass(slots=True)
class Report:
    """What was done, or in a dry run what would be; ids of mails, and counts of the rest.

    `mails` went to the address, `copies` to others and as a copy to it; `named` have it in their id, which cannot be
    changed; `unsent` are in the outbox and were left alone; `left` could not be done, with the reason.
    """

    address: str
    dry_run: bool
    mails: list[str] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)
    bounces: int = 0
    files: int = 0
    suppressed: bool = False
    named: list[str] = field(default_factory=list)
    unsent: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Forget:
    """Forgets one address at a time; again for the same one is harmless."""

    store: Store
    suppressions: Suppressions
    files: Files
    clock: Clock
    language: Language = "en"

    def __call__(self, address: str, who: str, *, dry_run: bool = False) -> Report:
        """Forget an address; with `dry_run` only tell what would be done. Raises `InvalidRequest`.

        Unsent mails are left alone: cancel them and forget again.
        """
        check_who(who)
        report = Report(_email(address), dry_run)
        before = self._unsent(report.address)
        run = _Run(self.store, self.files, self.clock, who, report, self.language)
        # All ids first: what is changed leaves the very index that is being read.
        for item_id in [str(item["id"]) for item in self._everything(report.address)]:
            run.forget(item_id)
        self._lift(report)
        after = dict.fromkeys([*before, *self._unsent(report.address)])
        report.unsent = [mail_id for mail_id in after if mail_id not in report.mails]
        report.named += [mail_id for mail_id in report.unsent if report.address in mail_id.lower()]
        return report

    def _everything(self, email: str) -> list[Item]:
        return list(everything(lambda cursor: self.store.copies(email, PAGE, cursor)))

    def _unsent(self, email: str) -> list[str]:
        return [row.id for row in Find(self.store, self.clock).addressed(email)]

    def _lift(self, report: Report) -> None:
        for _ in range(TRIES):
            entry = self.suppressions.get(report.address)
            if entry is None:
                return
            if report.dry_run or self.suppressions.swap(report.address, entry, None):
                report.suppressed = True
                return
        report.left["suppression list"] = BUSY


@dataclass(frozen=True, slots=True)
class _Run:
    """The items of one address, one after the other."""

    store: Store
    files: Files
    clock: Clock
    who: str
    report: Report
    language: Language

    def forget(self, item_id: str) -> None:
        """Do for an item what its kind asks for."""
        if item_id.startswith(places.BOUNCE):
            self._erase(item_id)
            self.report.bounces += 1
        elif item_id.startswith(places.COPY):
            self._insist(places.owner(item_id), self._take_out)
            if places.owner(item_id) not in self.report.left:
                self._erase(item_id)
        else:
            self._insist(item_id, self._blank)

    def _insist(self, mail_id: str, act: Callable[[Row], None]) -> None:
        for _ in range(TRIES):
            item = self.store.get_finished(mail_id)
            try:
                return act(Row(item)) if item is not None else None
            except Lost:
                continue
            except TooLarge:
                self.report.left[mail_id] = FULL
                return None
        self.report.left[mail_id] = BUSY
        return None

    def _blank(self, row: Row) -> None:
        """Empty a mail to the address; what only the mail itself names goes before the mail."""
        if row.item.get("recipient") != self.report.address:
            return
        own = row.own_files
        failed = self.files.delete(own) if own and not self.report.dry_run else {}
        if failed:
            answers = ", ".join(sorted(set(failed.values())))
            self.report.left[row.id] = Message("erasure.files", number=len(failed), answers=answers)
            return
        for copy in places.copies(row.item):
            self._erase(copy["id"])
        self._silence(row)
        self._annotate(row, blanked(row, self.report.address, self._stamp()))
        self.report.files += len(own)
        self._tell(row.id, self.report.mails)

    def _silence(self, row: Row) -> None:
        """Take the subject from what came back of a mail from people of its copies."""
        for bounce in bounces_of(self.store, row):
            if "subject" in bounce and bounce.get("recipient") != self.report.address and not self.report.dry_run:
                patch = Patch({"forgotten_at": clock.text(self.clock())}, frozenset({"subject"}))
                self.store.annotate(str(bounce["id"]), patch, seen(bounce, "subject"))

    def _take_out(self, row: Row) -> None:
        """Take the address out of somebody else's mail."""
        patch = without(row, self.report.address, self._stamp())
        if patch is not None:
            self._annotate(row, patch)
            self._tell(row.id, self.report.copies)

    def _annotate(self, row: Row, patch: Patch) -> None:
        if not self.report.dry_run:
            # A row of before there were revisions may be edited by hand: what is dropped was seen.
            self.store.annotate(row.id, patch, seen(row.item, "revision", "recipient"))

    def _stamp(self) -> Stamp:
        return Stamp(self.clock(), self.who, self.language)

    def _erase(self, item_id: str) -> None:
        if not self.report.dry_run:
            self.store.erase(item_id)

    def _tell(self, mail_id: str, listed: list[str]) -> None:
        if mail_id not in listed:
            listed.append(mail_id)
        if self.report.address in mail_id.lower() and mail_id not in self.report.named:
            self.report.named.append(mail_id)


def blanked(row: Row, email: str, stamp: Stamp) -> Patch:
    """Keep of a mail only the facts that name nobody."""
    kept = {name for name in KEPT & row.item.keys() if name == "id" or not mentions(row.item[name], email)}
    events = [_facts(event, email) for event in row.timeline]
    assign = {
        "revision": row.revision + 1,
        "recipient": FORGOTTEN,
        "forgotten_at": clock.text(stamp.now),
        "reason": render(REASON, stamp.language),
        "timeline": Row({"timeline": events}).with_event(stamp.now, stamp.who, EventCode.ERASED),
    }
    return Patch(assign, frozenset(row.item.keys() - kept - assign.keys()))


def without(row: Row, email: str, stamp: Stamp) -> Patch | None:
    """Take an address that only got a copy out of a mail; None when nothing of it is there."""
    changed: dict[str, Any] = {}
    for name in ("cc", "bcc", "left_out"):
        if name in row.item:
            changed[name] = _taken_out(row.item[name], email)
    told = [event for event in row.timeline if mentions(event, email)]
    changed = {name: value for name, value in changed.items() if value != row.item[name]}
    if mentions(row.item.get("details"), email):
        changed["details"] = {}
    if mentions(row.reason, email):
        changed["reason"] = render(REASON, stamp.language)
    if not changed and not told:
        return None
    events = [_facts(event, email) if event in told else event for event in row.timeline]
    assign = {name: value for name, value in changed.items() if value}
    assign |= {"revision": row.revision + 1}
    assign |= {"timeline": Row({"timeline": events}).with_event(stamp.now, stamp.who, EventCode.COPY_ERASED)}
    return Patch(assign, frozenset(changed.keys() - assign.keys()))


def mentions(value: object, email: str) -> bool:
    """Tell whether an address (in lower case) stands anywhere in a value of a row."""
    if isinstance(value, Mapping):
        return any(mentions(part, email) for pair in value.items() for part in pair)
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(mentions(part, email) for part in value)
    return isinstance(value, str) and email in value.lower()


def _facts(event: Mapping[str, Any], email: str) -> Event:
    """Give an event without its words, which may hold the address or what the mail said."""
    facts = {name: value for name, value in event.items() if name in FACTS}
    return {name: FORGOTTEN if mentions(value, email) else value for name, value in facts.items()}


def _taken_out(value: object, email: str) -> object:
    if isinstance(value, (list, tuple, set, frozenset)):
        return [part for part in value if not _is_of(part, email)]
    return FORGOTTEN if mentions(value, email) else value


def _is_of(part: object, email: str) -> bool:
    """Tell whether an entry of a list is that of an address; not that of a longer one that ends alike."""
    address = part.get("address", "") if isinstance(part, Mapping) else part
    return places.recipient(address) == email


def _email(address: str) -> str:
    email = places.recipient(address) if isinstance(address, str) else ""
    if "@" not in email:
        raise InvalidRequest(Message("request.no-address", written=repr(address)))
    return email
