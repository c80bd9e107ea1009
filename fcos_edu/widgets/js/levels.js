// Section 3.2 for one box: which locations of which level may learn it, by max(l, t, r, b) and center sampling.
// Two figures: stacked, a box over the maps of all levels; otherwise a close-up, in which a box is squeezed until no
// location is left.
// data: {size: [height, width], box, levels: [{name, stride, low, high, xs, ys, other: {xs, ys} with the other offset}],
// radius, sampling, half: whether xs and ys lie half a stride in, quirks, stacked, palette}
const explore = (root, data) => {
  const { levels, palette, stacked } = data;
  const [height, width] = data.size;
  const first = data.box.slice();
  const least = stacked ? 8 : 2;
  const state = { box: first.slice(), sampling: data.sampling, half: data.half };
  const colors = levels.map((level) => palette.levels[level.name]);
  const view = kit.frame(root, {
    width, height,
    hint:
      (stacked ? "" : "A filled dot may learn the box; a hollow one lies inside, but may not. ") +
      "Drag the box, or one of its corners. With the keyboard: Tab to the box, arrow keys move it, with Shift they " +
      "resize it." + (stacked ? " On the finest maps only the dots that may learn the box are drawn." : ""),
  });
  const redraw = kit.soon(draw);

  // ---- controls
  const sliders = stacked ? [] : [["width", 0, width], ["height", 1, height]].map(([name, axis, most]) =>
    kit.slider(
      view.top, name,
      { min: least, max: most, step: 1, value: first[axis + 2] - first[axis], format: (v) => `${v} px` },
      (value) => squeeze(axis, value, most),
    ),
  );
  kit.toggle(view.top, "center sampling", state.sampling, (on) => {
    state.sampling = on;
    redraw();
  });
  if (!stacked && levels.every((level) => level.other)) {
    kit.toggle(view.top, "half-stride offset", state.half, (on) => {
      state.half = on;
      redraw();
    });
  }
  kit.button(view.top, "reset", () => take(first.slice()));

  // The middle from which the sliders squeeze; it stays while they do, so that nothing drifts by rounding.
  let middle = [0, 0];
  function take(box) {
    state.box = box;
    middle = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
    sliders.forEach((slider, axis) => slider.set(Math.round(box[axis + 2] - box[axis])));
    redraw();
  }
  function squeeze(axis, side, most) {
    const start = kit.clamp(Math.round(middle[axis] - side / 2), 0, most - side);
    [state.box[axis], state.box[axis + 2]] = [start, start + side];
    redraw();
  }

  // ---- which locations

  // The locations of a level that lie inside, those of them whose range fits, and those that may learn the box.
  function look(level) {
    const { xs, ys } = state.half === data.half ? level : level.other;
    const box = state.box;
    const inside = ys.filter((y) => box[1] < y && y < box[3]).flatMap((y) =>
      xs.filter((x) => box[0] < x && x < box[2]).map((x) => [x, y]));
    const by = (radius) => ([x, y]) =>
      core.assign(x, y, [box], { ...level, radius, quirks: data.quirks }).owner === 0;
    const fits = inside.filter(by(null));
    const learns = state.sampling ? inside.filter(by(data.radius)) : fits;
    return { inside, fits, learns, all: [xs, ys] };
  }

  const shown = ([x, y]) => x < width && y < height; // a coarse map may reach beyond the picture

  // Where max(l, t, r, b) <= bound: what two boxes of twice the bound, around two corners, have in common.
  function within(bound) {
    const [x0, y0, x1, y1] = state.box;
    const box = [Math.max(x0, x1 - bound), Math.max(y0, y1 - bound), Math.min(x1, x0 + bound), Math.min(y1, y0 + bound)];
    return box[0] < box[2] && box[1] < box[3] ? `M${box[0]} ${box[1]}H${box[2]}V${box[3]}H${box[0]}Z` : "";
  }
  const band = (level) => within(level.high) + within(level.low);

  function central(level) {
    const [x0, y0, x1, y1] = state.box;
    const [x, y, half] = [(x0 + x1) / 2, (y0 + y1) / 2, data.radius * level.stride];
    return kit.corners([Math.max(x0, x - half), Math.max(y0, y - half), Math.min(x1, x + half), Math.min(y1, y + half)]);
  }

  const sum = (found, key) => found.reduce((count, one) => count + one[key].length, 0);
  const each = (found, key) =>
    found.map((one, i) => (one[key].length ? `${kit.comma(one[key].length)} on P${levels[i].name}` : "")).filter(Boolean).join(", ");

  // Why no location may learn the box: the first hurdle that none takes, as evaluation.recall tells it.
  function reason(found) {
    const inside = sum(found, "inside");
    if (!inside) return "It lies between the locations of all levels.";
    const held = inside === 1 ? "One location lies" : `${kit.comma(inside)} locations lie`;
    if (!sum(found, "fits")) return `${held} inside (${each(found, "inside")}), ${inside === 1 ? "but" : "each"} outside the range of its level.`;
    return `${held} inside, but none of the right level within ${data.radius} strides of the centre.`;
  }

  // ---- the stage: coarse levels first, so that fine ones lie on top
  kit.picture(view, null);
  const order = levels.map((_, i) => i).reverse();
  const bands = [], marks = [];
  for (const i of order) {
    const style = `--own:${colors[i]}`;
    bands[i] = kit.svg(view.canvas, "path", { class: "fcx-band", style, "fill-rule": "evenodd" });
  }
  for (const i of order) {
    const style = `--own:${colors[i]}`;
    marks[i] = ["fcx-all", "fcx-dots", "fcx-hollow", "fcx-rings", "fcx-dots"].map((name) =>
      kit.svg(view.canvas, "path", { class: name, style }),
    );
  }
  const movable = kit.movable(view, kit.svg(view.canvas, "g"), {
    get: () => state.box, set: take, name: "box", color: "var(--fcx-ink)", least,
  });

  function drawStage(found) {
    levels.forEach((level, i) => {
      const [ground, refused, hole, rim, dots] = marks[i];
      const { inside, learns, all } = found[i];
      // In the close-up a level is known by the size of its dots, too.
      const size = stacked
        ? kit.clamp((0.62 * level.stride) / view.unit, 2.5, 11)
        : kit.clamp((2 + 1.2 * i) / view.unit, 3.5 + 2 * i, 6 + 3 * i);
      kit.fill(bands[i], { d: band(level) });
      const mine = new Set(learns);
      const others = stacked ? [] : inside.filter((point) => !mine.has(point));
      const everywhere = stacked ? [] : all[1].flatMap((y) => all[0].map((x) => [x, y]));
      kit.fill(ground, { d: kit.dots(everywhere.filter(shown)) });
      kit.fill(refused, { d: kit.dots(others) });
      kit.fill(hole, { d: kit.dots(others) });
      kit.fill(rim, { d: stacked ? "" : kit.dots(learns) });
      kit.fill(dots, { d: kit.dots(learns) });
      [0.7 * size, size, Math.max(1, size - 3.5), size + 3, size].forEach((wide, k) => {
        marks[i][k].style.strokeWidth = `${wide}px`;
      });
    });
    movable.update();
  }

  const panel = stacked ? stack() : table();

  // ---- the panel of the stacked figure: the maps, one over the other, with the box through all
  function stack() {
    const range = kit.html(view.side, "p", { class: "fcx-label" });
    const [wide, deep, lean, gap, left] = [196, 62, 44, 69, 4];
    const tall = gap * (levels.length - 1) + deep + 12;
    const drawing = kit.svg(view.side, "svg", { class: "fcx-pile-of-maps", viewBox: `0 0 344 ${tall}`, "aria-hidden": "true" });
    const X = (x, y) => left + (wide * x) / width + lean * (1 - y / height);
    const top = (i) => 6 + gap * (levels.length - 1 - i);
    const posts = kit.svg(drawing, "path", { class: "fcx-posts" });
    const maps = levels.map((level, i) => {
      const across = `matrix(${wide / width} 0 ${-lean / height} ${deep / height} ${left + lean} ${top(i)})`;
      const map = kit.svg(drawing, "g", { transform: across, style: `--own:${colors[i]}` });
      kit.svg(map, "rect", { class: "fcx-sheet", width, height });
      const dense = (wide * level.stride) / width < 5; // they would be one grey
      const points = dense ? [] : level.ys.flatMap((y) => level.xs.map((x) => [x, y])).filter(shown);
      kit.svg(map, "path", { class: "fcx-ground", d: kit.dots(points) });
      const parts = {
        band: kit.svg(map, "path", { class: "fcx-band", "fill-rule": "evenodd" }),
        outline: kit.svg(map, "rect", { class: "fcx-shadow" }),
        central: kit.svg(map, "rect", { class: "fcx-central" }),
        dots: kit.svg(map, "path", { class: "fcx-dots" }),
      };
      parts.dots.style.strokeWidth = `${kit.clamp((0.5 * wide * level.stride) / width, 2, 6)}px`;
      const words = (x, y, name) => kit.svg(drawing, "text", { x, y, class: name, style: `--own:${colors[i]}` });
      const middle = top(i) + deep / 2;
      kit.fill(words(256, middle - 2, "fcx-tag"), { text: `P${level.name}` });
      const bounds = Number.isFinite(level.high) ? `${level.low} to ${level.high}` : `from ${level.low}`;
      kit.fill(words(256, middle + 14, "fcx-tick"), { text: `${bounds} px` });
      parts.count = words(340, middle + 2, "fcx-count");
      return parts;
    });
    return (found) => {
      const [x0, y0, x1, y1] = state.box;
      const side = Math.max(x1 - x0, y1 - y0);
      kit.fill(range, { text: `max(l, t, r, b) inside the box: ${kit.short(side / 2)} to ${kit.short(side)} px` });
      const ends = [top(levels.length - 1), top(0)];
      const corner = ([x, y]) => `M${X(x, y)} ${ends[0] + (deep * y) / height}V${ends[1] + (deep * y) / height}`;
      kit.fill(posts, { d: [[x0, y0], [x1, y0], [x0, y1], [x1, y1]].map(corner).join("") });
      maps.forEach((parts, i) => {
        const { learns } = found[i];
        kit.fill(parts.band, { d: band(levels[i]) });
        kit.fill(parts.outline, kit.corners(state.box));
        kit.fill(parts.central, central(levels[i]));
        parts.central.style.display = state.sampling ? "" : "none";
        kit.fill(parts.dots, { d: kit.dots(learns) });
        kit.fill(parts.count, { text: kit.comma(learns.length) });
        parts.count.classList.toggle("fcx-nothing", !learns.length);
      });
    };
  }

  // ---- the panel of the close-up: of each level, what lies inside and what is left
  function table() {
    const verdict = kit.html(view.side, "p", { class: "fcx-verdict" });
    const lines = kit.html(view.side, "table", { class: "fcx-table" });
    const heads = kit.html(kit.html(lines, "thead"), "tr");
    for (const text of ["level", "range", "inside", "may learn"]) kit.html(heads, "th", { text, scope: "col" });
    const rows = levels.map((level, i) => {
      const line = kit.html(lines, "tr", { style: `--own:${colors[i]}` });
      kit.html(kit.html(line, "th", { scope: "row" }), "span", { text: `P${level.name}` });
      kit.html(line, "td", { text: `${level.low}\u2013${Number.isFinite(level.high) ? level.high : "\u221e"}` });
      return { line, inside: kit.html(line, "td"), learns: kit.html(line, "td") };
    });
    return (found) => {
      const many = sum(found, "learns");
      kit.fill(verdict, { text: "" });
      kit.html(verdict, "small", { text: many ? "this box can be found:" : "lost for the best possible recall:" });
      const text = many ? `${kit.counted(kit.comma(many), "locations", "location")} may learn it` : "no location can learn this box";
      kit.html(verdict, "strong", { text }).style.setProperty("--own", many ? "var(--fcx-accent)" : "var(--fcx-warn)");
      rows.forEach((row, i) => {
        kit.fill(row.inside, { text: kit.comma(found[i].inside.length) });
        kit.fill(row.learns, { text: kit.comma(found[i].learns.length) });
        row.line.classList.toggle("fcx-strong", found[i].learns.length > 0);
      });
    };
  }

  function draw() {
    const found = levels.map(look);
    drawStage(found);
    panel(found);
    const sides = `${kit.short(state.box[2] - state.box[0])} \u00d7 ${kit.short(state.box[3] - state.box[1])} pixels`;
    const [inside, learns] = [sum(found, "inside"), sum(found, "learns")];
    root.classList.toggle("fcx-gone", !learns);
    view.say(
      learns
        ? `Box of ${sides}: of ${kit.counted(kit.comma(inside), "locations", "location")} inside, ` +
          `${kit.comma(learns)} may learn it: ${each(found, "learns")}.`
        : `No location can learn this box of ${sides}. ${reason(found)} It counts against the best possible recall.`,
    );
  }
  take(state.box);
  view.start(draw);
};
