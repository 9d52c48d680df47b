"""What boilerplate is made of: lists of the words web pages have in their furniture, and draws from them."""

import random
from collections.abc import Sequence


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


def some(rng: random.Random, words: Sequence[str], low: int, high: int) -> list[str]:
    """Between `low` and `high` of the words, or all there are."""
    return rng.sample(list(words), rng.randint(low, min(high, len(words))))


def cased(rng: random.Random, text: str) -> str:
    """The text as it is, most often, or in another case."""
    return rng.choice((text, text, text, text.upper(), text.lower(), text.title(), text.capitalize()))


def date(rng: random.Random) -> str:
    """A date in one of the ways pages write it."""
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


def site(rng: random.Random) -> str:
    """Name of a site."""
    return f"{rng.choice(BRANDS)} {rng.choice(TRADES)}"


def person(rng: random.Random) -> str:
    """A full name."""
    return f"{rng.choice(NAMES)} {rng.choice(SURNAMES)}"


def arrow(rng: random.Random) -> str:
    """What a link may end in; mostly nothing."""
    return rng.choice(("", "", " »", " >", " →", "...", " ›", "!", " >>"))
