"""Every colour and rule of the page and its charts, light and dark, colour-blind safe: one file."""

PALETTE = ("#0072b2", "#e4430f", "#00963c", "#9b0773", "#69290b", "#451198", "#9c545a", "#b076a0")
"""Colours of series on light paper: 3 to 1 against it, apart from each other for every kind of colour vision."""

DARK_PALETTE = ("#56b4e9", "#d99a2b", "#2ee89a", "#c9529f", "#f3f28a", "#a962f0", "#78855c", "#cfe8dc")
"""The same on dark paper."""

LIGHT = {
    "ink": "#1d232b", "soft": "#4d5865", "paper": "#ffffff", "panel": "#f5f7f9", "rule": "#d5dce3", "gone": "#ffdfd9",
    "came": "#d5f2dc", "accent": "#1d5c9e", "mark": "#fff2b8",
    **{f"c{number}": colour for number, colour in enumerate(PALETTE)},
}  # fmt: skip
DARK = {
    "ink": "#e6eaee", "soft": "#a9b4bf", "paper": "#14181d", "panel": "#1c2229", "rule": "#3a4450", "gone": "#63271f",
    "came": "#1f4f2e", "accent": "#8cbcee", "mark": "#5a4a10",
    **{f"c{number}": colour for number, colour in enumerate(DARK_PALETTE)},
}  # fmt: skip


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())


def _series() -> str:
    return "".join(f".c{number}{{color:var(--c{number})}}" for number in range(len(PALETTE)))


COLOURS = (
    f":root{{color-scheme:light dark;{_variables(LIGHT)}}}"
    f"@media screen and (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}"
    f"{_series()}"
)
"""The page's colours as variables, and a class for each series: what another page of ours starts from as well."""

STYLE = (
    COLOURS
    + """
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0; }
header, nav, main, footer { max-width: 1120px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 24px; } footer { padding-bottom: 40px; color: var(--soft); font-size: 14px; }
h1 { font-size: 27px; line-height: 1.25; margin: 0 0 4px; } h2 { font-size: 21px; margin: 0 0 4px; }
h3 { font-size: 17px; margin: 22px 0 6px; } h4, figcaption { font-size: 15px; font-weight: 600; margin: 0 0 4px; }
section { padding-top: 34px; } .lead { color: var(--soft); margin: 0 0 14px; max-width: 78ch; }
a { color: var(--accent); } :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.skip { position: absolute; left: -9999px; } .skip:focus { left: 8px; top: 8px; background: var(--paper);
  padding: 6px; }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 16px; list-style: none; margin: 10px 0 0; padding: 0; }
nav a { display: inline-block; padding: 4px 0; }
.note, .legend, .empty { color: var(--soft); font-size: 14px; margin: 4px 0 10px; max-width: 90ch; }
table { border-collapse: collapse; width: 100%; font-size: 14.5px; } th, td { text-align: left; padding: 5px 14px 5px 0;
  border-bottom: 1px solid var(--rule); vertical-align: top; } td.number, th.number { text-align: right;
  font-variant-numeric: tabular-nums; white-space: nowrap; } .scroll { overflow-x: auto; margin: 0 0 14px; }
th { font-weight: 600; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(330px, 100%), 1fr)); gap: 16px; }
figure { margin: 0 0 16px; background: var(--panel); border-radius: 8px; padding: 12px 14px; min-width: 0;
  display: flex; flex-direction: column; } .grid > figure { margin: 0; } .grid + .scroll { margin-top: 18px; }
figure .foot { display: flex; justify-content: space-between; gap: 12px; margin-top: auto; align-items: end; }
figure .foot a { font-size: 13.5px; white-space: nowrap; padding: 3px 0; } figure .legend { margin: 2px 0 0; }
svg { display: block; width: 100%; height: auto; } svg text { font: 13px system-ui, sans-serif; fill: var(--soft); }
svg .ink { fill: var(--ink); } svg .bold { font-weight: 600; } svg .small { font-size: 12px; }
svg .rule { stroke: var(--rule); } svg .limit { stroke: var(--ink); stroke-width: 1.4; stroke-dasharray: 2 4; }
svg .box { fill: var(--paper); stroke: currentColor; stroke-width: 2; } svg .halo { stroke: var(--panel);
  stroke-width: 5px; paint-order: stroke; stroke-linejoin: round; } svg .arrow { stroke: var(--soft); fill: none; }
svg .head { fill: var(--soft); stroke: none; } .bars { max-width: 760px; } .flow { overflow-x: auto; }
.flow svg { margin: 0 auto; }
.legend span { display: inline-block; margin-right: 14px; } .legend svg { display: inline-block; width: 26px;
  height: 10px; margin-right: 5px; }
.verdicts { list-style: none; margin: 0; padding: 0; display: grid; gap: 12px; } .verdicts li { background:
  var(--panel); border-left: 5px solid var(--soft); border-radius: 4px 8px 8px 4px; padding: 12px 16px; }
.verdicts h3 { margin: 0 0 2px; } .verdicts p { margin: 0; max-width: 90ch; } .verdicts .yes {
  border-color: var(--c2); }
.verdicts .no { border-color: var(--c1); } .verdicts .missing { border-left-style: dashed; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 14px; margin: 0 0 18px; }
.text, .pair > div { background: var(--panel); border-radius: 8px; padding: 12px; white-space: pre-wrap;
  overflow-wrap: anywhere; font-size: 14.5px; min-width: 0; }
.pair h4, .text h4 { white-space: normal; color: var(--soft); }
del { background: var(--gone); color: var(--ink); } ins { background: var(--came); color: var(--ink);
  text-decoration: none; } .samples { display: grid; gap: 12px; margin: 0 0 16px;
  grid-template-columns: repeat(auto-fit, minmax(min(300px, 100%), 1fr)); } .samples .text { max-height: 26em;
  overflow-y: auto; } details { margin: 6px 0; } summary { cursor: pointer; padding: 4px 0; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--panel); padding: 12px; border-radius: 8px;
  font-size: 13.5px; margin: 6px 0; }
@media screen and (max-width: 700px) { .pair { grid-template-columns: 1fr; } header, nav, main, footer { padding-left:
  12px; padding-right: 12px; } .many thead { position: absolute; clip-path: inset(50%); } .many tr { display: block;
  border-bottom: 1px solid var(--rule); padding: 6px 0; } .many th, .many td { display: block; border: 0; padding: 1px
  0; } .many td.number { text-align: left; } .many td::before { content: attr(data-name) ": "; color: var(--soft); }
  .many td:empty { display: none; } }
@media print { body { font-size: 11pt; } header, nav, main, footer { max-width: none; padding-left: 0;
  padding-right: 0; } nav, .skip, .foot a { display: none; } section { padding-top: 18px; }
  th, td, td.number { overflow-wrap: anywhere; white-space: normal; padding-right: 6px; }
  th { overflow-wrap: break-word; } h2, h3, h4, .lead { break-after: avoid; }
  figure, tr, .verdicts li { break-inside: avoid; } figure svg { max-height: 20cm; }
  .grid { display: block; columns: 2; column-gap: 14px; } .grid > figure { margin-bottom: 14px; }
  .flow svg { min-width: 0 !important; } .scroll, .flow, .samples .text { overflow: visible; max-height: none; }
  figure, .text, .pair > div, .verdicts li { border: 1px solid var(--rule); } @page { margin: 14mm; }
  .note, .legend, table { font-size: 9.5pt; } }
"""
)
