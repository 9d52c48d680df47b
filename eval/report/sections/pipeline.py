"""Section: the pipeline as a diagram, with what went along each arrow and what was dropped where and why."""

from eval.report.drawing.figure import figure
from eval.report.drawing.flow import FlowBox, FlowLink, flow_chart
from eval.report.drawing.frame import compact
from eval.report.findings.lineage import Arrow, Lineage, Node, lineage
from eval.report.html import heading, html_table
from eval.report.names import kind, reason, step
from eval.report.sections.view import View
from eval.report.stages import Stage

LEAD = (
    "Read it from above to below: an arrow leads from what was read to what was made of it, and says how many "
    "documents and tokens went along."
)


def pipeline(view: View) -> str:
    """The diagram, and tables of the arrows and of the drops; nothing where no stage reads another."""
    found = lineage(view.stages)
    tables = _drops(view)
    if not found.arrows:
        return tables
    boxes = [FlowBox(node.name, _lines(node), view.colours.of(node.name)) for node in found.nodes]
    links = [FlowLink(arrow.source, arrow.target, _carried(arrow)) for arrow in found.arrows]
    head, rows = _rows(found)
    drawn = flow_chart(boxes, links, f"Diagram of {len(boxes)} pools and models. {_told(found)}")
    scrolled = f'<div class="flow" role="group" tabindex="0" aria-label="Diagram of the pipeline">{drawn}</div>'
    return figure("What was made from what", scrolled, head, rows) + tables


def _lines(node: Node) -> list[str]:
    """What stands in a node's box: what it is, how much it holds, what it dropped."""
    held = _carried(Arrow("", "", node.documents, node.tokens))
    dropped = sum(node.drops.values())
    lines = [kind(node.kind)]
    if held:
        lines.append(", ".join(held))
    if dropped:
        lines.append(f"{dropped:,} documents dropped")
    return lines


def _carried(arrow: Arrow) -> list[str]:
    lines = []
    if arrow.documents is not None:
        lines.append(f"{compact(arrow.documents)} documents" if arrow.documents != 1 else "1 document")
    if arrow.tokens is not None:
        lines.append(f"{compact(arrow.tokens)} tokens")
    return lines


def _rows(found: Lineage) -> tuple[list[str], list[list[object]]]:
    head = ["from", "to", "documents", "tokens"]
    return head, [list(arrow) for arrow in found.arrows]


def _told(found: Lineage) -> str:
    """The arrows in words, for screen readers."""
    return " ".join(f"{' and '.join([*_carried(arrow)]) or 'It'} from {arrow.source} to {arrow.target}."
                    for arrow in found.arrows)  # fmt: skip


def _drops(view: View) -> str:
    """Where documents were dropped and why, each reason with its share of what that step read."""
    rows = []
    for stage in view.stages:
        for where, counts in _counted(stage):
            for key, number in sorted(counts["drops"].items(), key=lambda item: -item[1]):
                share = f"{100 * number / max(counts['docs_in'], 1):.1f} %"
                rows.append([where, reason(key), number, share])
    if not rows:
        return ""
    table = html_table(["where", "why", "documents", "share of what came in"], rows, "Documents dropped, with reasons")
    return heading("What was dropped, where and why") + table


def _counted(stage: Stage) -> list[tuple[str, dict]]:
    """What counts documents in and out: the steps of a filter recipe, else the stage's own stats."""
    steps = stage.dataset.get("steps")
    if steps:
        return [(f"{stage.name}: {step(one['step'])} of {one['source']}", one) for one in steps]
    return [(stage.name, stage.stats)] if "drops" in stage.stats else []
