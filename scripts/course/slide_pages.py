"""The pages of the slides as text: a deck, the frame of a figure that moves, the style sheet, the list of decks."""

from __future__ import annotations

ENLARGED = 1.65  # a figure that moves: its smallest letters have 11 pixels

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="lib/reset.css">
<link rel="stylesheet" href="lib/reveal.css">
<link rel="stylesheet" href="lib/deck.css">
</head>
<body>
<div class="reveal"><div class="slides">
{slides}
</div></div>
<script>
window.MathJax = {{tex: {{inlineMath: [["\\\\(", "\\\\)"]]}}, svg: {{fontCache: "global"}},
  options: {{enableMenu: false}}}};</script>
<script src="lib/tex-svg.js"></script>
<script src="lib/reveal.js"></script>
<script src="lib/notes.js"></script>
<script src="lib/zoom.js"></script>
<script>
// Words grow until the slide is full, and stop at what the back of the room can read.
const fit = () => {{
  const slide = Reveal.getCurrentSlide(), part = slide && slide.querySelector(".words");
  if (!part) return;
  const scale = Reveal.getScale(), edge = () => part.getBoundingClientRect();
  const over = () => [...part.children].some((one) => one.getBoundingClientRect().bottom > edge().bottom + scale) ||
    part.scrollHeight > part.clientHeight + 1 || part.scrollWidth > part.clientWidth + 1 ||
    [...part.querySelectorAll("pre")].some((one) => one.scrollWidth > one.clientWidth + 1) ||
    [...part.querySelectorAll("mjx-container > svg, table")].some((one) =>
      one.getBoundingClientRect().right > edge().right + scale);
  for (let size = 42; size >= (part.querySelector("pre") ? 27 : 20); size -= 1) {{
    part.style.fontSize = `${{size}}px`;
    if (!over()) break;
  }}
}};
Reveal.on("ready", fit);
Reveal.on("slidechanged", () => {{
  fit();
  requestAnimationFrame(fit);
}});
Reveal.on("fragmentshown", fit);
MathJax.startup.promise.then(fit);
Reveal.initialize({{width: 1280, height: 720, margin: 0, center: false, hash: true, slideNumber: "c/t",
  transition: "none", plugins: [RevealNotes, RevealZoom]}});
