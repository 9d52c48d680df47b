"""Boilerplate as web pages carry it, built from word lists: one maker per kind, each with very many outcomes.

A maker takes a random generator and returns one piece, possibly of several lines. `SEEN` kinds are for training,
`UNSEEN` ones for measuring only: a cleaner that removes them has learnt what boilerplate is, not these lists.
"""

import random
from collections.abc import Callable, Sequence

Maker = Callable[[random.Random], str]


def _words(table: str) -> list[str]:
    return table.strip().replace("\n", "|").split("|")


SECTIONS = _words("""
Home|About|About Us|Contact|Contact Us|Shop|Blog|News|Events|Gallery|Services|Products|Support|FAQ|Help|Store
Forum|Archive|Archives|Careers|Press|Team|Pricing|Reviews|Videos|Photos|Podcast|Resources|Downloads|Community|Sports
Politics|Business|Health|Science|Travel|Food|Style|Opinion|Weather|Local|World|Tech|Music|Movies|Books|Recipes|Garden
Education|Research|Library|Members|Donate|Volunteer|Partners|Locations|Schedule|Tickets|Menu|Specials|My Account
Wishlist|Sitemap|Site Map|Directory|Classifieds|Jobs|Real Estate|Autos|Obituaries|Games|Deals|Sale|New Arrivals|Brands
Women|Men|Kids|Accessories|Shoes|Bags|Outlet|Gift Cards|Lookbook|Our Story|Press Room|Investors|Newsroom|Case Studies
Solutions|Industries|Training|Webinars|Documentation|API|Status|Features|Plans|Accueil|Boutique|Startseite|Kontakt
Inicio|Tienda|Noticias|Chi siamo|Contatti|Produkte|Über uns|Nyheter|Om oss|Actualités|Servicios""")
TOPICS = _words("""
travel|cooking|garden|fitness|fashion|science|history|music|film|art|design|photography|parenting|money|cars
dogs|cats|football|baseball|hockey|tennis|running|cycling|wine|coffee|tea|baking|vegan|yoga|health|beauty|wedding|home
diy|crafts|knitting|books|poetry|writing|education|school|politics|election|economy|business|marketing|startups|apps
android|iphone|gaming|software|linux|python|security|privacy|climate|energy|space|nature|birds|fishing|camping|hiking
summer|winter|spring|holiday|christmas|easter|family|kids|love|faith|church|local|world|europe|asia|africa|london|paris
texas|canada|australia|india|china|japan|review|guide|tips|news|video|podcast|interview|opinion|giveaway""")
NAMES = _words("""
Anna|Ben|Carla|David|Emma|Frank|Grace|Henry|Irene|Jack|Karen|Liam|Maria|Nathan|Olivia|Peter|Quinn|Rachel|Sam
Tina|Umar|Victor|Wendy|Xavier|Yara|Zoe|Mike|Susan|Tom|Laura|Priya|Chen|Ahmed|Fatima|Jorge|Elena""")
SURNAMES = _words("""
Smith|Jones|Brown|Garcia|Miller|Davis|Wilson|Moore|Taylor|Thomas|Lee|Clark|Lewis|Young|King|Wright|Hill
Green|Baker|Nelson|Carter|Patel|Khan|Nguyen|Kim|Rossi|Weber|Dubois""")
BRANDS = _words("""
Acme|Northwind|Bluebird|Summit|Evergreen|Riverside|Lakeview|Golden|Silverline|Pioneer|Metro|Coastal|Prime
Liberty|Sunrise|Harbor|Crescent|Apex|Vertex|Nimbus|Orchid|Maple|Granite|Falcon""")
TRADES = _words("""
Media|Group|Press|Studios|Labs|Foundation|Holdings|Network|Times|Journal|Magazine|Publishing|Systems|Online
Design|Society|Institute|Partners|Store|Herald""")
MONTHS = _words("January|February|March|April|May|June|July|August|September|October|November|December")
GOODS = _words("""
shoes|laptops|phones|mattresses|car insurance|flights|hotels|vitamins|credit cards|loans|furniture|watches
printers|headphones|jackets|toys|bikes|cameras|tools|curtains|pet food|perfume|sunglasses|handbags""")
NETWORKS = _words("""
Facebook|Twitter|Pinterest|LinkedIn|Reddit|Tumblr|WhatsApp|Email|Instagram|YouTube|Google+|StumbleUpon|Digg
Print|Delicious|Telegram|Flipboard|Pocket""")
JOINTS = (
    " | ",
    " > ",
    " » ",
    " · ",
    " / ",
    "  ",
    " - ",
    " :: ",
    " • ",
    " ~ ",
    " ",
    "\n",
    "\n",
    "\n* ",
    "\n- ",
    "\n• ",
    "\n\n",
    "|",
    ", ",
)


def _some(rng: random.Random, words: Sequence[str], low: int, high: int) -> list[str]:
    return rng.sample(list(words), rng.randint(low, min(high, len(words))))


def _case(rng: random.Random, text: str) -> str:
    return rng.choice((text, text, text, text.upper(), text.lower(), text.title(), text.capitalize()))


