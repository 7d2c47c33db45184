"""Settings: from arguments or the environment, with one message for all that is wrong."""

import pytest

from outbox import MissingSettings, Outbox
from outbox.settings import WebhookSettings, WorkerSettings, load

RIGHT = {
    "table": "t",
    "history_table": "h",
    "mail_api_url": "https://x.example",
    "secret_id": "s",
    "control_table": "c",
    "bucket": "b",
    "suppression_table": "a",
}


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    import os

    for name in list(os.environ):
        if name.startswith("OUTBOX_"):
            monkeypatch.delenv(name)


def test_names_every_missing_setting_in_one_message():
    """A deployment is not fixed one setting at a time."""
    with pytest.raises(MissingSettings) as error:
        load(WorkerSettings)
    assert set(error.value.names) == {
        "OUTBOX_TABLE",
        "OUTBOX_HISTORY_TABLE",
        "OUTBOX_MAIL_API_URL",
        "OUTBOX_SECRET_ID",
        "OUTBOX_CONTROL_TABLE",
        "OUTBOX_BUCKET",
    }
    assert all(name in str(error.value) for name in error.value.names)


def test_the_client_needs_only_its_tables():
    """An application names two tables, by argument or environment."""
    with pytest.raises(MissingSettings) as error:
        Outbox()
    assert set(error.value.names) == {"OUTBOX_TABLE", "OUTBOX_HISTORY_TABLE"}


def test_arguments_win_over_the_environment(monkeypatch):
    """What the caller says counts."""
    monkeypatch.setenv("OUTBOX_TABLE", "from-environment")
    monkeypatch.setenv("OUTBOX_HISTORY_TABLE", "history")
    settings = load(
        WorkerSettings, **RIGHT | {"table": "given", "history_table": None, "mail_api_url": "https://x.example/"}
    )
    assert (settings.table, settings.history_table, settings.mail_api_url) == ("given", "history", "https://x.example")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mail_api_url", "http://mail.example"),
        ("mail_api_url", "mail.example"),
        ("mail_api_url", "http://localhost.evil.example"),
        ("mail_api_url", "http://127.0.0.1.evil.example/api"),
        ("mail_api_url", "https://user:secret@mail.example"),
        ("mail_api_url", "https://"),
        ("mail_api_url", "https://a b"),
        ("lease_seconds", 60),
        ("answer_seconds", 299),
        ("actor", "a\nb"),
        ("log_level", "LOUD"),
        ("threads", 0),
        ("history_days", 0),
        ("rate_burst", 250),
        ("rate_per_minute", 0),
        ("suppression_table", ""),
        ("attachment_count", 101),
    ],
)
def test_refuses_settings_that_cannot_work(name, value):
    """A token is never sent over plain HTTP to another machine; bounds are bounds."""
    with pytest.raises(MissingSettings) as error:
        load(WorkerSettings, **RIGHT | {name: value})
    told = "lease_seconds" if name == "answer_seconds" else name
    assert error.value.names == (f"OUTBOX_{told.upper()}",)


def test_a_service_that_suppresses_nobody_needs_no_list():
    """The list's table is asked for only where it is read."""
    assert load(WorkerSettings, **RIGHT | {"suppression": False, "suppression_table": ""}).suppression is False


@pytest.mark.parametrize("sources", ["192.0.2.1/33", "localhost", "192.0.2.1;192.0.2.2", "999.1.1.1"])
def test_the_webhook_refuses_what_is_no_network(sources):
    """A list of callers that cannot be read would let nobody in, or everybody."""
    given = {"history_table": "h", "suppression_table": "a", "webhook_secret_id": "s"}
    with pytest.raises(MissingSettings) as error:
        load(WebhookSettings, **given, webhook_sources=sources)
    assert error.value.names == ("OUTBOX_WEBHOOK_SOURCES",)


def test_the_webhook_reads_addresses_and_networks():
    """Single addresses and networks, with or without spaces; none means everybody."""
    given = {"history_table": "h", "suppression_table": "a", "webhook_secret_id": "s"}
    settings = load(WebhookSettings, **given, webhook_sources="3.114.82.121, 35.79.248.0/24,")
    assert list(map(str, settings.sources)) == ["3.114.82.121/32", "35.79.248.0/24"]
    assert load(WebhookSettings, **given).sources == ()
