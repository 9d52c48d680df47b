"""Long lists as they stand beside articles: cards of goods, archives, tag clouds, options, calendars, scores, players.

Each maker takes a random generator and what other pages lend (`titles` is all that is used) and returns lines.
"""

import random
from collections.abc import Sequence
from typing import Protocol

from rl.data.recycling.boilerplate_words import (
    BRANDS,
    GOODS,
    MONTHS,
    NETWORKS,
    SECTIONS,
    TOPICS,
    cased,
    date,
    person,
    site,
    some,
)


class Titled(Protocol):
    """What other pages lend."""

    @property
    def titles(self) -> Sequence[str]:
        """First lines of pages."""


BULLETS = ("", "", "* ", "* ", "- ", "• ", "+ ")
"""What may open an entry."""


def cards(rng: random.Random, stock: Titled) -> list[str]:
    """Goods with their prices, below a heading or not."""
    lines = [rng.choice(("Related products", "Best sellers", "Customers also bought", "Featured", "Shop", ""))]
    sign, call = rng.choice("$$€£"), rng.choice(("Buy now", "View details", "Select options", "Details", "", ""))
    bullet = rng.choice(BULLETS)
    for _ in range(rng.randint(2, 7)):
        name = f"{rng.choice(BRANDS)} {rng.choice(GOODS)}".title()
        if rng.random() < 0.3:
            name += f" {rng.choice('ABCDEGHKLMSTX')}{rng.randint(1, 900)}"
        price = f"{sign}{rng.randint(2, 900)}.{rng.choice(('00', '99', '95', '49', '50'))}"
        lines += [bullet + name, price] if rng.random() < 0.7 else [f"{bullet}{name} {price}"]
        lines += [call] if call else []
    return [line for line in lines if line]


def archive(rng: random.Random, stock: Titled) -> list[str]:
    """Months of an archive or categories, with their counts."""
    bullet, counted = rng.choice(BULLETS), rng.random() < 0.6
    if rng.random() < 0.5:
        year, month = rng.randint(2003, 2024), rng.randint(0, 11)
        names = []
        for _ in range(rng.randint(4, 18)):
            names.append(f"{MONTHS[month]} {year}")
            month, year = (month - 1) % 12, year - (month == 0)
        lead = rng.choice(("Archives", "Archive", "Blog Archive", "Monthly archive", "Older", ""))
    else:
        names = [cased(rng, name) for name in some(rng, TOPICS + SECTIONS, 4, 18)]
        lead = rng.choice(("Categories", "Topics", "Sections", "Departments", "Browse by topic", ""))
    lines = [f"{bullet}{name}" + (f" ({rng.randint(1, 300)})" if counted else "") for name in names]
    return ([lead] if lead else []) + lines


def cloud(rng: random.Random, stock: Titled) -> list[str]:
    """A cloud of tags in one long line or one below the other."""
    words = [cased(rng, word) for word in some(rng, TOPICS, 8, 30)]
    lead = rng.choice(("Tags", "Tag Cloud", "Popular tags", "Topics", ""))
    joint = rng.choice((" ", " ", ", ", "\n"))
    return ([lead] if lead else []) + joint.join(words).split("\n")


