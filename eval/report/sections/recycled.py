"""Section: pages before and after, differences marked."""

from collections.abc import Sequence

from eval.report.html import escape
from eval.report.recycled import pick_pairs
from eval.report.stages import Stage
from eval.report.textdiff import marked_pair


def text_pairs(stages: Sequence[Stage], wanted: int, longest_chars: int) -> str:
    """Organic pages beside their rephrasings, differences marked."""
    body = []
    for stage in stages:
        for why, document in pick_pairs(stage, wanted, longest_chars):
            old, new = marked_pair(document["organic_text"], document["text"])
            where = escape(document.get("url") or document["id"])
            body.append(
                f'<p class="note">{escape(why)}</p>'
                f'<div class="pair"><div><h3>organic: {where}</h3>{old}</div>'
                f"<div><h3>recycled ({len(document['organic_text']):,} → {len(document['text']):,} characters)</h3>"
                f"{new}</div></div>"
            )
    some = any(stage.recycled and stage.read < stage.stats["docs_out"] for stage in stages)
    among = " Of a large pool, from the first documents of some shards." if some else ""
    note = (
        '<p class="note">The median page, two of the worst tenth and the best, by the share of their prose that is '
        f"kept; the others by chance.{among} Red left out, green put in.</p>"
    )
    return note + "".join(body) if body else ""
