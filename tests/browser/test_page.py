"""The page in a real browser: what people see, in both languages, on a phone and on a desk.

Screenshots of what the tests walk through are left in tests/screenshots, for people to look at.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

playwright = pytest.importorskip("playwright.sync_api")

from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright  # noqa: E402

from rag.app.http.app import create_app  # noqa: E402
from rag.app.http.identity import KeyIdentity  # noqa: E402
from rag.core.answers import Citation, Question, Token, Turn  # noqa: E402
from rag.core.definitions.campus import Identity  # noqa: E402
from rag.core.errors import RetryLater  # noqa: E402
from rag.core.records import Labels  # noqa: E402
from tests.fakes_http import (  # noqa: E402
    CITATION,
    FakeCampus,
    Step,
    answer,
    bounded,
    refusal,
    spoken,
)
from tests.live_server import serving  # noqa: E402

pytestmark = pytest.mark.browser

CHROMIUM = "/usr/bin/chromium"
SCREENSHOTS = Path(__file__).parents[1] / "screenshots"
PHONE: ViewportSize = {"width": 360, "height": 740}
DESK: ViewportSize = {"width": 1280, "height": 800}

GERMAN = """\
Am einfachsten geht es mit der App **geteduroam** [1]:

1. Installieren Sie *geteduroam* aus dem Store Ihres Geräts [1].
2. Melden Sie sich mit `ab1234@sonnhagen.example` an [1][2].

```
Server: radius.sonnhagen.example
```

| Gerät | Weg |
|---|---|
| Android | App aus dem Play Store |
| iPhone | Profil über https://eduroam.sonnhagen.example/ein/langer/weg/zum/profil |

