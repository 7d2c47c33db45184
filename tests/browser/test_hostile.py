"""Mails are hostile input: whatever one says, in every part, the page around it stays as it is."""

from typing import Any

import pytest
from playwright.sync_api import Error as PlaywrightError

from outbox import Attachment
from outbox.console.ask import address
from tests.browser.conftest import Elsewhere
from tests.browser.scene import put
from tests.browser.window import Window, Windows
from tests.console.conftest import Browser as Memory
from tests.flows.bounces import bounce

pytestmark = pytest.mark.browser

MARK = "console.log('REACHED')"
# An attribute that no page of ours has: where it is found outside of a frame, something was not escaped.
EVIL = f"""</textarea></pre></title></script>"><img data-evil src="http://evil.example/i" onerror="{MARK}">\
<svg data-evil onload="{MARK}"></svg><script data-evil>{MARK}</script>'-alert(1)-'{{{{7*7}}}}\u202e"""
PAGE = f"""<!doctype html><html><head>
<base href="http://evil.example/base/">
<meta http-equiv="refresh" content="0;url=http://evil.example/refresh">
<meta http-equiv="Content-Security-Policy" content="default-src *; script-src * 'unsafe-inline'">
<link rel="stylesheet" href="http://evil.example/sheet.css">
<link rel="prefetch" href="http://evil.example/prefetch"><link rel="preload" as="image" href="http://evil.example/pre">
<link rel="preconnect" href="http://evil.example/"><link rel="dns-prefetch" href="//dns.evil.example/">
<link rel="prerender" href="http://evil.example/prerender"><link rel="icon" href="http://evil.example/icon">
<style>
@import url("http://evil.example/import.css");
@font-face {{ font-family: evil; src: url("http://evil.example/font.woff") }}
body {{ background: url("http://evil.example/background"); font-family: evil }}
a:visited {{ background: url("http://evil.example/visited") }}
.cover {{ position: fixed; inset: -5000px; z-index: 2147483647; background: #f00 }}
</style></head><body onload="{MARK}" background="http://evil.example/body">
<script>{MARK}; document.cookie = "evil=1"; top.location = "http://evil.example/top"; fetch("http://evil.example/")</script>
<script src="http://evil.example/script.js"></script>
<img src="http://evil.example/image" onerror="{MARK}"><img srcset="http://evil.example/set 2x" src="x">
<picture><source srcset="http://evil.example/source"><img src="x" onerror="{MARK}"></picture>
<svg onload="{MARK}"><image href="http://evil.example/svg"/><use href="http://evil.example/use#a"/></svg>
<iframe srcdoc="<script>{MARK}</script><img src=http://evil.example/srcdoc>"></iframe>
<iframe src="http://evil.example/frame"></iframe><iframe src="javascript:{MARK}"></iframe>
<object data="http://evil.example/object"></object><embed src="http://evil.example/embed">
<video src="http://evil.example/video" poster="http://evil.example/poster" autoplay></video>
<audio src="http://evil.example/audio" autoplay></audio>
<form action="http://evil.example/form" target="_top"><input name="a" value="b" autofocus onfocus="{MARK}">
<button id="submit">Go on</button></form>
<a id="top" href="http://evil.example/a" target="_top" ping="http://evil.example/ping">top</a>
<a id="plain" href="http://evil.example/b">plain</a><a id="script" href="javascript:{MARK}">script</a>
<a id="blank" href="http://evil.example/c" target="_blank">blank</a>
<details open ontoggle="{MARK}"><summary>x</summary></details>
<div class="cover"><p id="inside">Inside the frame</p></div>
</body></html>"""


class Watch:
    """What a mail might have done to a window, seen from outside."""

    def __init__(self, window: Window, elsewhere: Elsewhere) -> None:
        self.window, self.elsewhere, self.logs = window, elsewhere, list[str]()
        window.hostile = True
        window.page.on("console", lambda message: self.logs.append(message.text))
        self.popups: list[Any] = []
        window.page.context.on("page", self._popup)

    def _popup(self, page: Any) -> None:
        self.popups.append(page)

    def nothing_happened(self, path: str) -> None:
        """Check that the page is where it was, and that nobody else was asked or told anything."""
        page = self.window.page
        page.wait_for_timeout(150)
        assert page.url == self.window.base + path
        assert [log for log in self.logs if log == "REACHED"] == []
        assert self.elsewhere.asked == []
        assert self.popups == []
        assert page.locator("[data-evil]").count() == 0
        assert page.evaluate("document.cookie").find("evil") < 0
        assert [cookie["name"] for cookie in page.context.cookies() if "evil" in cookie["name"]] == []

    @property
    def frame(self) -> Any:
        """Give what is in the frame of the mail."""
        return self.window.page.frame_locator("iframe.mail-html")


@pytest.fixture
def watch(windows: Windows, house: str, elsewhere: Elsewhere) -> Watch:
    """Give a window that is watched."""
    elsewhere.asked.clear()
    return Watch(windows(house), elsewhere)


