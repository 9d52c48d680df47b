"""Boilerplate as web pages carry it, built from word lists: one maker per kind, each with very many outcomes.

A maker takes a random generator and returns one piece, possibly of several lines. The kinds here are for training;
`rl.data.recycling.boilerplate_unseen` has those kept for measuring.
"""

import random
from collections.abc import Callable

from rl.data.recycling.boilerplate_inline import half_sentence, inline_mark
from rl.data.recycling.boilerplate_words import (
    BRANDS,
    GOODS,
    JOINTS,
    NETWORKS,
    SECTIONS,
    TOPICS,
    arrow,
    cased,
    date,
    person,
    site,
    some,
)

Maker = Callable[[random.Random], str]


def menu(rng: random.Random) -> str:
    """Site sections in a row or a column."""
    joint = rng.choice(JOINTS)
    lead = joint.lstrip("\n") if joint.startswith("\n") else rng.choice(("", "", "", "Menu: ", "Skip to: ", "≡ "))
    return lead + joint.join(cased(rng, word) for word in some(rng, SECTIONS, 2, 9))


def breadcrumb(rng: random.Random) -> str:
    """The path to a page."""
    joint = rng.choice((" > ", " » ", " / ", " › ", " → ", " :: ", " \\ "))
    steps = [rng.choice(("Home", "Start", "Index", "You are here: Home", "Main", site(rng)))]
    return joint.join(steps + [word.title() for word in some(rng, SECTIONS + TOPICS, 1, 4)])


def cookie(rng: random.Random) -> str:
    """A cookie notice."""
    who = rng.choice(
        (
            "We use",
            "This site uses",
            "This website uses",
            "Our website uses",
            f"{site(rng)} uses",
            "We and our partners use",
        )
    )
    what = rng.choice(
        ("cookies", "cookies and similar technologies", "tracking cookies", "necessary and optional cookies")
    )
    why = rng.choice(
        (
            "to improve your experience",
            "to personalise content and ads",
            "to analyse traffic",
            "to give you the best experience on our website",
            "so that the site works as you expect",
            "for statistics",
        )
    )
    end = rng.choice(
        (
            "By continuing you agree to our Cookie Policy.",
            "Accept all | Reject all | Settings",
            "OK, got it",
            "Learn more",
            "Read our privacy policy. Accept",
            "If you continue, we assume that you are happy with it.",
            "Manage preferences",
            "",
        )
    )
    return f"{who} {what} {why}. {end}".strip()


def share(rng: random.Random) -> str:
    """Share buttons."""
    joint = rng.choice((" ", " | ", "\n", ", ", " · ", " / "))
    form = rng.choice(("{}", "{}", "Share on {}", "Tweet {}", "{} this", "Click to share on {} (Opens in new window)"))
    lead = rng.choice(
        (
            "",
            "Share this:",
            "Share",
            "Like this:",
            "Follow us on",
            "Spread the word:",
            "Share this post" + joint,
            "Find us on",
        )
    )
    return f"{lead} {joint.join(form.format(network) for network in some(rng, NETWORKS, 1, 5))}".strip()


def advert(rng: random.Random) -> str:
    """An advertisement or its label."""
    goods = rng.choice(GOODS)
    call = rng.choice(("Shop now", "Click here", "Order today", "Compare prices", "Details"))
    code = f"{rng.choice(BRANDS).upper()}{rng.randint(5, 50)}"
    return rng.choice(
        (
            rng.choice(
                (
                    "Advertisement",
                    "ADVERTISEMENT",
                    "Sponsored",
                    "Sponsored content",
                    "Ad",
                    "- Advertisement -",
                    "Promoted",
                    "Ads by Google",
                )
            ),
            f"Save {rng.randint(5, 80)}% on {goods} today{arrow(rng)}",
            f"Buy {goods} online! Free shipping on orders over ${rng.randint(10, 150)}",
            f"Best {goods} of {rng.randint(2005, 2025)} - {call}{arrow(rng)}",
            f"Looking for cheap {goods}? Click here{arrow(rng)}",
            f"{site(rng)}: {goods} from ${rng.randint(1, 900)}.{rng.randint(0, 99):02d} {call}",
            f"Get your free {goods} quote in {rng.randint(2, 10)} minutes{arrow(rng)}",
            f"Limited offer: {rng.randint(2, 5)} for 1 on all {goods}. Use code {code}",
        )
    )


