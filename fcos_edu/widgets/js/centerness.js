// Section 3.3: the map of Eq. 3 over a box, a location in it, and the score that is left after the multiplication.
// data: {size, box, point, score, palette}
const explore = (root, data) => {
  const [height, width] = data.size;
  const { palette } = data;
  const first = { box: data.box.slice(), point: data.point.slice() };
  const state = { box: data.box, point: data.point, score: data.score, root: true };
  const SIDES = ["l", "t", "r", "b"];

  const view = kit.frame(root, {
    width, height,
    hint:
      "Drag the location, the box or one of its corners. With the keyboard: Tab to the location or the box, arrow " +
      "keys move it, with Shift they resize the box.",
  });
  const redraw = kit.soon(draw);
  kit.toggle(view.top, "square root", true, (on) => {
    state.root = on;
    paint();
    redraw();
  });
  const score = kit.slider(
    view.top, "class score", { min: 0, max: 1, step: 0.01, value: state.score, format: (v) => v.toFixed(2) }, (value) => {
      state.score = value;
      redraw();
    },
  );
  kit.button(view.top, "reset", () => {
    [state.box, state.point] = [first.box.slice(), first.point.slice()];
    state.score = data.score;
    score.set(state.score);
    redraw();
  });

  const value = (d) => (state.root ? core.centerness(d) : core.centerness(d) ** 2);

  // ---- the stage. The map depends on where in the box a point is, not on the box: one picture for all, stretched.
  kit.picture(view, null);
  const heat = kit.svg(view.canvas, "image", { preserveAspectRatio: "none", "aria-hidden": "true" });
  const LEVELS = [0.2, 0.4, 0.6, 0.8];
  const contours = LEVELS.map(() => kit.svg(view.canvas, "path", { class: "fcx-contour" }));
  const marks = LEVELS.map(() => kit.svg(view.canvas, "text", { class: "fcx-contour-name" }));
  const frame = kit.movable(view, view.canvas, {
    get: () => state.box,
    set(box) {
      const share = [0, 1].map((i) => (state.point[i] - state.box[i]) / (state.box[i + 2] - state.box[i]));
      state.box = box; // the location keeps its place in the box
      move([0, 1].map((i) => box[i] + share[i] * (box[i + 2] - box[i])));
    },
    name: "box", color: "var(--fcx-ink)", least: 16,
  });
  const arms = SIDES.map((side) => kit.svg(view.canvas, "line", { class: "fcx-arm", style: `--own:${palette.sides[side]}` }));
  const letters = SIDES.map((side) => kit.svg(view.canvas, "text", { class: "fcx-letter", style: `--own:${palette.sides[side]}` }));
  const spot = kit.svg(view.canvas, "circle", {
    class: "fcx-spot fcx-on fcx-grab", tabindex: 0, role: "application", "aria-roledescription": "movable location",
    "aria-describedby": view.hint.id,
  });

  function move(point) {
    state.point = [0, 1].map((i) => kit.clamp(point[i], state.box[i] + 0.5, state.box[i + 2] - 0.5));
    redraw();
  }
  kit.drag(view, spot, {
    start: (point) => [state.point[0] - point[0], state.point[1] - point[1]],
    move: (point, from) => move([point[0] + from[0], point[1] + from[1]]),
  });
  const step = Math.max(1, Math.round(width / 160));
  kit.keys(spot, (dx, dy) => move([state.point[0] + dx * step, state.point[1] + dy * step]));

  function paint() {
    const n = 96;
    const canvas = kit.html(null, "canvas", { width: n, height: n });
    const pen = canvas.getContext("2d");
    const pixels = pen.createImageData(n, n);
    for (let row = 0; row < n; row++) {
      for (let column = 0; column < n; column++) {
        const [x, y] = [(column + 0.5) / n, (row + 0.5) / n];
        pixels.data.set([...shade(value([x, y, 1 - x, 1 - y])), 255], 4 * (row * n + column));
      }
    }
    pen.putImageData(pixels, 0, 0);
    kit.fill(heat, { href: canvas.toDataURL() });
  }

  // The palette's colours, in between by straight lines.
  function shade(share) {
    const stops = palette.centerness.map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
    const at = kit.clamp(share, 0, 1) * (stops.length - 1), low = Math.min(Math.floor(at), stops.length - 2);
    return stops[low].map((channel, i) => Math.round(channel + (at - low) * (stops[low + 1][i] - channel)));
  }

  // Points of equal value in the box -1..1 x -1..1: there min/max is (1 - |a|) / (1 + |a|) in each direction.
  function contour(level) {
    const product = state.root ? level ** 2 : level;
    const far = (1 - product) / (1 + product), half = [];
    for (let i = 0; i <= 48; i++) {
      const a = far * Math.sin(((i / 48) * 2 - 1) * (Math.PI / 2));
      const vertical = (product * (1 + Math.abs(a))) / (1 - Math.abs(a));
      half.push([a, Math.max(0, (1 - vertical) / (1 + vertical))]);
    }
    return { far, ring: half.concat(half.slice().reverse().map(([a, b]) => [a, -b])) };
  }

  // ---- the panel
  const row = kit.html(view.side, "div", { class: "fcx-figures" });
  const numbers = ["center-ness", "score \u00d7 center-ness"].map((name) => kit.figure(row, name));
  const meters = SIDES.map((side) => kit.meter(view.side, side, palette.sides[side]));
  kit.html(view.side, "p", { class: "fcx-name", text: "the smaller distance as a share of the larger" });
  const across = kit.meter(view.side, "l, r", "var(--fcx-soft)"), down = kit.meter(view.side, "t, b", "var(--fcx-soft)");
  const formula = kit.html(view.side, "p", { class: "fcx-formula" });
  kit.html(view.side, "p", { class: "fcx-name", text: "along the row of the location" });
  const [w, h] = [240, 86];
  const plot = kit.svg(view.side, "svg", { class: "fcx-plot", viewBox: `0 0 ${w} ${h}`, "aria-hidden": "true" });
  const X = (share) => 20 + share * (w - 28), Y = (v) => 8 + (1 - v) * (h - 16);
  for (const v of [0, 0.5, 1]) {
    kit.svg(plot, "line", { class: "fcx-rule", x1: X(0), x2: X(1), y1: Y(v), y2: Y(v) });
    kit.svg(plot, "text", { class: "fcx-tick", x: X(0) - 4, y: Y(v) + 4, "text-anchor": "end", text: v });
  }
  const profile = kit.svg(plot, "path", { class: "fcx-curve", style: `--own:${palette.colors[1]}` });
  const mark = kit.svg(plot, "circle", { class: "fcx-mark", r: 4.5, style: `--own:${palette.colors[5]}` });

  function draw() {
    const px = view.px, [x0, y0, x1, y1] = state.box, [x, y] = state.point;
    const d = core.ltrb(x, y, state.box), c = value(d);
    kit.fill(heat, kit.corners(state.box));
    const [cx, cy, rx, ry] = [(x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / 2, (y1 - y0) / 2];
    LEVELS.forEach((level, i) => {
      const { far, ring } = contour(level);
      kit.fill(contours[i], { d: `${kit.polyline(ring.map(([a, b]) => [cx + a * rx, cy + b * ry]))}Z` });
      view.write(marks[i], cx, cy + far * ry - px(3), level, 11);
    });
    const tall = 2 * ry > px(110);
    marks.forEach((node) => (node.style.display = tall ? "" : "none"));
    frame.update();
    const ends = [[x0, y], [x, y0], [x1, y], [x, y1]];
    arms.forEach((arm, k) => {
      const [ex, ey] = ends[k];
      kit.fill(arm, { x1: x, y1: y, x2: ex, y2: ey });
      view.write(letters[k], (x + ex) / 2 + (k % 2 ? px(10) : 0), (y + ey) / 2 + (k % 2 ? px(4) : -px(6)), SIDES[k], 15);
    });
    kit.fill(spot, { cx: x, cy: y, r: px(8), "aria-label": `location at ${kit.short(x)}, ${kit.short(y)}` });

    numbers[0](c.toFixed(2));
    numbers[1]((state.score * c).toFixed(2));
    meters.forEach((meter, k) => meter(d[k] / Math.max(width, height), kit.short(d[k])));
    const shares = [0, 1].map((k) => Math.min(d[k], d[k + 2]) / Math.max(d[k], d[k + 2]));
    across(shares[0], shares[0].toFixed(2));
    down(shares[1], shares[1].toFixed(2));
    const product = `${shares[0].toFixed(2)} \u00b7 ${shares[1].toFixed(2)}`;
    kit.fill(formula, { text: `${state.root ? `\u221a(${product})` : product} = ${c.toFixed(2)}` });
    const line = [];
    for (let i = 0; i <= 100; i++) {
      const at = x0 + (i / 100) * (x1 - x0);
      line.push([X(i / 100), Y(value(core.ltrb(at, y, state.box)))]);
    }
    kit.fill(profile, { d: kit.polyline(line) });
    kit.fill(mark, { cx: X((x - x0) / (x1 - x0)), cy: Y(c) });
    const name = state.root ? "center-ness" : "product without the root";
    view.say(
      `l ${kit.short(d[0])}, t ${kit.short(d[1])}, r ${kit.short(d[2])}, b ${kit.short(d[3])}: ${name} ${c.toFixed(2)}. ` +
        `A class score of ${state.score.toFixed(2)} becomes ${(state.score * c).toFixed(2)}.`,
    );
  }
  paint();
  view.start(draw);
};