def _date(rng: random.Random) -> str:
    month, day, year = rng.choice(MONTHS), rng.randint(1, 28), rng.randint(1999, 2025)
    return rng.choice(
        (
            f"{month} {day}, {year}",
            f"{day} {month} {year}",
            f"{month[:3]} {day}, {year}",
            f"{rng.randint(1, 12)}/{day}/{year}",
            f"{year}-{rng.randint(1, 12):02d}-{day:02d}",
            f"{day}.{rng.randint(1, 12)}.{year}",
        )
    )


def _site(rng: random.Random) -> str:
    return f"{rng.choice(BRANDS)} {rng.choice(TRADES)}"


def _person(rng: random.Random) -> str:
    return f"{rng.choice(NAMES)} {rng.choice(SURNAMES)}"


def _arrow(rng: random.Random) -> str:
    return rng.choice(("", "", " »", " >", " →", "...", " ›", "!", " >>"))


def menu(rng: random.Random) -> str:
    """Site sections in a row or a column."""
    joint = rng.choice(JOINTS)
    lead = joint.lstrip("\n") if joint.startswith("\n") else rng.choice(("", "", "", "Menu: ", "Skip to: ", "≡ "))
    return lead + joint.join(_case(rng, word) for word in _some(rng, SECTIONS, 2, 9))


def breadcrumb(rng: random.Random) -> str:
    """The path to a page."""
    joint = rng.choice((" > ", " » ", " / ", " › ", " → ", " :: ", " \\ "))
    steps = [rng.choice(("Home", "Start", "Index", "You are here: Home", "Main", _site(rng)))]
    return joint.join(steps + [word.title() for word in _some(rng, SECTIONS + TOPICS, 1, 4)])


def cookie(rng: random.Random) -> str:
    """A cookie notice."""
    who = rng.choice(
        (
            "We use",
            "This site uses",
            "This website uses",
            "Our website uses",
            f"{_site(rng)} uses",
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
    return f"{lead} {joint.join(form.format(network) for network in _some(rng, NETWORKS, 1, 5))}".strip()


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
            f"Save {rng.randint(5, 80)}% on {goods} today{_arrow(rng)}",
            f"Buy {goods} online! Free shipping on orders over ${rng.randint(10, 150)}",
            f"Best {goods} of {rng.randint(2005, 2025)} - {call}{_arrow(rng)}",
            f"Looking for cheap {goods}? Click here{_arrow(rng)}",
            f"{_site(rng)}: {goods} from ${rng.randint(1, 900)}.{rng.randint(0, 99):02d} {call}",
            f"Get your free {goods} quote in {rng.randint(2, 10)} minutes{_arrow(rng)}",
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
            f"{verb} to your account{_arrow(rng)}",
            f"Not a member yet? {other}{_arrow(rng)}",
            f"Username: Password: Remember me {verb}",
            f"Forgot your password? {verb}",
            f"Welcome, Guest. Please {verb.lower()} or {other.lower()}.",
            f"Already have an account? {verb}",
        )
    )


