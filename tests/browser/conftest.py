"""A real browser on real consoles: on a service in memory, and on the local stack."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from outbox.console.access import Everybody, Person, Role
from outbox.console.app import create_app
from outbox.console.server import Running, for_one, listen, port_of
from outbox.local.stack import LocalStack
from outbox.wiring.connect import Options, connect
from outbox.wiring.desk import Desk
from tests.browser.window import ARGUMENTS, Elsewhere, Windows, chromium_path
from tests.console.conftest import Browser as Memory
from tests.e2e.conftest import Deployed
from tests.e2e.conftest import deployed as deployed  # noqa: PLC0414  a fixture


@pytest.fixture(scope="package")
def elsewhere() -> Iterator[Elsewhere]:
    """Give a machine somewhere else."""
    listening = Elsewhere()
    yield listening
    listening.close()


# Not for the whole session: while it runs, nothing else may have an event loop in this thread.
@pytest.fixture(scope="package")
def chromium(elsewhere: Elsewhere) -> Iterator[Browser]:
    """Give a running browser."""
    path = chromium_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, elsewhere.argument])
        yield browser
        browser.close()


@pytest.fixture
def windows(chromium: Browser) -> Iterator[Windows]:
    """Give what opens windows; at the end no page may have made the browser complain."""
    opened = Windows(chromium)
    yield opened
    opened.close()


@contextmanager
def serving(desk: Desk, role: Role = Role.ACT, name: str = "alice") -> Iterator[str]:
    """Run a console that lets everybody in as one person, and give its address."""
    listener = listen()
    with Running(create_app(desk, Everybody(lambda: Person(name, role))), listener):
        yield f"http://127.0.0.1:{port_of(listener)}"


@pytest.fixture
def memory(service: Any) -> Memory:
    """Give a service in memory, to be filled as a test likes."""
    return Memory(service)


@pytest.fixture
def house(memory: Memory, windows: Windows) -> Iterator[str]:
    """Give the address of a console on the service in memory, for alice, who may act."""
    with serving(memory.desk) as url:
        yield url
        # A page that is open still asks, and complains when nobody answers.
        windows.close()


@pytest.fixture
def desk(local_stack: LocalStack) -> Desk:
    """Give alice's desk on the local stack."""
    info = local_stack.info
    options = Options(endpoint_url=info.aws_endpoint_url, stack=info.stack_name, who="alice")
    return connect(options, control=True, session=local_stack.session())


@pytest.fixture
def console(deployed: Deployed, desk: Desk, windows: Windows) -> Iterator[str]:
    """Give the address that signs alice in to the console on the local stack."""
    with for_one(desk, listen()) as url:
        yield url
        windows.close()
