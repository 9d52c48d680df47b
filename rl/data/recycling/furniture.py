"""Blocks of boilerplate as they stand around real articles: columns of links, teasers, headlines, comments, forms.

`rl.data.recycling.boilerplate` makes single pieces; a page as a crawler sees it begins and ends with dozens of lines.
Titles and sentences come from other training pages, so that what tells a teaser from the article is where it stands
and how it is cut, not its words.
"""

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rl.data.recycling.boilerplate import (
    SEEN,
    advert,
    byline,
    comments,
    cookie,
    copyright_footer,
    login,
    newsletter,
    pagination,
    search_box,
    share,
    tags,
)
from rl.data.recycling.boilerplate_lists import archive, calendar, cards, cloud, footer, options, player, results
from rl.data.recycling.boilerplate_words import NETWORKS, SECTIONS, TOPICS, cased, date, person, site, some


class Stock(NamedTuple):
    """What other pages lend."""

    titles: Sequence[str]
    """First lines of pages."""

    sentences: Sequence[str]
    """Sentences of pages."""

    scraps: Sequence[str]
    """Short lines of pages."""

    remnants: Sequence[Sequence[str]] = ()
    """Blocks of boilerplate around the prose of pages (`rl.data.recycling.remnants`)."""

    notices: Sequence[str] = ()
    """Lines of pages that their words give away as boilerplate."""


Block = Callable[[random.Random, Stock], list[str]]
"""Makes the lines of one block."""


def column(rng: random.Random, stock: Stock) -> list[str]:
    """A menu as a column, with or without bullets, some entries with entries of their own."""
    bullet = rng.choice(("", "", "* ", "* ", "* ", "- ", "+ ", "• ", "» "))
    words = some(rng, SECTIONS + [topic.title() for topic in TOPICS], 3, 16)
    lines = [bullet + cased(rng, word) if rng.random() < 0.1 else bullet + word for word in words]
    if bullet and rng.random() < 0.3:
        inner = rng.choice(("  * ", "  - ", "- ", "+ ", "  + "))
        for at in sorted(rng.sample(range(len(lines)), min(3, len(lines))), reverse=True):
            lines[at + 1 : at + 1] = [inner + word for word in some(rng, SECTIONS, 1, 4)]
    return lines


def scraps(rng: random.Random, stock: Stock) -> list[str]:
    """Short lines of other pages."""
    bullet = rng.choice(("", "", "", "* ", "- ", "• "))
    return [bullet + line for line in rng.sample(list(stock.scraps), min(rng.randint(2, 10), len(stock.scraps)))]


def headlines(rng: random.Random, stock: Stock) -> list[str]:
    """Titles of other pages, with or without a lead, dates, sections, counts."""
    lead = rng.choice(
        (
            *("Related Articles", "You might also like", "Latest News", "Most Popular", "More from this section"),
            *("Top stories", "Trending", "Editor's picks", "Recommended", "Recent posts", "Read next"),
            *("More on this topic", "", "", ""),
        )
    )
    lines = [lead] if lead else []
    bullet = rng.choice(("", "", "* ", "- ", "• ", "» "))
    style = rng.choice(("plain", "plain", "date", "section", "number", "both"))
    for number, title in enumerate(rng.sample(list(stock.titles), min(rng.randint(2, 7), len(stock.titles))), 1):
        if style in ("section", "both"):
            lines.append(rng.choice(SECTIONS + [topic.title() for topic in TOPICS]))
        lines.append(bullet + (f"{number}. " if style == "number" and not bullet else "") + title)
        if style in ("date", "both"):
            lines.append(
                rng.choice(
                    (date(rng), f"{rng.randint(2, 23)} hours ago", f"{rng.randint(1, 12)}d", f"By {person(rng)}")
                )
            )
    return lines