Klappt es nicht, hilft der IT-Service-Desk in C4 [2]."""
SECOND = replace(
    CITATION,
    number=2,
    title="WLAN an der Universität",
    heading_path=("WLAN an der Universität", "Hilfe"),
    url="https://wiki.sonnhagen.example/wlan",
)


@pytest.fixture(scope="module")
def campus() -> FakeCampus:
    return FakeCampus(http=bounded(question_chars=300))


@pytest.fixture(scope="module")
def base(campus: FakeCampus) -> Iterator[str]:
    with serving(create_app(campus, identity=KeyIdentity(Identity()))) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as started:
        launched = started.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield launched
        launched.close()


class Visit:
    """The page in one window, and everything that it did behind the scenes."""

    def __init__(self, page: Page, base: str) -> None:
        self.page = page
        self.base = base
        self.trouble: list[str] = []
        self.requested: list[str] = []
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("console", lambda message: self.trouble.append(message.text))
        page.on("dialog", lambda dialog: self.trouble.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: self.requested.append(request.url))

    def open(self, path: str = "/") -> None:
        self.page.goto(self.base + path)
        expect(self.page.locator(".conversation:visible .examples button").first).to_be_visible()

    def ask(self, text: str) -> None:
        self.page.fill("#question", text)
        self.page.press("#question", "Enter")
        expect(self.page.locator("#stop")).to_be_hidden()

    @property
    def last(self) -> str:
        return ".conversation:visible .turn:last-child "

    def picture(self, name: str) -> None:
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")

    def too_wide(self) -> bool:
        wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        return bool(self.page.evaluate(wide))


@pytest.fixture
def visit(browser: Browser, base: str, campus: FakeCampus) -> Iterator[Visit]:
    yield from opened(browser, base, campus)


def opened(
    browser: Browser,
    base: str,
    campus: FakeCampus,
    *,
    size: ViewportSize = DESK,
    locale: str = "de-DE",
    dark: bool = False,
) -> Iterator[Visit]:
    for bot in (campus.it, campus.courses):
        bot.asked.clear()
        bot.ended.clear()
        bot.script = script
    context = browser.new_context(
        viewport=size,
        locale=locale,
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    yield Visit(context.new_page(), base)
    context.close()


def script(question: Question, labels: Labels) -> Sequence[Step]:
    return spoken(replace(answer(GERMAN, "de"), citations=(CITATION, SECOND)))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("locale", ["de-DE", "en-GB"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_a_walk_through_the_page(
    browser: Browser,
    base: str,
    campus: FakeCampus,
    *,
    size: ViewportSize,
    locale: str,
    dark: bool,
) -> None:
    visits = opened(browser, base, campus, size=size, locale=locale, dark=dark)
    visit = next(visits)
    name = "-".join(
        (
            "phone" if size == PHONE else "desk",
            locale[:2],
            "dark" if dark else "light",
        )
    )
    visit.open()
    visit.picture(f"{name}-1-welcome")
    assert not visit.too_wide()
    visit.page.locator(".examples button:visible").first.click()
    expect(visit.page.locator(visit.last + ".sources li")).to_have_count(2)
    visit.picture(f"{name}-2-answer")
    assert not visit.too_wide()
    visit.page.locator(visit.last + ".sources").scroll_into_view_if_needed()
    visit.picture(f"{name}-3-sources")
    campus.it.script = lambda *_: [refusal("Dazu habe ich nichts gefunden.", "de")]
    visit.ask("Ist der Mond aus Käse?")
    visit.picture(f"{name}-4-refusal")
    campus.it.script = lambda *_: [Token(text="Öffnen Sie"), RetryLater("down")]
    visit.ask("Ist der Dienst kaputt?")
    visit.picture(f"{name}-5-error")
    assert not visit.too_wide()
    assert visit.trouble == []
    assert {urlsplit(url).netloc for url in visit.requested} == {urlsplit(base).netloc}
    next(visits, None)


def test_the_page_speaks_the_browsers_language_until_another_is_chosen(visit: Visit) -> None:
    visit.open()
    page = visit.page
    expect(page).to_have_title("Campus-Assistenz")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.locator(".conversation:visible h1")).to_have_text("Was möchten Sie wissen?")
    expect(page.locator("#bots")).to_contain_text("Kursberatung")
    visit.ask("eduroam?")
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("#bots")).to_contain_text("Course adviser")
    expect(page.locator(visit.last + ".sources h3")).to_have_text("Sources")
    expect(page.locator(visit.last + ".text")).to_have_attribute("lang", "de")
    visit.open()
    expect(page).to_have_title("Campus assistant")
    expect(page.locator(".examples button:visible").first).to_have_text(
        "How do I connect my phone to eduroam?"
    )


def test_numbers_lead_to_sources_and_sources_to_their_pages(visit: Visit) -> None:
    visit.open()
    visit.ask("eduroam?")
    mark = visit.page.locator(visit.last + ".cite a").first
    expect(mark).to_have_text("1")
    expect(mark).to_have_attribute("aria-label", "Quelle 1: eduroam")
    sources = visit.page.locator(visit.last + ".sources li")
    expect(sources.nth(0)).to_contain_text("Android")
    link = sources.nth(0).locator("a")
    expect(link).to_have_attribute("href", "https://wiki.sonnhagen.example/eduroam#android")
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    mark.click()
    expect(link).to_be_focused()
    assert visit.page.url == visit.base + "/#it-support"


def test_tokens_are_shown_while_they_come(visit: Visit, campus: FakeCampus) -> None:
    campus.it.script = lambda *_: [Token(text="Erst "), Token(text="das [1]"), 60.0]
    visit.open()
    visit.page.fill("#question", "eduroam?")
    visit.page.press("#question", "Enter")
    expect(visit.page.locator(visit.last + ".text")).to_have_text("Erst das 1")
    expect(visit.page.locator(visit.last + ".answer")).to_have_attribute("aria-busy", "true")
    expect(visit.page.locator("#status")).to_have_text("Die Antwort wird geschrieben.")


def test_stopping_ends_the_generation_and_keeps_what_came(visit: Visit, campus: FakeCampus) -> None:
    campus.it.script = lambda *_: [Token(text="Erst das"), 60.0]
    visit.open()
    for by_key in (False, True):
        campus.it.ended.clear()
        visit.page.fill("#question", "eduroam?")
        visit.page.press("#question", "Enter")
        expect(visit.page.locator(visit.last + ".text")).to_have_text("Erst das")
        if by_key:
            visit.page.keyboard.press("Escape")
        else:
            visit.page.click("#stop")
        assert campus.it.ended.wait(5)
        expect(visit.page.locator(visit.last + ".verdict")).to_contain_text("Gestoppt")
        expect(visit.page.locator(visit.last + ".text")).to_have_text("Erst das")
        expect(visit.page.locator("#send")).to_be_visible()


def test_a_refusal_is_not_taken_for_an_answer(visit: Visit, campus: FakeCampus) -> None:
    campus.it.script = lambda *_: [refusal("Dazu habe ich nichts gefunden.", "de")]
    visit.open()
    visit.ask("Ist der Mond aus Käse?")
    expect(visit.page.locator(".turn.refused")).to_have_count(1)
    expect(visit.page.locator(visit.last + ".verdict")).to_contain_text("keine belegte Antwort")
    expect(visit.page.locator(visit.last + ".text")).to_have_text("Dazu habe ich nichts gefunden.")
    expect(visit.page.locator(visit.last + ".sources")).to_be_hidden()


def test_an_error_can_be_tried_again(visit: Visit, campus: FakeCampus) -> None:
    campus.it.script = lambda *_: [RetryLater("http://tgi.internal is down")]
    visit.open()
    visit.ask("eduroam?")
    expect(visit.page.locator(".turn.failed .verdict")).to_contain_text("nicht geklappt")
    expect(visit.page.locator("#status")).to_contain_text("nicht geklappt")
    assert "tgi.internal" not in visit.page.content()
    campus.it.script = script
    visit.page.click(visit.last + ".again button")
    expect(visit.page.locator(visit.last + ".sources li")).to_have_count(2)
    expect(visit.page.locator(".turn")).to_have_count(1)
    expect(visit.page.locator(".turn.failed")).to_have_count(0)


def test_a_service_that_is_away_can_be_tried_again(visit: Visit) -> None:
    visit.page.route("**/bots", lambda route: route.abort())
    visit.page.goto(visit.base)
    expect(visit.page.get_by_role("alert")).to_contain_text("nicht zu erreichen")
    visit.page.unroute("**/bots")
    visit.page.get_by_role("alert").get_by_role("button").click()
    expect(visit.page.locator(".examples button:visible").first).to_be_visible()


def test_history_goes_back_with_the_next_question_but_not_what_failed(
    visit: Visit, campus: FakeCampus
) -> None:
    visit.open()
    visit.ask("eduroam?")
    campus.it.script = lambda *_: [RetryLater("down")]
    visit.ask("Und Drucken?")
    campus.it.script = script
    visit.ask("Und auf dem iPhone?")
    asked = [question for question, _ in campus.it.asked]
    assert asked[-1].history == (
        Turn(role="user", text="eduroam?"),
        Turn(role="assistant", text=GERMAN),
    )
    assert asked[0].conversation == asked[-1].conversation is not None
    visit.page.click("#fresh")
    visit.ask("VPN?")
    assert campus.it.asked[-1][0].history == ()
    assert campus.it.asked[-1][0].conversation != asked[0].conversation


def test_every_bot_has_a_conversation_of_its_own(visit: Visit, campus: FakeCampus) -> None:
    visit.open()
    visit.ask("eduroam?")
    visit.page.get_by_role("radio", name="IT-Hilfe").press("ArrowRight")
    assert visit.page.url.endswith("#courses")
    expect(visit.page.locator(".turn:visible")).to_have_count(0)
    visit.ask("Welche Kurse gibt es?")
    assert campus.courses.asked[0][0].history == ()
    visit.page.get_by_role("radio", name="IT-Hilfe").check()
    expect(visit.page.locator(".turn:visible .asked-text")).to_have_text("eduroam?")
    visit.page.goto(visit.base + "/#courses")
    expect(visit.page.locator(".turn:visible .asked-text")).to_have_text("Welche Kurse gibt es?")
    visit.page.reload()
    expect(visit.page.get_by_role("radio", name="Kursberatung")).to_be_checked()


def test_the_whole_page_works_by_keyboard(visit: Visit, campus: FakeCampus) -> None:
    visit.open()
    reached = []
    for _ in range(8):
        visit.page.keyboard.press("Tab")
        reached.append(
            visit.page.evaluate("document.activeElement.id || document.activeElement.textContent")
        )
    assert reached[0] == "Zur Frage springen"
    assert {"DE", "EN", "question", "Wie verbinde ich mein Handy mit eduroam?"} <= set(reached)
    visit.page.focus("#question")
    visit.page.keyboard.type("Zeile 1")
    visit.page.keyboard.press("Shift+Enter")
    visit.page.keyboard.type("Zeile 2")
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator(visit.last + ".sources")).to_be_visible()
    assert campus.it.asked[0][0].text == "Zeile 1\nZeile 2"
    expect(visit.page.locator("#question")).to_be_focused()
    expect(visit.page.locator("#status")).to_contain_text("Antwort: Am einfachsten")


def test_a_question_that_is_too_long_is_not_sent(visit: Visit, campus: FakeCampus) -> None:
    visit.open()
    visit.page.fill("#question", "x" * 301)
    expect(visit.page.locator("#count")).to_have_text("1 Zeichen zu viel")
    expect(visit.page.locator("#send")).to_be_disabled()
    visit.page.press("#question", "Enter")
    visit.page.fill("#question", "  ")
    visit.page.press("#question", "Enter")
    expect(visit.page.locator(".turn")).to_have_count(0)
    assert campus.it.asked == []


ATTACKS = [
    "<script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    "<svg onload=window.hit=1></svg>",
    "<iframe srcdoc='<script>parent.hit=1</script>'></iframe>",
    "[click](javascript:window.hit=1)",
    "[click](JaVaScRiPt:window.hit=1)",
    "[click](java\tscript:window.hit=1)",
    "[click](data:text/html,<script>parent.hit=1</script>)",
    "[click](vbscript:hit)",
    "[click](//evil.example/x)",
    "[click](/bots)",
    "![pixel](https://evil.example/pixel.png)",
    '[a](https://evil.example/"onmouseover="window.hit=1)',
    "[<img src=x onerror=window.hit=1>](https://w.example)",
    "`<script>window.hit=1</script>`",
    "```\n</code></pre><script>window.hit=1</script>\n```",
    "| <script>window.hit=1</script> | b |\n|---|---|\n| <img src=x onerror=window.hit=1> | c |",
    "# <style>*{display:none}</style>",
    "<a href='javascript:window.hit=1'>x</a> <form action='https://evil.example'><input></form>",
    "<https://w.example/><script>window.hit=1</script>",
    "<base href='https://evil.example/'> <meta http-equiv=refresh content='0;url=//evil.example'>",
    "> - 1. > - 1. > - 1. > - 1. > - 1. > - 1. > - <script>window.hit=1</script>",
]


def test_hostile_text_stays_text(visit: Visit, campus: FakeCampus) -> None:
    text = "\n\n".join(ATTACKS) + "\n\n[1]"
    evil = Citation(
        number=1,
        record_id="x",
        passage_id="p",
        title="<img src=x onerror=window.hit=1>",
        url="javascript:window.hit=1",
        heading_path=("<script>window.hit=1</script>", "</ol><iframe>"),
    )
    campus.it.script = lambda *_: [Token(text=text), replace(answer(text), citations=(evil,))]
    visit.open()
    visit.ask("<script>window.hit=1</script>")
    turn = visit.page.locator(visit.last)
    expect(turn.locator(".sources li")).to_have_count(1)
    for link in turn.locator("a").all():
        link.hover()
        link.dispatch_event("mouseover")
    hrefs = turn.locator("a").evaluate_all("all => all.map((each) => each.getAttribute('href'))")
    assert all(re.match(r"https?://|#source-", href) for href in hrefs)
    made = turn.locator("*").evaluate_all("all => all.map((each) => each.localName)")
    assert not set(made) & {"script", "img", "iframe", "style", "form", "input", "base", "meta"}
    attributes = turn.locator("*").evaluate_all("all => all.flatMap(e => e.getAttributeNames())")
    assert not [name for name in attributes if name.startswith("on") or name == "style"]
    assert visit.page.evaluate("window.hit") is None
    assert "<script>window.hit=1</script>" in turn.locator(".text").inner_text()
    assert visit.trouble == []
    assert {urlsplit(url).netloc for url in visit.requested} == {urlsplit(visit.base).netloc}


def test_an_injected_script_would_not_run(visit: Visit) -> None:
    visit.open()
    visit.page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.hit = 1";
            document.body.append(script);
            const image = document.createElement("img");
            image.src = "https://evil.example/pixel.png";
            document.body.append(image);
        }"""
    )
    visit.page.wait_for_timeout(200)
    assert visit.page.evaluate("window.hit") is None
    assert any("Content Security Policy" in each for each in visit.trouble)


