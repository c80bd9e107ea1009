// Section 3.2: who owns each location when boxes overlap, and what the ranges of the levels and center sampling change.
// data: as for the box explorer; level: index of the level that is shown first.
const explore = (root, data) => {
  const { levels, palette } = data;
  const [height, width] = data.size;
  const first = data.boxes.map((box) => box.slice());
  const boxes = data.boxes;
  const colors = boxes.map((_, i) => palette.colors[i % palette.colors.length]);
  const many = levels.length > 1;
  const state = {
    level: data.level, ranges: true, sampling: data.radius !== null, radius: data.radius === null ? 1.5 : data.radius,
  };
  const view = kit.frame(root, {
    width, height,
    hint:
      "Drag a box, or one of its corners. With the keyboard: Tab to a box, arrow keys move it, with Shift they " +
      "resize it.",
  });
  const redraw = kit.soon(draw);

  // ---- controls
  if (many) {
    const options = levels.map((level, i) => ({
      value: i, text: `P${level.name}`, color: palette.levels[level.name], title: `stride ${level.stride}`,
    }));
    kit.chips(view.top, root, "Level", options, state.level, (value) => {
      state.level = value;
      redraw();
    });
    kit.toggle(view.top, "size ranges", true, (on) => {
      state.ranges = on;
      redraw();
    });
  }
  kit.toggle(view.top, "center sampling", state.sampling, (on) => {
    state.sampling = on;
    radius.item.classList.toggle("fcx-off", !on);
    radius.input.disabled = !on;
    redraw();
  });
  const radius = kit.slider(
    view.top, "radius", { min: 0.5, max: 4, step: 0.1, value: state.radius, format: (v) => `${v.toFixed(1)} strides` },
    (value) => {
      state.radius = value;
      redraw();
    },
  );
  radius.item.classList.toggle("fcx-off", !state.sampling);
  radius.input.disabled = !state.sampling;
  kit.button(view.top, "reset", () => {
    first.forEach((box, i) => (boxes[i] = box.slice()));
    redraw();
  });

  // ---- the stage: one path for each colour of dots
  kit.picture(view, data.image);
  const ground = kit.svg(view.canvas, "path", { class: "fcx-ground" });
  const squares = boxes.map((_, i) => kit.svg(view.canvas, "rect", { class: "fcx-central", style: `--own:${colors[i]}` }));
  const rings = kit.svg(view.canvas, "path", { class: "fcx-rings" });
  const dots = boxes.map((_, i) => kit.svg(view.canvas, "path", { class: "fcx-dots", style: `--own:${colors[i]}` }));
  // Small boxes on top, or nobody could take hold of them.
  const order = boxes.map((_, i) => i).sort((a, b) => core.area(boxes[b]) - core.area(boxes[a]));
  const holder = kit.svg(view.canvas, "g");
  const movables = order.map((i) =>
    kit.movable(view, holder, {
      get: () => boxes[i],
      set: (box) => {
        boxes[i] = box;
        redraw();
      },
      name: data.names[i],
      color: colors[i],
    }),
  );
  const tags = boxes.map((_, i) => kit.svg(view.canvas, "text", { class: "fcx-tag", style: `--own:${colors[i]}` }));

  // ---- the panel
  const title = kit.html(view.side, "p", { class: "fcx-name" });
  const row = kit.html(view.side, "div", { class: "fcx-figures" });
  const numbers = ["positive", "ambiguous", "different classes"].map((name) => kit.figure(row, name));
  const share = kit.meter(view.side, "ambiguous", "var(--fcx-ink)");
  const table = kit.html(view.side, "table", { class: "fcx-table" });
  const heads = kit.html(kit.html(table, "thead"), "tr");
  kit.html(heads, "th", { text: "box", scope: "col" });
  const here = kit.html(heads, "th", { scope: "col" });
  if (many) kit.html(heads, "th", { text: "all levels", scope: "col" });
  const rows = boxes.map((_, i) => {
    const line = kit.html(table, "tr", { style: `--own:${colors[i]}` });
    kit.html(kit.html(line, "th", { scope: "row" }), "span", { text: data.names[i] });
    return [kit.html(line, "td"), many ? kit.html(line, "td") : null, line];
  });
  const total = kit.html(view.side, "p", { class: "fcx-total" });

  const rulesOf = (level) => ({
    stride: level.stride,
    low: state.ranges ? level.low : 0,
    high: state.ranges ? level.high : Infinity,
    radius: state.sampling ? state.radius : null,
    quirks: data.quirks,
  });

  function draw() {
    const found = levels.map((level) => core.assignLevel(level.xs, level.ys, boxes, rulesOf(level)));
    const level = levels[state.level];
    const { owner, claims } = found[state.level];
    const points = level.ys.flatMap((y) => level.xs.map((x) => [x, y]));
    const some = (test) => kit.dots(points.filter((_, k) => test(k)));
    // Dots as large as the grid allows.
    const size = kit.clamp((0.62 * level.stride) / view.unit, 4, 11);
    kit.fill(ground, { d: some((k) => owner[k] < 0) });
    kit.fill(rings, { d: some((k) => claims[k].length > 1) });
    rings.style.strokeWidth = `${size + 4}px`;
    dots.forEach((path, i) => {
      kit.fill(path, { d: some((k) => owner[k] === i) });
      path.style.strokeWidth = `${size}px`;
    });
    squares.forEach((square, i) => {
      square.style.display = state.sampling ? "" : "none";
      const [x0, y0, x1, y1] = boxes[i], half = state.radius * level.stride;
      const [cx, cy] = [(x0 + x1) / 2, (y0 + y1) / 2];
      const clipped = [Math.max(x0, cx - half), Math.max(y0, cy - half), Math.min(x1, cx + half), Math.min(y1, cy + half)];
      kit.fill(square, kit.corners(clipped));
    });
    movables.forEach((movable) => movable.update());
    boxes.forEach((box, i) => view.place(tags[i], box, data.names[i]));

    const now = core.countAmbiguous(claims, data.labels);
    const all = core.countAmbiguous(found.flatMap((one) => one.claims), data.labels);
    kit.fill(title, { text: `P${level.name}: ${kit.counted(kit.comma(points.length), "locations", "location")}, one every ${level.stride} px` });
    [now.positive, now.ambiguous, now.different].forEach((value, k) => numbers[k](kit.comma(value)));
    share(now.positive ? now.ambiguous / now.positive : 0, kit.percent(now.ambiguous, now.positive));
    kit.fill(here, { text: `on P${level.name}` });
    const lost = [];
    rows.forEach(([one, sum, line], i) => {
      const mine = owner.filter((index) => index === i).length;
      const everywhere = found.reduce((count, each) => count + each.owner.filter((index) => index === i).length, 0);
      kit.fill(one, { text: kit.comma(mine) });
      if (sum) kit.fill(sum, { text: kit.comma(everywhere) });
      line.classList.toggle("fcx-lost", !everywhere);
      if (!everywhere) lost.push(data.names[i]);
    });
    const sentence = many
      ? `All levels: ${kit.comma(all.positive)} positive, ${kit.comma(all.ambiguous)} ambiguous ` +
        `(${kit.percent(all.ambiguous, all.positive)}).`
      : "";
    kit.fill(total, { text: sentence });
    const losses = lost.length ? ` No location learns ${lost.join(" or ")}.` : "";
    view.say(
      `P${level.name}: ${kit.counted(now.positive, "positive locations", "positive location")}, ${now.ambiguous} of them ambiguous ` +
        `(${kit.percent(now.ambiguous, now.positive)}), ${now.different} of different classes.${losses}`,
    );
  }
  view.start(draw);
};