def teasers(rng: random.Random, stock: Stock) -> list[str]:
    """Cards of other pages: a title, the beginning of a text that breaks off, a call to read on."""
    lines = [rng.choice(("You may also like", "Related posts", "More stories", "From our partners", "", ""))]
    call = rng.choice(
        ("Read more", "Continue reading", "Read More »", "Full story", "[...]", "", "More →", "Learn more")
    )
    for _ in range(rng.randint(1, 4)):
        lines.append(rng.choice(stock.titles))
        words = rng.choice(stock.sentences).split()
        cut = rng.randint(min(8, len(words)), max(8, min(28, len(words))))
        end = rng.choice(("...", "…", " [...]", " […]", "... " + (call or "More"), ""))
        lines.append(" ".join(words[:cut]).rstrip(".,;:") + end)
        if call and rng.random() < 0.7:
            lines.append(call)
        if rng.random() < 0.3:
            lines.append(rng.choice((date(rng), byline(rng))))
    return [line for line in lines if line]


def thread(rng: random.Random, stock: Stock) -> list[str]:
    """Readers' comments with their names, dates and buttons."""
    count = rng.randint(1, 4)
    lines = [
        rng.choice((f"{count} Comments", "Comments", f"{count} thoughts on this post", "Leave a comment", "Responses"))
    ]
    button = rng.choice(("Reply", "Reply | Report", "Like Reply", "Permalink", "↩ Reply", "Report abuse", "Quote"))
    form = rng.choice(("{p} says:", "{p}", "{p} wrote:", "{p} · {d}", "{p} on {d} at 3:{m:02d} pm", "Posted by {p}"))
    for _ in range(count):
        lines.append(form.format(p=person(rng), d=date(rng), m=rng.randint(0, 59)))
        if rng.random() < 0.5:
            lines.append(
                rng.choice((date(rng), f"{rng.randint(1, 11)} months ago", f"{date(rng)} at 10:{rng.randint(10, 59)}"))
            )
        said = rng.choice(
            (
                " ".join(rng.choice(stock.sentences).split()[: rng.randint(4, 25)]),
                *("Great post, thanks for sharing!", "I totally agree with this.", "Thank you so much!!", "First!"),
                *("This is so true lol", "Nice article."),
            )
        )
        lines += [said, button]
    return lines + ([rng.choice((login(rng), "Load more comments", "Post Comment"))] if rng.random() < 0.5 else [])


def form(rng: random.Random, stock: Stock) -> list[str]:
    """Fields of a form."""
    fields = ("Name *", "Email *", "Website", "First name", "Last name", "Your message", "Submit", "Send", "Subject")
    more = (
        "I agree to the terms and conditions",
        "Save my name, email, and website in this browser for the next time I comment.",
    )
    lines = some(rng, (*fields, *more, "Your email address will not be published. Required fields are marked *"), 2, 6)
    return [rng.choice(("Contact us", "Leave a Reply", "Get in touch", "Sign up", "Post a comment")), *lines]


def about(rng: random.Random, stock: Stock) -> list[str]:
    """A box about the author or the site."""
    who, field = person(rng), rng.choice(TOPICS)
    return [
        rng.choice(("About the author", f"About {who}", "Author", "Written by", f"About {site(rng)}")),
        rng.choice(
            (
                f"{who} is a writer and editor at {site(rng)}, where {rng.choice(('she', 'he'))} covers {field}.",
                f"{who} has been writing about {field} since {rng.randint(1990, 2020)}. "
                f"Follow on {rng.choice(NETWORKS)}.",
                f"{who} lives in {rng.choice(('London', 'Texas', 'Paris', 'Canada'))} and blogs about "
                f"{field} and more.",
                f"{site(rng)} is your source for {field} news, reviews and guides. Contact us for more information.",
                f"View all posts by {who}",
            )
        ),
    ]


