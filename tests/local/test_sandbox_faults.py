"""The sandbox's misbehaviour: what the client sees, and whether the mail was stored all the same."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from outbox.local.sandbox import Sandbox, SandboxSettings, token
from outbox.local.sandbox.faults import MODES
from tests.waiting import SECONDS

# How long the client waits for an answer: enough for a machine with other work, little for what never answers.
PATIENCE = 2.0

SEND = "/deliveries/transaction"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxSettings(rate_per_minute=100_000)) as running:
        yield running


@pytest.fixture(scope="module")
def admin(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{sandbox.url}/_sandbox") as client:
        yield client


@pytest.fixture(scope="module")
def api(sandbox: Sandbox) -> Iterator[httpx.Client]:
    bearer = f"Bearer {token('sandbox', 'sandbox-key')}"
    with httpx.Client(base_url=sandbox.mail_api_url, headers={"Authorization": bearer}, timeout=PATIENCE) as client:
        yield client


@pytest.fixture(autouse=True)
def _empty(admin: httpx.Client) -> None:
    admin.post("/reset")


def mail(**fields: Any) -> dict[str, Any]:
    plain = {
        "from": {"email": "shop@example.com"},
        "to": "a@example.com",
        "subject": "hello",
        "text_part": "text",
    }
    return plain | fields


def send(api: httpx.Client, **fields: Any) -> httpx.Response:
    return api.post(SEND, json=mail(**fields))


def switch_on(admin: httpx.Client, mode: str, **rule: Any) -> dict[str, Any]:
    answer = admin.post("/faults", json={"mode": mode, **rule})
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


def stored(admin: httpx.Client) -> int:
    return len(admin.get("/mails").json()["mails"])


ANSWERED = [
    ("rate_limited", 429, 0),
    ("server_error", 500, 0),
    ("accept_then_error", 502, 1),
    ("refuse_address", 400, 0),
    ("unauthorized", 401, 0),
    ("forbidden", 403, 0),
    ("locked", 423, 0),
    ("unreadable", 201, 1),
    ("redirect", 307, 0),
    ("slow", 201, 1),
]
UNANSWERED = [
    ("hang", httpx.ReadTimeout, 0),
    ("accept_then_hang", httpx.ReadTimeout, 1),
    ("reset", httpx.ReadError, 0),
    ("accept_then_reset", httpx.ReadError, 1),
]


def test_every_mode_is_tried() -> None:
    """No mode is left out of the two tables."""
    assert {mode for mode, _, _ in [*ANSWERED, *UNANSWERED]} == set(MODES) - {"bounce"}


@pytest.mark.parametrize(("mode", "status", "kept"), ANSWERED)
def test_answered_wrongly(api: httpx.Client, admin: httpx.Client, mode: str, status: int, kept: int) -> None:
    """Each mode answers with its status, stores the mail or not, and is over after its one time."""
    switch_on(admin, mode, times=1, seconds=0.01)
    answer = send(api)
    assert (answer.status_code, stored(admin)) == (status, kept)
    assert answer.headers["X-Sandbox-Fault"] == mode
    assert send(api).status_code == 201


@pytest.mark.parametrize(("mode", "error", "kept"), UNANSWERED)
def test_no_answer(api: httpx.Client, admin: httpx.Client, mode: str, error: type[Exception], kept: int) -> None:
    """The client times out or sees its connection reset; the next request goes through."""
    switch_on(admin, mode, times=1)
    with pytest.raises(error):
        send(api)
    assert stored(admin) == kept
    assert send(api).status_code == 201
    assert admin.get("/stats").json()["answers"] == {"201": 1, "none": 1}


def test_reset_of_a_used_connection(api: httpx.Client, admin: httpx.Client) -> None:
    """A connection that has served before is reset as well, in the middle of its second request."""
    send(api)
    switch_on(admin, "accept_then_reset", times=1)
    with pytest.raises(httpx.ReadError):
        send(api)
    assert stored(admin) == 2


def test_slow(api: httpx.Client, admin: httpx.Client) -> None:
    """A slow answer comes after its seconds; a client that did not wait has sent the mail all the same."""
    switch_on(admin, "slow", seconds=PATIENCE + 0.5, times=2)
    with pytest.raises(httpx.ReadTimeout):
        send(api)
    assert stored(admin) == 1
    began = time.monotonic()
    assert api.post(SEND, json=mail(), timeout=SECONDS).status_code == 201
    assert time.monotonic() - began >= PATIENCE + 0.5


def test_slow_does_not_hold_up_others(sandbox: Sandbox, api: httpx.Client, admin: httpx.Client) -> None:
    """While one mail hangs, others go through."""
    switch_on(admin, "hang", match={"to": "slow@example.com"})
    with pytest.raises(httpx.ReadTimeout):
        send(api, to="slow@example.com")
    assert send(api).status_code == 201
    assert sandbox.state.counters.allowed == 2


def rate_headers(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("x-rate")}


def test_rate_limited_headers(api: httpx.Client, admin: httpx.Client) -> None:
    """The headers of a 429 are as usual, absurd, or missing, as the rule says."""
    switch_on(admin, "rate_limited", times=1)
    switch_on(admin, "rate_limited", times=1, retry_after=3)
    switch_on(admin, "rate_limited", times=1, retry_after="-1 fortnights")
    switch_on(admin, "rate_limited", times=1, headers=False)
    retry_after = "x-rate-limit-retry-after-seconds"
    assert rate_headers(send(api)) == {"x-rate-limit-remaining": "0", retry_after: "60"}
    assert rate_headers(send(api))[retry_after] == "3"
    assert rate_headers(send(api))[retry_after] == "-1 fortnights"
    assert rate_headers(send(api)) == {}


@pytest.mark.parametrize(("mode", "status"), [("server_error", 503), ("accept_then_error", 504), ("redirect", 302)])
def test_chosen_status(api: httpx.Client, admin: httpx.Client, mode: str, status: int) -> None:
    """Modes that have several statuses play the one that is asked for."""
    switch_on(admin, mode, status=status)
    assert send(api).status_code == status


def test_gateway_page(api: httpx.Client, admin: httpx.Client) -> None:
    """A gateway's error is HTML, not JSON."""
    switch_on(admin, "server_error", status=502)
    answer = send(api)
    assert answer.headers["content-type"].startswith("text/html")
    assert "502 Bad Gateway" in answer.text


