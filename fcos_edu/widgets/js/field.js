// Section 3.2's maps: a cell, what it could see by kernels and strides, and what it does see by gradient.
// data: {size, image, block: pixels to a block of the stored maps, start: index, maps: [{name, rows, columns: first pixel
// and the one behind the last of each cell, size: largest side or null, measured: {rows, columns}: cells with a gradient,
// seen, core: shares of the pixels for each of them, atlas: their maps as one picture}], palette}
const explore = (root, data) => {
  const { palette, maps, block } = data;
  const [height, width] = data.size;
  const state = { map: data.start, row: 0, column: 0 };
  const view = kit.frame(root, {
    width, height,
    hint: `Click a cell, or drag. With the keyboard: Tab to the picture, arrow keys; choose the map above. Influence is shown in blocks of ${block} pixels.`,
  });
  const redraw = kit.soon(draw);
  const map = () => maps[state.map];
  const cell = () => [width / map().columns.length, height / map().rows.length];
  const hue = (name) => palette.levels[(name.match(/\d/) || ["3"])[0]] || palette.colors[0];
  const options = maps.map((one, i) => ({ value: i, text: one.name, color: hue(one.name) }));
  kit.chips(view.top, root, "Map", options, state.map, (value) => {
    // The same place of the picture, on the other map.
    const [w, h] = cell(), x = (state.column + 0.5) * w, y = (state.row + 0.5) * h;
    state.map = Number(value);
    go(x, y);
  });
  const shown = { heat: true };
  const heat = kit.toggle(view.top, "measured influence", true, (on) => {
    shown.heat = on;
    redraw();
  });
  kit.fill(heat.input, { "aria-label": "measured influence" });

  kit.picture(view, data.image);
  const grid = kit.svg(view.canvas, "path", { class: "fcx-cells" });
  const moved = kit.svg(view.canvas, "g", { "aria-hidden": "true" });
  const window_ = kit.svg(moved, "svg", { preserveAspectRatio: "none", width, height });
  const atlases = maps.map((one) => kit.svg(window_, "image", {
    href: one.atlas, class: "fcx-blocks", preserveAspectRatio: "none",
    width: (one.measured.columns.length * width) / block, height: (one.measured.rows.length * height) / block,
  }));
  const field = kit.svg(view.canvas, "rect", { class: "fcx-reach" });
  const spot = kit.svg(view.canvas, "rect", { class: "fcx-cell", style: `--own:${palette.colors[0]}` });
  const glass = kit.svg(view.canvas, "rect", {
    class: "fcx-glass", width, height, tabindex: 0, role: "application", "aria-roledescription": "cells of a map",
    "aria-describedby": view.hint.id,
  });
  function go(x, y) {
    const [w, h] = cell();
    state.column = kit.clamp(Math.floor(x / w), 0, map().columns.length - 1);
    state.row = kit.clamp(Math.floor(y / h), 0, map().rows.length - 1);
    redraw();
  }
  const follow = (point) => go(point[0], point[1]);
  kit.drag(view, glass, { start: follow, move: follow });
  kit.keys(glass, (dx, dy) => {
    const [w, h] = cell();
    go((state.column + dx + 0.5) * w, (state.row + dy + 0.5) * h);
  });

  const row = kit.html(view.side, "div", { class: "fcx-figures" });
  const side = kit.figure(row, "pixels wide, by arithmetic");
  kit.html(view.side, "p", { class: "fcx-name", text: "Share of the picture's pixels" });
  const meters = ["could matter", "do matter", "make 90\u00a0%"].map((name, k) =>
    kit.meter(view.side, name, k ? palette.colors[1] : "var(--fcx-soft)"));
  const note = kit.html(view.side, "p", { class: "fcx-formula" });

  const nearest = (list, value) => list.reduce((best, one, k) => (Math.abs(one - value) < Math.abs(list[best] - value) ? k : best), 0);
  const percent = (share) => (share > 0 && share < 0.001 ? "< 0.1\u00a0%" : kit.percent(share, 1));

  function draw() {
    const one = map(), [w, h] = cell(), { rows, columns } = one.measured;
    const lines = one.columns.map((_, k) => `M${k * w} 0V${height}`).concat(one.rows.map((_, k) => `M0 ${k * h}H${width}`));
    kit.fill(grid, { d: lines.join("") });
    kit.fill(spot, { x: state.column * w, y: state.row * h, width: w, height: h });
    const [x0, x1] = one.columns[state.column], [y0, y1] = one.rows[state.row];
    kit.fill(field, kit.corners([x0, y0, x1, y1]));

    // The nearest cell with a gradient, moved to this one by whole cells.
    const i = nearest(rows, state.row), j = nearest(columns, state.column), at = i * columns.length + j;
    const dx = (state.column - columns[j]) * w, dy = (state.row - rows[i]) * h;
    atlases.forEach((image, k) => { image.style.display = k === state.map ? "" : "none"; });
    kit.fill(window_, { viewBox: `${(j * width) / block} ${(i * height) / block} ${width / block} ${height / block}` });
    kit.fill(moved, { transform: `translate(${dx} ${dy})` });
    moved.style.display = shown.heat ? "" : "none";

    const could = ((x1 - x0) * (y1 - y0)) / (width * height);
    side(one.size === null ? "all" : one.size);
    meters[0](could, percent(could));
    meters[1](one.seen[at], percent(one.seen[at]));
    meters[2](one.core[at], percent(one.core[at]));
    const notes = {
      C: "Only convolutions, and batch norms with fixed statistics, which work cell by cell.",
      P: "The coarser maps were added from the top down. No group norm lies before this map.",
      a: "The head's group norms take a mean and a variance over the whole map, so every pixel has a say.",
    };
    kit.fill(note, { text: notes[one.name[0]] });
    const wide = one.size === null ? "the whole picture, however large" : `${one.size} pixels wide where no border cuts it off`;
    const place = dx || dy ? ` (measured at row ${rows[i]}, column ${columns[j]}, and moved here)` : "";
    const text = `${one.name}, row ${state.row}, column ${state.column}: its field is ${wide}; here that is ${percent(could)} of the picture. ` +
      `${percent(one.seen[at])} of the pixels do have an influence, and ${percent(one.core[at])} make nine tenths of it${place}.`;
    kit.fill(glass, { "aria-label": text });
    view.say(text);
  }
  go(0.45 * width, 0.55 * height);
  view.start(draw);
};