def notice(rng: random.Random, stock: Stock) -> list[str]:
    """Notices in full sentences: consent, subscriptions, disclaimers, errors."""
    name = site(rng)
    if stock.notices and rng.random() < 0.6:
        return [rng.choice(stock.notices) for _ in range(rng.randint(1, 3))]
    return [
        rng.choice(
            (
                cookie(rng),
                newsletter(rng),
                f"You are using an outdated browser. Please upgrade your browser to see {name} at its best.",
                f"This story was first published by {name}. It may not be reproduced without permission.",
                f"{name} may earn a commission if you buy through links on this site.",
                "Disclosure: some of the links in this post are affiliate links, and we may earn money "
                "if you click them.",
                f"Subscribe to {name} for full access. Already a subscriber? Log in here.",
                f"You have read {rng.randint(1, 5)} of {rng.randint(5, 10)} free articles this month.",
                "We value your privacy. You can change your choices at any time by visiting our privacy policy.",
                "The opinions expressed here are those of the author and do not reflect those of the publisher.",
                f"Enter your email address to follow this blog. Join {rng.randint(2, 900)} other followers.",
                "This video is currently unavailable. Please check back later.",
                f"Have a tip for us? Write to tips@{name.replace(' ', '').lower()}.com and we will look into it.",
                "Sorry, comments are closed for this item. To comment, you need to sign in with your account.",
            )
        )
    ]


def remnant(rng: random.Random, stock: Stock) -> list[str]:
    """A block that stood around the prose of another page, or a part of it."""
    if not stock.remnants:
        return scraps(rng, stock)
    block = list(rng.choice(stock.remnants))
    start = rng.randint(0, max(0, len(block) - 4)) if rng.random() < 0.3 else 0
    return block[start:]


def digest(rng: random.Random, stock: Stock) -> list[str]:
    """Other pages with whole sentences of theirs, a date or a name, and a call to read on."""
    call = rng.choice(
        ("Read more", "Read More »", "Full story", "Continue reading →", "More", "Read the whole story", "")
    )
    mark = rng.choice(("", "", "* ", "## ", "### "))
    lines = [rng.choice(("Latest News", "More from the blog", "Related", "In other news", "Recent posts", "", ""))]
    for _ in range(rng.randint(2, 5)):
        when = rng.choice((date(rng), f"By {person(rng)}", byline(rng), f"{rng.randint(1, 23)} hours ago", ""))
        said = " ".join(rng.choice(stock.sentences) for _ in range(rng.choice((1, 1, 1, 2))))
        lines += [mark + rng.choice(stock.titles), when, said, call if rng.random() < 0.8 else ""]
        if rng.random() < 0.2:
            lines.append(rng.choice(SECTIONS))
    return [line for line in lines if line]


def mixed(rng: random.Random, stock: Stock) -> list[str]:
    """Single pieces of many kinds below each other."""
    kinds = rng.sample(sorted(SEEN), rng.randint(2, 6))
    return [line for kind in kinds for line in SEEN[kind](rng).split("\n") if line.strip()]


def ending(rng: random.Random, stock: Stock) -> list[str]:
    """What stands below an article."""
    makers = (share, tags, pagination, comments, advert, copyright_footer, search_box)
    return [line for maker in rng.sample(makers, rng.randint(2, 5)) for line in maker(rng).split("\n") if line.strip()]


BLOCKS: dict[str, Block] = {
    maker.__name__: maker
    for maker in (
        *(column, scraps, headlines, teasers, digest, thread, form, about, notice, mixed, ending, remnant),
        *(cards, archive, cloud, options, calendar, results, player, footer),
    )
}
"""Kinds of blocks, by name; all are for training."""

REMNANTS = 0.35
"""Share of blocks that come from real pages, where there are some."""


def furniture(rng: random.Random, stock: Stock, most_lines: int) -> str:
    """One to four blocks below each other, at most so many lines."""
    lines: list[str] = []
    for _ in range(rng.randint(1, 4)):
        real = stock.remnants and rng.random() < REMNANTS
        block = remnant(rng, stock) if real else BLOCKS[rng.choice(sorted(BLOCKS))](rng, stock)
        if lines and rng.random() < 0.4 and block:
            block[0] = "\n" + block[0]
        lines += block
    return "\n".join(lines[:most_lines]).strip()