def test_refused_address(api: httpx.Client, admin: httpx.Client) -> None:
    """A refused address is a field error on `to`, for that address only."""
    switch_on(admin, "refuse_address", match={"to": "Bad@example.com"})
    answer = send(api, to="bad@example.com")
    assert answer.json() == {"error_messages": {"to": ["bad@example.com: invalid format."]}}
    assert send(api, to="notbad@example.com").status_code == 201


@pytest.mark.parametrize("body", [None, "", "[]", '{"delivery_id": "seven"}'])
def test_unreadable(api: httpx.Client, admin: httpx.Client, body: str | None) -> None:
    """The body of a success breaks off, or is whatever the rule says."""
    switch_on(admin, "unreadable", body=body)
    assert send(api).text == ('{"delivery_id": ' if body is None else body)


def test_redirect_is_watched(api: httpx.Client, admin: httpx.Client) -> None:
    """A client that follows the redirect, token and all, is counted."""
    switch_on(admin, "redirect")
    send(api)
    assert admin.get("/stats").json()["redirects_followed"] == 0
    api.post(SEND, json=mail(), follow_redirects=True)
    assert admin.get("/stats").json()["redirects_followed"] == 1


@pytest.mark.parametrize(
    ("match", "fields", "hit"),
    [
        ({"to": "*@example.com"}, {}, True),
        ({"to": "*@example.org"}, {}, False),
        ({"to": "a@example"}, {}, False),
        ({"subject": "ell"}, {}, True),
        ({"subject": "bye"}, {}, False),
        ({"to": "a@example.com", "subject": "bye"}, {}, False),
        ({"to": "c@example.com"}, {"cc": ["c@example.com"]}, False),
    ],
)
def test_match(
    api: httpx.Client, admin: httpx.Client, match: dict[str, str], fields: dict[str, Any], *, hit: bool
) -> None:
    """A rule can be narrowed to a whole address, with stars, and to a part of the subject."""
    switch_on(admin, "server_error", match=match)
    assert send(api, **fields).status_code == (500 if hit else 201)


def test_every(api: httpx.Client, admin: httpx.Client) -> None:
    """Every n-th matching request is hit, as often as the rule has times."""
    switch_on(admin, "server_error", every=3, times=2)
    statuses = [send(api).status_code for _ in range(10)]
    assert statuses == [201, 201, 500, 201, 201, 500, 201, 201, 201, 201]


def test_probability(api: httpx.Client, admin: httpx.Client) -> None:
    """A probability of zero never hits, one always, and a half sometimes."""
    switch_on(admin, "server_error", probability=0)
    assert send(api).status_code == 201
    admin.delete("/faults")
    switch_on(admin, "server_error", probability=0.5)
    assert {send(api).status_code for _ in range(60)} == {201, 500}


