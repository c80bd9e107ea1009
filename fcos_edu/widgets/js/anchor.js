// Section 1: the nine anchors of a location over an object that is dragged, the IoU of each, and who learns the object.
// data: {size: [height, width], box, levels: [{stride, columns, rows, cells: [[x0, y0, x1, y1]] around 0}], palette}
const explore = (root, data) => {
  const { levels, palette } = data;
  const [height, width] = data.size;
  const HUES = { learns: palette.colors[2], "left out": palette.colors[5], background: "var(--fcx-soft)" };
  const KINDS = Object.keys(HUES);
  const slug = (kind) => `fcx-${kind.replace(" ", "-")}`;
  const side = (cell, i) => cell[i + 2] - cell[i];
  const named = (cell) => `${kit.short(side(cell, 0))} \u00d7 ${kit.short(side(cell, 1))}`;
  const many = levels.length > 1;
  const state = { box: data.box.slice(), level: many ? "best" : 0, all: false };
  const view = kit.frame(root, {
    width, height,
    hint:
      "Drag the object, or one of its corners. With the keyboard: Tab to it, arrow keys move it, with Shift they " +
      "resize it. Thick: the anchor learns the object. Dashed: it is left out. Thin: background.",
  });
  const redraw = kit.soon(draw);
  if (many) {
    const options = [{ value: "best", text: "best map", title: "the map that has the best anchor" }].concat(
      levels.map((level, i) => ({
        value: String(i), text: `stride ${level.stride}`, color: palette.levels[Math.log2(level.stride)] || HUES.background,
      })),
    );
    kit.chips(view.top, root, "Feature map", options, "best", (value) => {
      state.level = value === "best" ? value : Number(value);
      redraw();
    });
  }
  kit.toggle(view.top, "all that learn it", false, (on) => {
    state.all = on;
    redraw();
  });
  kit.button(view.top, "reset", () => {
    state.box = data.box.slice();
    redraw();
  });

  // ---- the stage
  kit.picture(view, null);
  const dots = [...KINDS].reverse().map((kind) =>
    [kind, kit.svg(view.canvas, "path", { class: `fcx-dots ${slug(kind)}`, style: `--own:${HUES[kind]}` })],
  );
  const every = kit.svg(view.canvas, "path", { class: "fcx-every", style: `--own:${HUES.learns}` });
  const most = Math.max(...levels.map((level) => level.cells.length));
  const frames = Array.from({ length: most }, () => kit.svg(view.canvas, "rect", { class: "fcx-candidate" }));
  const inner = kit.svg(view.canvas, "rect", { class: "fcx-fill", style: `--own:${palette.colors[0]}` });
  const spot = kit.svg(view.canvas, "circle", { class: "fcx-spot" });
  const object = kit.movable(view, view.canvas, {
    get: () => state.box,
    set: (box) => {
      state.box = box;
      redraw();
    },
    name: "object",
    color: palette.colors[0],
  });
  const tag = kit.svg(view.canvas, "text", { class: "fcx-tag", style: `--own:${palette.colors[0]}` });

  // ---- the panel
  const head = kit.html(view.side, "p", { class: "fcx-verdict" });
  const where = kit.html(head, "small"), what = kit.html(head, "strong");
  const board = kit.html(view.side, "div", { class: "fcx-board", role: "list", "aria-label": "the anchors of the location" });
  const cards = Array.from({ length: most }, () => {
    const card = kit.html(board, "span", { role: "listitem" });
    return [card, kit.html(card, "small"), kit.html(card, "b"), kit.html(card, "em")];
  });
  const table = kit.html(view.side, "table", { class: "fcx-table" });
  const line = kit.html(kit.html(table, "thead"), "tr");
  ["", "learn it", "left out", "of", "share"].forEach((text) => kit.html(line, "th", { scope: text && "col", text }));
  const body = kit.html(table, "tbody");
  const rows = (many ? ["this map", "all maps"] : ["this map"]).map((text) => {
    const row = kit.html(body, "tr");
    kit.html(row, "th", { scope: "row", text });
    return [0, 1, 2, 3].map(() => kit.html(row, "td"));
  });

  const share = (part, whole) => `${((100 * part) / whole).toFixed(2)}\u00a0%`;
  const size = (box) => [side(box, 0), side(box, 1)];

  // Why no anchor reaches 0.5, by the best of them.
  function reason(cell) {
    const own = size(state.box), kind = anchors.misfit(size(cell), own);
    if (kind === "place") return "one has the right size and shape, but lies in the wrong place";
    if (kind === "size") return `the object is too ${own[0] * own[1] < side(cell, 0) * side(cell, 1) ? "small" : "large"} for them`;
    const long = (w, h) => Math.max(w, h) / Math.min(w, h);
    const farthest = Math.max(...levels.flatMap((level) => level.cells.map((each) => long(...size(each)))));
    const times = `${kit.short(long(...own))} times as ${own[0] > own[1] ? "wide as high" : "high as wide"}`;
    return `the object is ${times}, and the longest anchors only ${kit.short(farthest)} times`;
  }

  // Where the location of the i-th anchor of a map lies.
  const placeOf = (level, i) => {
    const at = Math.floor(i / level.cells.length);
    return [(at % level.columns) * level.stride, Math.floor(at / level.columns) * level.stride];
  };

  // A dot for each location, by the best of its anchors; on demand all anchors that learn the object.
  function drawMap(level, values) {
    const groups = { learns: [], "left out": [], background: [] };
    const each = level.cells.length;
    for (let i = 0; i < values.length; i += each) {
      groups[anchors.verdict(Math.max(...values.slice(i, i + each)))].push(placeOf(level, i));
    }
    const thick = kit.clamp((0.5 * level.stride) / view.unit, 3, 9);
    dots.forEach(([kind, path]) => {
      kit.fill(path, { d: kit.dots(groups[kind]) });
      path.style.strokeWidth = `${kind === "background" ? 3 : thick}px`;
    });
    let outlines = "";
    values.forEach((value, i) => {
      if (!state.all || anchors.verdict(value) !== "learns") return;
      const [x0, y0, x1, y1] = anchors.placed(level.cells[i % each], ...placeOf(level, i));
      outlines += `M${x0} ${y0}H${x1}V${y1}H${x0}Z`;
    });
    kit.fill(every, { d: outlines });
  }

  // The anchors of the location (x, y), on the stage and in the panel; `top` is the number of the best.
  function drawAnchors(level, x, y, values, top) {
    frames.forEach((frame, k) => {
      const [card, name, number, word] = cards[k];
      const there = k < level.cells.length;
      frame.style.display = card.style.display = there ? "" : "none";
      if (!there) return;
      const cell = level.cells[k], kind = anchors.verdict(values[k]);
      const look = `${slug(kind)}${k === top ? " fcx-top-one" : ""}`;
      kit.fill(frame, { ...kit.corners(anchors.placed(cell, x, y)), class: `fcx-candidate ${look}` });
      kit.fill(card, { class: look });
      for (const node of [frame, card]) node.style.setProperty("--own", HUES[kind]);
      kit.fill(name, { text: named(cell) });
      kit.fill(number, { text: values[k].toFixed(2) });
      kit.fill(word, { text: kind });
    });
  }

  function draw() {
    const found = levels.map((level) => anchors.overlaps(level, state.box));
    const best = found.reduce((top, one, i) => (one.best > found[top].best ? i : top), 0);
    const shown = state.level === "best" ? best : state.level;
    const level = levels[shown], own = found[shown], each = level.cells.length;
    const [column, row] = anchors.nearest(level, state.box);
    const [x, y] = [column * level.stride, row * level.stride];
    const first = (row * level.columns + column) * each;
    const here = own.values.slice(first, first + each);
    const top = here.indexOf(Math.max(...here));
    const learners = here.filter((value) => anchors.verdict(value) === "learns").length;

    drawMap(level, own.values);
    drawAnchors(level, x, y, here, top);
    kit.fill(inner, kit.corners(state.box));
    kit.fill(spot, { cx: x, cy: y, r: view.px(5), class: learners ? "fcx-spot fcx-on" : "fcx-spot" });
    object.update();
    const text = `object, ${named(state.box)}`;
    view.place(tag, state.box, text);

    const place = `stride ${level.stride}, location (${x}, ${y})`;
    kit.fill(where, { text: place });
    const how = learners || "none", verb = learners > 1 ? "learn" : "learns";
    kit.fill(what, { text: `${how} of ${each} ${verb} it` });
    what.style.setProperty("--own", learners ? HUES.learns : HUES.background);
    const sum = (of) => found.reduce((total, one) => total + of(one), 0);
    const all = [sum((one) => one.learn), sum((one) => one.out), sum((one) => one.values.length)];
    [[own.learn, own.out, own.values.length], all].slice(0, rows.length).forEach(([learn, out, count], i) => {
      const texts = [kit.comma(learn), kit.comma(out), kit.comma(count), share(learn, count)];
      texts.forEach((value, k) => kit.fill(rows[i][k], { text: value }));
    });

    const whole = many ? "of all maps" : "of the map";
    let sentence =
      `Object of ${named(state.box)} pixels. At ${place}, ${how} of its ${kit.counted(each, "anchors", "anchor")} ` +
      `${verb} it; the best, ${named(level.cells[top])}, has IoU ${here[top].toFixed(2)}. `;
    if (all[0]) {
      sentence += `${kit.comma(all[0])} of the ${kit.comma(all[2])} anchors ${whole} ${all[0] > 1 ? "learn" : "learns"} it, `;
      sentence += `${share(all[0], all[2])}.`;
    } else {
      const value = found[best].best, equal = anchors.sharing(found, value);
      const rule = equal > 1 ? `its best anchors (${kit.comma(equal)} share it)` : "its best anchor";
      sentence +=
        `No anchor ${many ? "of any map" : "of the map"} reaches 0.5: ${reason(levels[best].cells[found[best].cell])}. The highest IoU is ` +
        `${value.toFixed(2)}; only an emergency rule would let ${rule} learn the object.`;
    }
    view.say(sentence);
  }
  view.start(draw);
};