</script>
</body>
</html>
"""
FRAME = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title>
<style>
html, body {{ overflow: hidden }}
body {{ margin: 0; font: 14px/1.4 system-ui, sans-serif; background: #fff; color: #1a1a1a }}
.fcx {{ margin: 0 auto !important; max-width: none !important; padding: 4px 6px !important; border: 0 !important }}
.fcx-hint, .fcx-say {{ display: none }}
.fcx .fcx-top, .fcx .fcx-caption {{ margin-bottom: 6px !important }}
.fcx .fcx-top, .fcx .fcx-steps {{ gap: 4px 9px !important }}
.fcx .fcx-top .fcx-slider input {{ width: 66px !important; flex-basis: 66px !important; min-width: 48px }}
.fcx .fcx-top .fcx-slider output {{ min-width: 2.4em !important }}
.fcx .fcx-button {{ padding: 3px 8px !important }}
.fcx .fcx-ranking {{ height: 190px !important }}
.fcx .fcx-bars small, .fcx .fcx-ranges small {{ font-size: 11px !important }}
.fcx .fcx-plot {{ max-width: 240px }}
.fcx-frames {{ width: auto !important }}
.fcx-frames > .fcx-slider {{ margin: 0 auto 4px }}
.fcx-pile {{ margin: 0 auto; justify-items: stretch !important }}
.fcx-pile > img {{ width: 100% }}
/* Beside: the words to the left of the pictures. */
.beside .fcx-frames {{ display: grid; grid-template-columns: 210px 1fr; gap: 0 14px; align-content: start }}
.beside .fcx-frames > .fcx-pile {{ grid-row: 1 / 9; grid-column: 2; width: 100% }}
.beside .fcx-frames > .fcx-slider {{ flex-wrap: wrap; align-self: start }}
/* Columns: the panel in two of them. */
.columns .fcx-stage {{ flex-basis: 140px !important }}
.columns .fcx-side {{ columns: 2; column-gap: 16px; flex: 1 1 376px !important }}
.columns .fcx-side > * {{ break-inside: avoid }}
.columns .fcx-plot .fcx-tick {{ font-size: 15px }}
.fcx-meter {{ min-height: 21px !important }}
.fcx .fcx-name, .fcx .fcx-figures {{ margin: 3px 0 2px !important }}
</style>
</head>
<body>
{body}
<script>
// Of the arrangements in which all is seen, the one with the largest drawing.
const fit = () => {{
  const parts = [...document.querySelectorAll(".fcx-stage, .fcx-pile")], root = document.documentElement;
  const over = () => document.body.getBoundingClientRect().bottom > innerHeight || root.scrollWidth > innerWidth;
  const set = (kind, width) => {{
    document.body.className = kind;
    for (const part of parts) part.style.maxWidth = `${{width}}%`;
  }};
  if (!innerHeight) return;
  let best = null;
  for (const kind of ["", "beside", "columns"]) {{
    for (let width = 100; width > 20; width -= 2) {{
      set(kind, width);
      if (over()) continue;
      const size = parts.length ? parts[0].getBoundingClientRect().width : 1;
      if (!best || size > 1.05 * best.size) best = {{kind, width, size}};
      break;
    }}
  }}
  if (best) set(best.kind, best.width);
  root.style.overflow = document.body.style.overflow = best ? "hidden" : "auto";
}};
addEventListener("load", fit);
addEventListener("resize", fit);
</script>
</body>
</html>
"""
DECK_CSS = """\
.reveal { font: 28px/1.35 system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; color: #1a1a1a }
body { background: #fff }
.reveal .slides { text-align: left }
.reveal .slides section { box-sizing: border-box; height: 100%; padding: 14px 36px 44px }
.reveal .slides section.present, .reveal .slides section.past, .reveal .slides section.future {
  display: flex !important; flex-direction: column }
.reveal .slides section.past, .reveal .slides section.future { visibility: hidden }
.reveal h1 { font-size: 64px; line-height: 1.15; margin: auto 0 30px; color: #1b3a5c }
.reveal h1 + div { flex: 0 0 auto; margin: 0 0 auto; font-size: 40px }
.reveal h2 { flex: none; font-size: 36px; line-height: 1.2; margin: 0 0 14px; color: #1b3a5c }
.reveal p, .reveal li { margin: 0 0 .5em }
.reveal ul, .reveal ol { padding-left: 1.3em; margin: 0 }
.reveal ul { list-style: disc } .reveal ol { list-style: decimal } .reveal ol.choices { list-style: upper-alpha }
.reveal pre { font: .75em/1.35 ui-monospace, "DejaVu Sans Mono", Consolas, monospace; background: #f3f4f6;
  padding: 14px 16px; white-space: pre; overflow: hidden; margin: 0 0 .5em }
.reveal pre.printed { background: none; border-left: 6px solid #9fb3c8; padding: 4px 16px }
.reveal code { font-family: ui-monospace, "DejaVu Sans Mono", Consolas, monospace; font-size: .92em }
.reveal pre code { font-size: 1em }
.reveal table { border-collapse: collapse; margin: 0 auto .5em; font-size: .85em }
.reveal th, .reveal td { padding: .15em .6em; border-bottom: 1px solid #ccc; text-align: left }
.reveal .words > * { flex: none }
.reveal .words { flex: 1; min-height: 0; overflow: hidden; display: flex; flex-direction: column;
  justify-content: space-evenly; font-size: 28px }
.reveal .shown { flex: 1; min-height: 0; display: flex; flex-direction: column; gap: 8px }
.reveal .shown > img, .reveal .shown > .moving { flex: 1; min-height: 0; min-width: 0; width: 100%;
  object-fit: contain }
.reveal .said { flex: none; font-size: 25px; color: #333 }
.reveal .said p:last-child { margin: 0 }
.reveal .beside { flex-direction: row; gap: 28px; align-items: stretch }
.reveal .beside > .said { width: 346px; align-self: center; font-size: 27px }
.reveal section.tall { padding-top: 0 }
.reveal section.tall h2 { width: 346px; margin: 50px 0 0 }
.reveal section.tall .beside > img { position: absolute; left: 404px; top: 8px; width: 868px; height: 704px }
.reveal section.full h2 { position: absolute; left: 214px; right: 12px; bottom: 3px; margin: 0; font-size: 24px }
.reveal section.full .beside > img { position: absolute; left: 12px; top: 6px; width: 1256px; height: 672px }
.reveal .moving { position: relative; overflow: hidden }
.reveal iframe { position: absolute; left: 0; top: 0; border: 0; width: calc(100% / ENLARGED);
  height: calc(100% / ENLARGED); transform: scale(ENLARGED); transform-origin: 0 0 }
.reveal .formula { font-size: 1.15em; text-align: center; margin: .3em 0 }
.reveal a { color: #0b57a4 }
.reveal .slide-number { font-size: 20px; color: #444; background: none; right: auto; left: 16px; bottom: 4px }
.reveal .controls { bottom: 4px; right: auto; left: 190px; font-size: 7px }
/* Letters that grow slowly cannot be measured. */
.reveal .fragment { transition: none }
.reveal strong { font-weight: 700 } .reveal em { font-style: italic }
""".replace("ENLARGED", str(ENLARGED))
INDEX = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Slides</title>
<style>
body {{ font: 1.2rem/1.6 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem }}
details {{ font-size: 1rem }} summary span {{ position: absolute; clip-path: inset(50%) }}
</style></head>
<body><main><h1>Slides</h1>
<p>Space and arrow keys move on, S opens the speaker's notes, Escape shows all slides, F fills the screen. The number
behind a section is that of its slides.</p>
<ol>
{rows}</ol></main></body>
</html>
"""