def test_first_rule_plays(api: httpx.Client, admin: httpx.Client) -> None:
    """Rules are tried in the order they were switched on."""
    switch_on(admin, "locked", times=1)
    switch_on(admin, "forbidden", times=1)
    assert [send(api).status_code for _ in range(3)] == [423, 403, 201]


def test_reads(api: httpx.Client, admin: httpx.Client) -> None:
    """Reads are left alone unless a rule says otherwise."""
    switch_on(admin, "server_error", times=1)
    assert api.get("/deliveries").status_code == 200
    switch_on(admin, "unreadable", on="reads", times=1)
    broken = api.get("/deliveries")
    assert (broken.status_code, broken.text) == (200, '{"delivery_id": ')
    switch_on(admin, "rate_limited", on="all")
    assert [api.get("/usages/latest").status_code, send(api).status_code, send(api).status_code] == [
        429,
        500,
        429,
    ]


def test_wrong_mail_spares_the_fault(api: httpx.Client, admin: httpx.Client) -> None:
    """A fault that stores waits for a mail that can be stored; other faults hit a wrong mail too."""
    switch_on(admin, "accept_then_error", times=1)
    assert send(api, subject="").status_code == 400
    assert send(api).status_code == 502
    switch_on(admin, "locked", times=1)
    assert send(api, subject="").status_code == 423


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ([], "body"),
        ({}, "mode"),
        ({"mode": "explode"}, "mode"),
        ({"mode": "hang", "tines": 1}, "tines"),
        ({"mode": "hang", "times": 0}, "times"),
        ({"mode": "hang", "times": True}, "times"),
        ({"mode": "hang", "every": "5"}, "every"),
        ({"mode": "hang", "probability": 1.5}, "probability"),
        ({"mode": "hang", "match": "a@example.com"}, "match.body"),
        ({"mode": "hang", "match": {"cc": "a@example.com"}}, "match.cc"),
        ({"mode": "hang", "match": {"to": ""}}, "match.to"),
        ({"mode": "slow", "seconds": -1}, "seconds"),
        ({"mode": "rate_limited", "retry_after": "1\r\nX: y"}, "retry_after"),
        ({"mode": "rate_limited", "retry_after": []}, "retry_after"),
        ({"mode": "rate_limited", "headers": 1}, "headers"),
        ({"mode": "server_error", "status": 404}, "status"),
        ({"mode": "hang", "status": 500}, "status"),
        ({"mode": "refuse_address", "on": "reads"}, "on"),
        ({"mode": "redirect", "location": "é"}, "location"),
    ],
)
def test_wrong_rule(admin: httpx.Client, rule: object, field: str) -> None:
    """A wrong rule is refused with the name of the field, and nothing is switched on."""
    answer = admin.post("/faults", json=rule)
    assert answer.status_code == 400
    assert answer.json()["field"] == field
    assert answer.json()["error"].startswith(f"{field}: ")
    assert admin.get("/faults").json() == {"faults": []}


def test_listed_and_removed(api: httpx.Client, admin: httpx.Client) -> None:
    """Rules are listed with what they have hit, and removed one by one or all together."""
    first, second = (switch_on(admin, mode, times=1) for mode in ("locked", "forbidden"))
    send(api)
    [spent, fresh] = admin.get("/faults").json()["faults"]
    assert (spent["id"], spent["fired"], spent["spent"]) == (first["id"], 1, True)
    assert (fresh["id"], fresh["fired"], fresh["spent"]) == (second["id"], 0, False)
    assert [rule["id"] for rule in admin.delete(f"/faults/{first['id']}").json()["faults"]] == [second["id"]]
    assert admin.delete(f"/faults/{first['id']}").status_code == 404
    assert admin.delete("/faults").json() == {"faults": []}
    assert send(api).status_code == 201


def test_stopping_while_a_request_hangs() -> None:
    """A hanging request does not keep the sandbox from stopping."""
    with Sandbox() as sandbox:
        httpx.post(f"{sandbox.url}/_sandbox/faults", json={"mode": "hang"})
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                f"{sandbox.mail_api_url}{SEND}",
                json=mail(),
                headers={"Authorization": f"Bearer {token('sandbox', 'sandbox-key')}"},
                timeout=0.2,
            )
        began = time.monotonic()
    assert time.monotonic() - began < SECONDS
