"""Every page as people have it: with a screen reader, on a phone, in the dark, in two languages, to look or to act."""

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.base import AXE_SCRIPT

from outbox.console.access import Role
from outbox.console.server import for_one, listen
from outbox.testing import FakeMailApi, MemoryStore, TickingClock
from tests.browser.conftest import serving
from tests.browser.scene import LONG, Scene, fill
from tests.browser.window import Window, Windows
from tests.conftest import Service
from tests.console.conftest import Browser as Memory

pytestmark = pytest.mark.browser

GRAVE = {"serious", "critical"}
# All that the dark changes.
ONLY_COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}
VIOLATIONS = "options => axe.run(document, options).then(result => result.violations)"
WIDTHS = (320, 640)
# What is the same in every language: names, words of the glossary and of the trade, and what others have said.
NO_ENGLISH = re.compile(
    r"(?<![A-Za-z0-9])("
    r"[\w.+-]+@[\w.-]+|PENDING|SENDING|WAITING|CHECKING|FAILED|UNKNOWN|HELD|SENT|CANCELLED|HARDERROR|SOFTERROR|DROP|"
    r"outbox|UTC|UTF-8|API|HTML|CC|BCC|ID|AWS|DynamoDB|NAME|Enter|Shift|Asia/Tokyo|text/plain|application/pdf|"
    r"alice|bob|carol|tester|deliver|Shop|many|nobody|look first|user unknown|ReadTimeout|請求書\.pdf|"
    r"(order|invoice|unknown|held|later|suppressed|many)-\d|W+\S*|01[A-Z0-9]{24}"
    r")(?![A-Za-z0-9])"
)
ENGLISH = re.compile(r"[A-Za-z][A-Za-z']{2,}(?: [A-Za-z']+)*")
# The mail API's own words, which nobody can translate.
QUOTED = re.compile("「[^」]*」")
# What the page itself says: not what a mail says, what stands in a row, or a moment.
SAYS = """() => {
  const mails = 'textarea, pre, code, time, iframe, .to, .id';
  const other = 'kbd, script, style, option, datalist, svg, [lang="en"], ' + mails;
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const parent = walk.currentNode.parentElement;
    if (!parent.closest(other)) found.push(walk.currentNode.textContent.trim());
  }
  return found.filter(Boolean);
}"""


@pytest.fixture(scope="module")
def scene() -> Scene:
    """Give a service in memory with one of everything; nobody changes it."""
    return fill(Memory(Service(MemoryStore(), FakeMailApi(), TickingClock())))


@pytest.fixture(scope="module")
def shown(scene: Scene) -> Iterator[str]:
    """Give the address of alice's console on it."""
    with serving(scene.memory.desk) as url:
        yield url


def each(window: Window, scene: Scene) -> Iterator[str]:
    """Open one page after the other, and what is folded up on them."""
    for name, path in scene.pages.items():
        window.open(path)
        yield name


def unfold(window: Window) -> None:
    window.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")


@pytest.mark.parametrize("language", ["en", "ja"])
def test_nothing_stands_in_the_way_of_assistive_technology(
    windows: Windows, shown: str, scene: Scene, language: str
) -> None:
    """No page has a serious or critical violation by axe, in light and, as colours have no language, once in dark."""
    window = windows(shown, language=language)
    found = []
    for name in each(window, scene):
        assert window.page.locator("html").get_attribute("lang") == language
        found += [(name, *each) for each in in_the_way(window, dark=language == "ja")]
    assert found == []


@pytest.mark.parametrize("language", ["en", "ja"])
def test_nor_on_pages_that_answer(windows: Windows, house: str, memory: Memory, language: str) -> None:
    """So it is while sending is paused, where something is asked or wrong, and where one signs in."""
    memory.write_failed("m")
    memory.write_sent("sent")
    memory.service.switch.pause("bob", "引っ越し")
    window = windows(house, language=language).open("/")
    found = [("paused", *each) for each in in_the_way(window)]
    window.open("/mail/again?id=sent").click("button[data-key=r]")
    found += [("asked", *each) for each in in_the_way(window)]
    window.open("/mail/edit?id=m").page.locator("#to").fill("nobody")
    window.click("button[name=send][value=yes]")
    found += [("wrong", *each) for each in in_the_way(window)]
    window.open("/batch?id=none")
    found += [("trouble", *each) for each in in_the_way(window)]
    with for_one(memory.desk, listen()) as url:
        stranger = windows(url, language=language).open("/")
        assert stranger.path == "/sign-in"
        found += [("sign in", *each) for each in in_the_way(stranger)]
        assert not sticks_out(stranger)
        windows.close()
    assert found == []