def rule(rng: random.Random) -> str:
    """A decorative line."""
    mark = rng.choice(
        ("-", "=", "*", "_", "~", ".", "#", "+", "•", "*-", "=-", "~*~", "<>", "- ", "* ", "—", "░", "/", "^")
    )
    return (mark * rng.randint(3, 40)).strip()


def login(rng: random.Random) -> str:
    """A prompt to log in or register."""
    verb, other = (
        rng.choice(("Log in", "Login", "Sign in", "Member login")),
        rng.choice(("Register", "Sign up", "Create an account", "Join now")),
    )
    return rng.choice(
        (
            f"{verb}{rng.choice((' | ', ' / ', ' or ', '  '))}{other}",
            f"You must be logged in to {rng.choice(('comment', 'reply', 'vote', 'see this content', 'download'))}.",
            f"{verb} to your account{arrow(rng)}",
            f"Not a member yet? {other}{arrow(rng)}",
            f"Username: Password: Remember me {verb}",
            f"Forgot your password? {verb}",
            f"Welcome, Guest. Please {verb.lower()} or {other.lower()}.",
            f"Already have an account? {verb}",
        )
    )


def copyright_footer(rng: random.Random) -> str:
    """A footer about rights."""
    mark = rng.choice(("©", "Copyright ©", "Copyright", "(c)", "Copyright (c)"))
    parts = [f"{mark} {rng.randint(1996, 2025)} {site(rng)}"]
    parts += some(
        rng,
        (
            "All rights reserved.",
            "Privacy Policy",
            "Terms of Use",
            "Terms & Conditions",
            "Powered by WordPress",
            "Legal Notice",
            "Imprint",
        ),
        0,
        4,
    )
    return rng.choice((" ", " | ", ". ", "\n", " - ")).join(parts)


def tags(rng: random.Random) -> str:
    """Tags or categories of a post."""
    lead = rng.choice(
        (
            "Tags: ",
            "Tagged: ",
            "Filed under: ",
            "Categories: ",
            "Topics: ",
            "Posted in ",
            "Labels: ",
            "Keywords: ",
            "Tagged with ",
        )
    )
    mark = rng.choice(("", "", "", "#"))
    words = [mark + cased(rng, word) for word in some(rng, TOPICS, 1, 8)]
    return (lead if not mark or rng.random() < 0.5 else "") + rng.choice((", ", " | ", " ", " · ")).join(words)


def pagination(rng: random.Random) -> str:
    """Links to other pages of a list."""
    last, here = rng.randint(2, 60), rng.randint(1, 9)
    return rng.choice(
        (
            f"Page {here} of {last}",
            "« Previous  " + " ".join(str(n) for n in range(1, min(last, 9))) + "  Next »",
            "← Older posts   Newer posts →",
            f"1 2 3 ... {last} Next",
            "Previous | Next",
            f"Showing {here}-{here + 9} of {last * 10} results",
            f"First | Prev | {here} | {here + 1} | Last",
            "Load more",
            "Next page »",
            "Back to top",
            f"Go to page: {here}, {here + 1}, {here + 2}",
        )
    )


def comments(rng: random.Random) -> str:
    """Counts of and calls for comments."""
    count = rng.randint(0, 400)
    return rng.choice(
        (
            f"{count} Comments",
            f"{count} Responses",
            f"Leave a {rng.choice(('Reply', 'Comment', 'comment'))}{arrow(rng)}",
            f"{person(rng)} says: {date(rng)} at {rng.randint(1, 12)}:{rng.randint(0, 59):02d} pm Reply",
            "Be the first to comment",
            f"View all {count} comments{arrow(rng)}",
            f"Comments ({count}) | Permalink | Trackback",
            "Comments are closed.",
            f"{count} Likes  {rng.randint(0, 99)} Replies  {rng.randint(0, 99)} Shares",
        )
    )


