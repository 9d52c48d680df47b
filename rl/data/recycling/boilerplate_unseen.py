"""Boilerplate kept for measuring: who removes it has learnt what boilerplate is, not the lists of training."""

import random

from rl.data.recycling.boilerplate import Maker
from rl.data.recycling.boilerplate_words import site, some


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
    ).join(some(rng, names, 3, 7))


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
            f"Download the {site(rng)} app",
            "Get it on Google Play | Download on the App Store",
            f"Open in app. {site(rng)} for iPhone and iPad FREE",
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


UNSEEN: dict[str, Maker] = {
    maker.__name__: maker for maker in (cart, languages, script_notice, rating, weather, app_banner, skip_link)
}
"""Kinds for measuring only."""