@pytest.mark.parametrize(
    "text",
    [
        "**" * 15_000,
        "`" * 15_000 + "a",
        "[" * 29_000,
        "_a " * 9_000,
        "> " * 14_000,
        "- \n" * 9_000,
        "|a" * 14_000 + "\n|---|\n",
        "[a](" * 7_000,
        "`a``b" * 5_000,
        "1" * 59_000,
    ],
)
def test_text_that_is_hard_to_read_does_not_hang_the_page(
    visit: Visit, campus: FakeCampus, text: str
) -> None:
    campus.it.script = lambda *_: [answer(text)]
    visit.open()
    visit.page.fill("#question", "x")
    visit.page.press("#question", "Enter")
    expect(visit.page.locator(visit.last + ".origin")).to_be_visible(timeout=3000)


RENDERED = [
    ("a **b** _c_ *d*", "<p>a <strong>b</strong> <em>c</em> <em>d</em></p>"),
    ("snake_case_name 2*3*4", "<p>snake_case_name 2<em>3</em>4</p>"),
    ("`a **b**` ``x`y``", "<p><code>a **b**</code> <code>x`y</code></p>"),
    ("- a\n- b\n  - c\n\nd", "<ul><li>a</li><li><p>b</p><ul><li>c</li></ul></li></ul><p>d</p>"),
    ("3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'),
    ("1. a\n2. b\n\n1. c", '<ol start="1"><li>a</li><li>b</li></ol><ol start="1"><li>c</li></ol>'),
    ("1. a\n\n1. b", '<ol start="1"><li>a</li><li>b</li></ol>'),
    ("## T\nx", "<h4>T</h4><p>x</p>"),
    ("> a\n> b", "<blockquote><p>a\nb</p></blockquote>"),
    ("```sh\na < b\n", '<pre tabindex="0"><code>a &lt; b\n</code></pre>'),
    ("a \\[1\\] \\*", "<p>a [1] *</p>"),
    ("---", "<hr>"),
    ("a\\|b | c", "<p>a|b | c</p>"),
    ("**open", "<p>**open</p>"),
    ("array[0] [99]", "<p>array[0] [99]</p>"),
    (
        "https://w.example/a-b.",
        (
            '<p><a href="https://w.example/a-b" target="_blank" rel="noopener noreferrer" '
            'title="https://w.example/a-b">https://w<wbr>.example/<wbr>a<wbr>-b</a>.</p>'
        ),
    ),
]


@pytest.mark.parametrize(("text", "html"), RENDERED)
def test_markdown(visit: Visit, campus: FakeCampus, text: str, html: str) -> None:
    campus.it.script = lambda *_: [answer(text)]
    visit.open()
    visit.ask("x")
    assert visit.page.locator(visit.last + ".text").inner_html() == html
