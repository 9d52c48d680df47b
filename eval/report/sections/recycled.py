"""Section: pages before and after, differences marked."""

from collections.abc import Sequence

from eval.report.html import escape
from eval.report.stages import Stage, sample_pairs
from eval.report.textdiff import marked_pair


def text_pairs(stages: Sequence[Stage], wanted: int, longest_chars: int) -> str:
    """Organic pages beside their rephrasings, differences marked."""
    body = []
    for stage in stages:
        for document in sample_pairs(stage, wanted, longest_chars):
            old, new = marked_pair(document["organic_text"], document["text"])
            where = escape(document.get("url") or document["id"])
            body.append(
                f'<div class="pair"><div><h3>organic: {where}</h3>{old}</div>'
                f"<div><h3>recycled ({len(document['organic_text']):,} → {len(document['text']):,} characters)</h3>"
                f"{new}</div></div>"
            )
    some = any(stage.recycled and stage.read < stage.stats["docs_out"] for stage in stages)
    among = ", of a large pool from the first documents of some shards" if some else ""
    note = f'<p class="note">Drawn by the hash of their ids{among}, not picked. Red left out, green put in.</p>'
    return note + "".join(body) if body else ""