def copyright_footer(rng: random.Random) -> str:
    """A footer about rights."""
    mark = rng.choice(("©", "Copyright ©", "Copyright", "(c)", "Copyright (c)"))
    parts = [f"{mark} {rng.randint(1996, 2025)} {_site(rng)}"]
    parts += _some(
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
    words = [mark + _case(rng, word) for word in _some(rng, TOPICS, 1, 8)]
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
            f"Leave a {rng.choice(('Reply', 'Comment', 'comment'))}{_arrow(rng)}",
            f"{_person(rng)} says: {_date(rng)} at {rng.randint(1, 12)}:{rng.randint(0, 59):02d} pm Reply",
            "Be the first to comment",
            f"View all {count} comments{_arrow(rng)}",
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
        title = rng.choice(shapes).format(n=rng.randint(3, 25), t=one, u=two, y=rng.randint(2001, 2025), p=_person(rng))
        titles.append(_case(rng, title))
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
    date, person = _date(rng), _person(rng)
    return rng.choice(
        (
            f"Posted by {person} on {date}",
            f"By {person} | {date}",
            f"Posted on {date} by {rng.choice(('admin', 'editor', 'webmaster', person))}",
            f"Last updated: {date}",
            f"Published {date}, {rng.randint(1, 12)}:{rng.randint(0, 59):02d} {rng.choice(('am', 'pm', 'GMT', 'EST'))}",
            f"{date} | {rng.randint(1, 9999)} views",
            f"Views: {rng.randint(10, 99999)}",
            f"{person} {rng.choice(('wrote', 'Author', 'Staff Writer', 'Administrator'))}  {date}",
        )
    )


def search_box(rng: random.Random) -> str:
    """A search field."""
    return rng.choice(
        (
            "Search",
            "Search:",
            "Search this site",
            f"Search {_site(rng)}",
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


def half_sentence(rng: random.Random) -> str:
    """Half a sentence of navigation."""
    act = rng.choice(("read", "see", "view", "print", "download", "return to"))
    which = rng.choice(("full ", "", "whole ", "next "))
    thing = rng.choice(
        ("article", "story", "page", "post", "product", "video", "gallery", "report", "recipe", "review")
    )
    return rng.choice(
        (
            f"Click here to {act} the {which}{thing}{_arrow(rng)}",
            f"Read more{_arrow(rng)}",
            f"Continue reading{_arrow(rng)}",
            f"Read the full {thing} here{_arrow(rng)}",
            f"Back to {rng.choice(SECTIONS)}",
            f"Go to {rng.choice(SECTIONS).lower()} page",
            f"See more {rng.choice(TOPICS)} {thing}s",
            f"Return to {_site(rng)} homepage",
            f"View {rng.choice(('all', 'more', 'larger image', 'profile', 'slideshow', 'source'))}",
            f"Send this {thing} to a friend",
            f"Report this {thing}",
            f"Download {thing} (PDF, {rng.randint(1, 900)} KB)",
            "Learn more" + _arrow(rng),
            "Share your thoughts below",
            f"Watch the {thing} above",
            f"Enlarge / {rng.choice(TOPICS).title()} {thing}",
        )
    )


def inline_mark(rng: random.Random) -> str:
    """A short mark that a page puts inside its sentences."""
    return rng.choice(
        (
            "[edit]",
            "(Read more)",
            "[Advertisement]",
            "(click to enlarge)",
            "[link]",
            "»",
            "[+]",
            "(more...)",
            "[permalink]",
            "(opens in new window)",
            "Tweet this",
            "[show]",
            "[hide]",
            "(advertisement)",
            "|",
            "Pin it",
            "[PDF]",
            "(log in to view)",
        )
    )


def cart(rng: random.Random) -> str:
    """A shop's buttons."""
    price = f"{rng.choice('$€£')}{rng.randint(1, 400)}.{rng.randint(0, 99):02d}"
    return rng.choice(
        (
            f"Qty: {rng.randint(1, 9)} Add to Cart",
            f"{price} Add to basket",
            f"Your cart is empty ({price})",
            f"In stock: {rng.randint(1, 40)} left. Add to Wish List | Compare",
            f"SKU {rng.randint(1000, 99999)} Availability: in stock",
            f"Was {price} Now {price} Checkout",
        )
    )


def languages(rng: random.Random) -> str:
    """A choice of languages."""
    names = (
        "English",
        "Deutsch",
        "Français",
        "Español",
        "Italiano",
        "Português",
        "Nederlands",
        "Polski",
        "Svenska",
        "Türkçe",
        "Suomi",
        "Dansk",
    )
    return rng.choice(("", "Language: ", "Select language ", "Choose your language: ")) + rng.choice(
        (" | ", " ", " / ", "\n")
    ).join(_some(rng, names, 3, 7))


def script_notice(rng: random.Random) -> str:
    """A complaint about the browser."""
    return rng.choice(
        (
            "Please enable JavaScript to view this site.",
            "Your browser does not support the video tag.",
            "You need Flash Player 9 or higher to play this clip",
            "JavaScript is disabled in your browser. Some features will not work.",
            "Your browser is out of date. Please upgrade it.",
            "Loading... please wait",
        )
    )


def rating(rng: random.Random) -> str:
    """Stars and votes."""
    stars, votes = rng.randint(1, 5), rng.randint(1, 900)
    return rng.choice(
        (
            "★" * stars + "☆" * (5 - stars),
            f"Rating: {stars}.{rng.randint(0, 9)}/5 ({votes} votes cast)",
            f"{votes} people found this helpful. Yes No",
            f"Average customer rating: {stars} out of 5 stars",
            f"Rate this: {'★' * 5} {votes} ratings",
        )
    )


def weather(rng: random.Random) -> str:
    """A weather box."""
    high = rng.randint(-5, 100)
    return rng.choice(
        (
            f"{high}°F Partly Cloudy",
            f"Today: High {high}° Low {high - 12}° 7-Day Forecast",
            f"Current conditions {high}° Humidity: {rng.randint(10, 99)}% Wind: {rng.randint(1, 30)} mph",
            f"Weather | Radar | {high} °C",
        )
    )


def app_banner(rng: random.Random) -> str:
    """A call to install an app."""
    return rng.choice(
        (
            f"Download the {_site(rng)} app",
            "Get it on Google Play | Download on the App Store",
            f"Open in app. {_site(rng)} for iPhone and iPad FREE",
            "Scan the QR code with your phone to install",
            f"Use our free Android app ({rng.randint(1, 90)}K installs)",
        )
    )


def skip_link(rng: random.Random) -> str:
    """Links for screen readers and text size."""
    return rng.choice(
        (
            "Skip to main content",
            "Jump to navigation",
            "Text size: A A A",
            "High contrast | Larger font | Reset",
            "Toggle navigation",
            "Skip to content | Accessibility",
            "Close menu x",
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

UNSEEN: dict[str, Maker] = {
    maker.__name__: maker for maker in (cart, languages, script_notice, rating, weather, app_banner, skip_link)
}
"""Kinds for measuring only."""

INLINE: dict[str, Maker] = {maker.__name__: maker for maker in (half_sentence, inline_mark, share, advert, login)}
"""Seen kinds that also stand inside a paragraph; only their one-line outcomes are used there."""