def options(rng: random.Random, stock: Titled) -> list[str]:
    """The entries of a choice in a form."""
    lead, table = rng.choice(
        (
            (
                "Select a country",
                "Afghanistan|Albania|Algeria|Andorra|Angola|Argentina|Australia|Austria|Belgium",
            ),
            (
                "State",
                "Alabama|Alaska|Arizona|Arkansas|California|Colorado|Delaware|Florida|Georgia|Hawaii",
            ),
            ("Sort by", "Relevance|Newest|Oldest|Most viewed|Price: low to high|Price: high to low|Name A-Z"),
            ("Select one", "Any|Daily|Weekly|Monthly|Never|Other"),
            ("Month", "|".join(MONTHS)),
            ("Date range", "Today|Last week|Last month|Last year|All time"),
            ("Currency", "USD|EUR|GBP|JPY|CAD|AUD|CHF"),
        )
    )
    names = table.split("|")
    start = rng.randint(0, len(names) // 2)
    bullet = rng.choice(BULLETS)
    lines = [bullet + name for name in names[start : start + rng.randint(3, 12)]]
    return ([rng.choice((lead, f"{lead}:"))] if rng.random() < 0.7 else []) + lines


def calendar(rng: random.Random, stock: Titled) -> list[str]:
    """A month of days, or dates of events with their titles."""
    if rng.random() < 0.4:
        first, days = rng.randint(0, 6), rng.choice((28, 30, 31))
        cells = [""] * first + [str(day) for day in range(1, days + 1)]
        weeks = [" ".join(cells[at : at + 7]).strip() for at in range(0, len(cells), 7)]
        return [
            f"{rng.choice(MONTHS)} {rng.randint(2005, 2024)}",
            rng.choice(("M T W T F S S", "S M T W T F S")),
            *weeks,
        ]
    lines = [rng.choice(("Upcoming events", "Events", "What's on", "Calendar"))]
    for _ in range(rng.randint(2, 6)):
        lines += [date(rng), rng.choice(stock.titles)] if stock.titles else [date(rng)]
        if rng.random() < 0.3:
            lines.append(f"{rng.randint(1, 12)}:{rng.choice(('00', '30'))} pm")
    return lines


def results(rng: random.Random, stock: Titled) -> list[str]:
    """Scores or prices as a page's side column shows them."""
    if rng.random() < 0.5:
        names = rng.sample(("Dow", "Nasdaq", "S&P 500", "FTSE 100", "DAX", "Gold", "Oil", "Bitcoin", "10-Yr Bond"), 4)
        return [
            rng.choice(("Markets", "Stocks", "Market data")),
            *(
                f"{name} {rng.randint(100, 40000):,}.{rng.randint(0, 99):02d} {rng.choice('+-')}{rng.random() * 3:.2f}%"
                for name in names
            ),
        ]
    lines = [rng.choice(("Scores", "Latest results", "Scoreboard"))]
    for _ in range(rng.randint(2, 5)):
        one, two = rng.sample(BRANDS, 2)
        lines += [f"{one} {rng.randint(0, 9)}", f"{two} {rng.randint(0, 9)}", rng.choice(("Final", "FT", date(rng)))]
    return lines


def player(rng: random.Random, stock: Titled) -> list[str]:
    """What a video player or a gallery leaves in a text."""
    count = rng.randint(3, 40)
    lines = [
        *("Play Video", "Play", "Pause", "Mute", "0:00", f"{rng.randint(0, 9)}:{rng.randint(0, 59):02d}", "Fullscreen"),
        *("Now Playing", "Up Next", "Replay", "Close", f"1 of {count}", f"{rng.randint(1, count)}/{count}", "Next"),
        *("Previous", "View Gallery", "Enlarge", "Caption", "Hide Caption", f"Photo: {person(rng)}", "Getty Images"),
        *("Embed", "Copy link", f"{rng.randint(1, 900)}K views", "Watch later", "Autoplay", "Show captions"),
    ]
    some_lines = rng.sample(lines, rng.randint(3, 9))
    if stock.titles and rng.random() < 0.6:
        some_lines.insert(rng.randint(0, len(some_lines)), rng.choice(stock.titles))
    return some_lines


def footer(rng: random.Random, stock: Titled) -> list[str]:
    """The columns at the end of a page and the line about rights below them."""
    bullet = rng.choice(BULLETS)
    lines: list[str] = []
    for lead in some(
        rng, ("Company", "About", "Legal", "Follow us", "Help", "Explore", "More", "Services", "Network"), 1, 4
    ):
        entries = NETWORKS if lead == "Follow us" else SECTIONS
        lines += [cased(rng, lead), *(bullet + entry for entry in some(rng, entries, 2, 7))]
    more = ("Privacy Policy", "Terms of Use", "Cookie Policy", "Accessibility", "Ad Choices", "Contact us", "Site map")
    lines += rng.choice((some(rng, more, 2, 6), [" | ".join(some(rng, more, 2, 6))]))
    name = site(rng)
    return [
        *lines,
        rng.choice(
            (
                f"© {rng.randint(1998, 2024)} {name}. All rights reserved.",
                f"Copyright {rng.randint(1998, 2024)} {name}",
                f"{name} is a registered trademark of {site(rng)}, Inc.",
                f"{rng.randint(10, 900)} {rng.choice(('Main', 'Oak', 'High'))} Street, Suite {rng.randint(1, 400)}",
                f"Tel: {rng.randint(200, 900)}-{rng.randint(200, 900)}-{rng.randint(1000, 9999)}",
            )
        ),
    ]