def in_the_way(window: Window, *, dark: bool = True) -> list[tuple[str, str, str]]:
    """List what is grave, in light and dark."""
    unfold(window)
    window.page.evaluate(AXE_SCRIPT)
    found = []
    schemes = [("light", {}), ("dark", ONLY_COLOURS)]
    for scheme, rules in schemes if dark else schemes[:1]:
        window.page.emulate_media(color_scheme=scheme)
        violations = window.page.evaluate(VIOLATIONS, {"resultTypes": ["violations"], **rules})
        grave = [each for each in violations if each["impact"] in GRAVE]
        found += [(scheme, each["id"], each["nodes"][0]["html"][:200]) for each in grave]
    return found


def test_what_is_looked_for_would_be_found(windows: Windows, shown: str) -> None:
    """A picture without a text, grey on grey, and a line that does not fold are seen by these tests."""
    window = windows(shown).open("/history")
    window.page.evaluate(
        """() => {
          const line = document.createElement('p');
          line.textContent = 'W'.repeat(500);
          Object.assign(line.style, {whiteSpace: 'pre', overflowWrap: 'normal', color: '#888', background: '#999'});
          document.querySelector('main').append(document.createElement('img'), line);
        }"""
    )
    found = [(scheme, name) for scheme, name, _ in in_the_way(window)]
    assert {*found} >= {("light", "image-alt"), ("light", "color-contrast"), ("dark", "color-contrast")}
    assert sticks_out(window)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_no_page_is_wider_than_the_screen(windows: Windows, shown: str, scene: Scene, language: str) -> None:
    """At 200 % and on the smallest phone nobody has to scroll sideways."""
    window = windows(shown, language=language)
    wide = []
    for name in each(window, scene):
        unfold(window)
        for width in WIDTHS:
            window.page.set_viewport_size({"width": width, "height": 800})
            if found := sticks_out(window):
                wide.append((name, width, found))
    assert wide == []


def sticks_out(window: Window) -> str:
    """Name what makes the page wider than the window; empty if nothing does."""
    found = """() => {
      const page = document.scrollingElement;
      if (page.scrollWidth <= page.clientWidth) return '';
      const within = [...document.querySelectorAll('body *')].filter(each => !each.closest('.wide > table'));
      const right = each => each.getBoundingClientRect().left + each.scrollWidth;
      return within.sort((one, other) => right(other) - right(one))[0].outerHTML.slice(0, 200);
    }"""
    return str(window.page.evaluate(found))


def test_japanese_is_spoken_throughout(windows: Windows, shown: str, scene: Scene) -> None:
    """No English is left in what the pages say to somebody whose browser asks for Japanese."""
    window = windows(shown, language="ja")
    left = []
    for name in each(window, scene):
        for said in window.page.evaluate(SAYS):
            words = ENGLISH.findall(NO_ENGLISH.sub("", QUOTED.sub("", said)))
            left += [(name, said)] if words else []
    assert not left, "\n".join(f"{name}: {said}" for name, said in dict.fromkeys(left))


def test_whoever_may_look_has_nothing_to_press(windows: Windows, scene: Scene) -> None:
    """No page has a button that acts, but for what the person's own browser remembers."""
    own = "[action='/language'], [action='/settings'], [action='/sign-out']"
    acting = f"form[method=post]:not({own}) :is(button, input[type=submit], input[type=image]), [formaction]"
    with serving(scene.memory.desk, Role.VIEW, "vera") as url:
        window = windows(url)
        found = [(name, window.page.locator(acting).count()) for name in each(window, scene)]
        windows.close()
    assert [each for each in found if each[1]] == []


def test_every_page_works_without_scripts(windows: Windows, shown: str, scene: Scene) -> None:
    """All pages are there, with their headings, in a browser that runs none."""
    window = windows(shown, scripts=False)
    for name in each(window, scene):
        # A page may lead on by itself to one that needs no script.
        window.page.locator("h1").wait_for()
        assert window.page.locator("h1").count() == 1, name


def test_the_scene_holds_long_words(scene: Scene) -> None:
    """The tests above mean something: a word that fits into no line is among what is shown."""
    assert scene.memory.row("invoice-2").item["subject"] == LONG
