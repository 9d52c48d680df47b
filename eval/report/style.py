"""Every colour and rule of the page and its charts, light and dark, colour-blind safe: one file."""

PALETTE = ("#2a6fbb", "#d9730d", "#2f8f5b", "#b5446e", "#6b5bb5", "#8a6d3b", "#4aa3a2", "#7a7a7a")


STYLE = """
:root { color-scheme: light dark; --ink: #1d232b; --soft: #5d6875; --paper: #ffffff; --panel: #f5f7f9; --rule: #dde3e9;
  --gone: #ffdfd9; --came: #d5f2dc; --accent: #2a6fbb; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaee; --soft: #9aa5b1; --paper: #14181d; --panel: #1c2229;
  --rule: #323b45; --gone: #5b2720; --came: #1f4a2c; --accent: #7fb2e8; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto;
  max-width: 1080px; padding: 24px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 40px 0 10px; padding-bottom: 4px;
  border-bottom: 1px solid var(--rule); } h3 { font-size: 14px; margin: 0 0 6px; }
p.lead, .note, .legend, .empty { color: var(--soft); } .note { font-size: 13px; margin: 4px 0 12px; }
nav a { margin-right: 14px; color: var(--accent); text-decoration: none; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; } th, td { text-align: left; padding: 5px 10px 5px 0;
  border-bottom: 1px solid var(--rule); vertical-align: top; } td.number, th.number { text-align: right;
  font-variant-numeric: tabular-nums; white-space: nowrap; } .scroll { overflow-x: auto; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(320px, 1fr)); gap: 18px; }
figure { margin: 0; background: var(--panel); border-radius: 8px; padding: 12px; } svg { width: 100%; height: auto; }
svg text { font: 11px system-ui, sans-serif; fill: var(--soft); } svg .grid { stroke: var(--rule); }
svg.bars { max-width: 760px; } svg.bars text { fill: var(--ink); }
.legend { font-size: 12.5px; margin: 4px 0 0; } .legend span { margin-right: 14px; white-space: nowrap; } .legend i {
  display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 5px; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 14px; margin: 0 0 18px; } .pair > div { background:
  var(--panel); border-radius: 8px; padding: 12px; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 13.5px; }
.pair h3 { white-space: normal; color: var(--soft); font-weight: 600; } del { background: var(--gone); } ins {
  background: var(--came); text-decoration: none; } @media (max-width: 700px) { .pair { grid-template-columns: 1fr; } }
"""