def test_the_trap_is_set(watch: Watch) -> None:
    """What the other tests look for would be found: a browser that is led away is heard where it was led to."""
    with pytest.raises(PlaywrightError):
        watch.window.open("http://evil.example/caught")

    assert any(b"GET /caught" in asked for asked in watch.elsewhere.asked)


def test_the_page_of_a_hostile_mail(watch: Watch, memory: Memory) -> None:
    """Its HTML is seen, in a frame it cannot leave: nothing runs, nothing is loaded, nobody is led away."""
    memory.write_failed("m", html=PAGE, text=EVIL)
    path = "/mail?id=m"
    watch.window.open(path)
    assert watch.frame.locator("#inside").inner_text() == "Inside the frame"

    watch.nothing_happened(path)
    _press_everything(watch)
    watch.nothing_happened(path)
    _nothing_is_covered(watch)
    _a_link_leads_nowhere(watch, path)


def test_the_preview_of_a_hostile_mail(watch: Watch, memory: Memory) -> None:
    """What somebody is typing is shown as carefully as what was stored."""
    memory.write_failed("m", html=PAGE, text=EVIL)
    path = "/mail/edit?id=m"
    watch.window.open(path)
    watch.window.click(watch.window.button("Preview"))
    assert watch.frame.locator("#inside").inner_text() == "Inside the frame"

    watch.nothing_happened(path)
    _press_everything(watch)
    watch.nothing_happened(path)
    _nothing_is_covered(watch)


def test_the_html_alone(watch: Watch, memory: Memory) -> None:
    """Opened in a window of its own it can do as little."""
    memory.write_failed("m", html=PAGE)
    path = "/mail/html?id=m"
    watch.window.open(path)
    watch.window.page.wait_for_timeout(150)

    assert watch.window.page.url == watch.window.base + path
    assert [log for log in watch.logs if log == "REACHED"] == []
    assert watch.elsewhere.asked == []


def _press_everything(watch: Watch) -> None:
    """Press whatever the mail offers, as somebody might who is deceived."""
    for name in ("submit", "top", "script", "blank"):
        watch.frame.locator(f"#{name}").evaluate("each => each.click()")


def _a_link_leads_nowhere(watch: Watch, path: str) -> None:
    """Click a link: the browser may look whether somebody is there, but asks for nothing and stays."""
    watch.frame.locator("#plain").evaluate("each => each.click()")
    watch.window.page.wait_for_timeout(300)
    assert not any(watch.elsewhere.asked)
    assert watch.window.page.url == watch.window.base + path


def _nothing_is_covered(watch: Watch) -> None:
    """Check that what is fixed to the frame does not lie over the page."""
    over = watch.window.page.evaluate(
        """() => {
          window.scrollTo(0, 0);
          const box = document.querySelector('.brand').getBoundingClientRect();
          return document.elementFromPoint(box.x + 5, box.y + 5).closest('.brand') !== null;
        }"""
    )
    assert over


def test_hostile_words_in_every_part_of_a_row(watch: Watch, memory: Memory) -> None:
    """Subject, recipient, reason, names of files, tags, timeline and id are text on every page that shows them."""
    odd = 'a"><script data-evil>console.log("REACHED")</script>'
    memory.write_failed(odd, attachments=[Attachment("a.txt", b"a")])
    memory.write_sent("sent")
    memory.write_unknown("unknown")
    memory.write_held("held")
    delivery = memory.row("sent").delivery_id
    bounce(memory.service, delivery, "taro@example.com", EVIL, message=EVIL, code=EVIL)
    memory.suppressions.put({"email": f"{EVIL}@example.com", "reason": EVIL, "suppressed_by": EVIL})
    events = [{"at": EVIL, "who": EVIL, "what": EVIL, "changed": {EVIL: [EVIL, EVIL]}, "reason": EVIL, EVIL: EVIL}]
    hostile = {"subject": EVIL, "reason": EVIL, "tags": [EVIL], "timeline": events, "text": EVIL, "html": PAGE}
    hostile |= {
        "error": EVIL,
        "resent_as": [{"id": EVIL, "who": EVIL}],
        "left_out": [{"address": EVIL, "reason": EVIL}],
    }
    for mail_id in (odd, "sent", "unknown", "held"):
        put(memory, mail_id, **hostile, attachments=[{"name": EVIL, "mime": EVIL, "size": 1, "key": EVIL}])
    for mail_id in ("unknown", "held"):
        put(memory, mail_id, to=EVIL, cc=[EVIL], insert_code={EVIL: EVIL}, status_note=EVIL, sender=EVIL)
    paths = ["/", "/history", "/bounces", "/suppressed", "/many?action=hold&all=1&state=failed", "/activity"]
    ids = (odd, "sent", "unknown", "held")
    paths += [address(path, id=mail_id) for path in ("/mail", "/mail/edit", "/mail/again") for mail_id in ids]
    paths += [address(path, q=EVIL) for path in ("/history", "/suppressed")]
    for path in paths:
        watch.window.open(path)
        watch.window.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        watch.nothing_happened(path)
        assert "49" not in watch.window.page.locator("h1").inner_text()