def related(rng: random.Random) -> str:
    """Teasers of other pages."""
    lead = rng.choice(
        (
            "Related posts:",
            "You may also like",
            "Related:",
            "See also:",
            "Read next:",
            "More stories",
            "Popular posts",
            "Recommended for you",
            "Most read",
            "Trending now",
            "Recent Posts",
        )
    )
    shapes = (
        "{n} ways to enjoy {t}",
        "Why {t} matters",
        "The best {t} of {y}",
        "{t} and {u}: a guide",
        "How to start with {t}",
        "{p} on {t}",
        "{t} news",
        "Top {n} {t} tips",
        "What we know about {t}",
        "{t} vs {u}",
        "Photos: {t} in {u}",
    )
    titles = []
    for _ in range(rng.randint(1, 4)):
        one, two = rng.sample(TOPICS, 2)
        title = rng.choice(shapes).format(n=rng.randint(3, 25), t=one, u=two, y=rng.randint(2001, 2025), p=person(rng))
        titles.append(cased(rng, title))
    joint = rng.choice(("\n", "\n- ", "\n* ", "\n• ", " | ", "\n» "))
    return lead + (joint if joint.startswith("\n") else " ") + joint.join(titles)


def newsletter(rng: random.Random) -> str:
    """A call to subscribe."""
    ask = rng.choice(
        (
            "Subscribe to our newsletter",
            "Sign up for our newsletter",
            "Get our daily email",
            "Join our mailing list",
            "Subscribe",
            "Never miss a post",
            "Get updates by email",
        )
    )
    return ask + rng.choice(
        (
            "",
            "!",
            f" and save {rng.randint(5, 30)}%",
            ": enter your email address",
            " via RSS",
            f" - join {rng.randint(2, 90)},000 readers",
            ". No spam. Unsubscribe at any time.",
        )
    )


def byline(rng: random.Random) -> str:
    """Who posted, when, how often seen."""
    when, author = date(rng), person(rng)
    return rng.choice(
        (
            f"Posted by {author} on {when}",
            f"By {author} | {when}",
            f"Posted on {when} by {rng.choice(('admin', 'editor', 'webmaster', author))}",
            f"Last updated: {when}",
            f"Published {when}, {rng.randint(1, 12)}:{rng.randint(0, 59):02d} {rng.choice(('am', 'pm', 'GMT', 'EST'))}",
            f"{when} | {rng.randint(1, 9999)} views",
            f"Views: {rng.randint(10, 99999)}",
            f"{author} {rng.choice(('wrote', 'Author', 'Staff Writer', 'Administrator'))}  {when}",
        )
    )


def search_box(rng: random.Random) -> str:
    """A search field."""
    return rng.choice(
        (
            "Search",
            "Search:",
            "Search this site",
            f"Search {site(rng)}",
            "Search for: Go",
            "Type here to search",
            "Find it!",
            "Advanced search",
            "Search by keyword: Submit",
            "Suche",
            "Rechercher",
            "Buscar",
        )
    )


SEEN: dict[str, Maker] = {
    maker.__name__: maker
    for maker in (
        menu,
        breadcrumb,
        cookie,
        share,
        advert,
        rule,
        login,
        copyright_footer,
        tags,
        pagination,
        comments,
        related,
        newsletter,
        byline,
        search_box,
        half_sentence,
    )
}
"""Kinds for training, by name."""

INLINE: dict[str, Maker] = {maker.__name__: maker for maker in (half_sentence, inline_mark, share, advert, login)}
"""Seen kinds that also stand inside a paragraph; only their one-line outcomes are used there."""
