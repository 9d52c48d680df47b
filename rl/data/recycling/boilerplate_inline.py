"""Boilerplate that stands inside a sentence or between two: half sentences of navigation, marks."""

import random

from rl.data.recycling.boilerplate_words import SECTIONS, TOPICS, arrow, site


def half_sentence(rng: random.Random) -> str:
    """Half a sentence of navigation."""
    act = rng.choice(("read", "see", "view", "print", "download", "return to"))
    which = rng.choice(("full ", "", "whole ", "next "))
    thing = rng.choice(
        ("article", "story", "page", "post", "product", "video", "gallery", "report", "recipe", "review")
    )
    return rng.choice(
        (
            f"Click here to {act} the {which}{thing}{arrow(rng)}",
            f"Read more{arrow(rng)}",
            f"Continue reading{arrow(rng)}",
            f"Read the full {thing} here{arrow(rng)}",
            f"Back to {rng.choice(SECTIONS)}",
            f"Go to {rng.choice(SECTIONS).lower()} page",
            f"See more {rng.choice(TOPICS)} {thing}s",
            f"Return to {site(rng)} homepage",
            f"View {rng.choice(('all', 'more', 'larger image', 'profile', 'slideshow', 'source'))}",
            f"Send this {thing} to a friend",
            f"Report this {thing}",
            f"Download {thing} (PDF, {rng.randint(1, 900)} KB)",
            "Learn more" + arrow(rng),
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
