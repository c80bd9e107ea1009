// Sections 3.1 to 3.3 under the pointer: the location that is nearest, the box that it learns, its four distances,
// its level and its center-ness.
// data: {size: [height, width], boxes, labels, names: of the boxes, levels: [{name, stride, low, high, xs, ys}],
// radius, quirks, image, start, palette}
const explore = (root, data) => {
  const { boxes, levels, palette } = data;
  const [height, width] = data.size;
  const titles = boxes.map((_, i) => data.names[i]);
  const colors = boxes.map((_, i) => palette.colors[i % palette.colors.length]);
  const SIDES = ["l", "t", "r", "b"];
  const many = levels.length > 1;
  const state = { point: data.start, level: many ? "auto" : 0 };

  const view = kit.frame(root, {
    width, height,
    hint:
      "Move over the picture, or drag a finger. With the keyboard: arrow keys step from location to location" +
      (many ? `, ${levels[0].name} to ${levels[levels.length - 1].name} choose a level, A lets the box choose.` : "."),
  });
  const redraw = kit.soon(draw);
  if (many) {
    const options = [{ value: "auto", text: "auto", title: "the level that learns a box here" }].concat(
      levels.map((level, i) => ({
        value: String(i), text: `P${level.name}`, color: palette.levels[level.name], title: `stride ${level.stride}`,
      })),
    );
    view.chips = kit.chips(view.top, root, "Level", options, "auto", (value) => {
      state.level = value === "auto" ? value : Number(value);
      redraw();
    });
  }

  // ---- the stage
  kit.picture(view, data.image);
  const grid = kit.svg(view.canvas, "path", { class: "fcx-grid" });
  const outlines = boxes.map((box, i) =>
    kit.svg(view.canvas, "rect", { class: "fcx-outline", style: `--own:${colors[i]}`, ...kit.corners(box) }),
  );
  const tags = boxes.map((_, i) => kit.svg(view.canvas, "text", { class: "fcx-tag", style: `--own:${colors[i]}` }));
  const central = kit.svg(view.canvas, "rect", { class: "fcx-central" });
  const arms = SIDES.map((side) =>
    kit.svg(view.canvas, "line", { class: "fcx-arm", style: `--own:${palette.sides[side]}` }),
  );
  const letters = SIDES.map((side) =>
    kit.svg(view.canvas, "text", { class: "fcx-letter", style: `--own:${palette.sides[side]}` }),
  );
  const spot = kit.svg(view.canvas, "circle", { class: "fcx-spot" });
  const glass = kit.svg(view.canvas, "rect", {
    class: "fcx-glass", width, height, tabindex: 0, role: "application", "aria-roledescription": "location explorer",
    "aria-label": "Locations of the picture", "aria-describedby": view.hint.id,
  });

  // ---- the panel
  const verdict = kit.html(view.side, "p", { class: "fcx-verdict" });
  const meters = SIDES.map((side) => kit.meter(view.side, side, palette.sides[side]));
  const strip = many ? rangeStrip() : null;
  const heat = gauge();
  const inside = kit.html(view.side, "div", { class: "fcx-list" });

  // The ranges of the levels, equally wide, with a mark at max(l, t, r, b).
  function rangeStrip() {
    kit.html(view.side, "p", { class: "fcx-name", text: "level by max(l, t, r, b)" });
    const bar = kit.html(view.side, "div", { class: "fcx-ranges", "aria-hidden": "true" });
    const cells = levels.map((level) => {
      const color = palette.levels[level.name];
      const cell = kit.html(bar, "span", { style: `--own:${color};--on:${palette.onLevels[level.name]}` });
      kit.html(cell, "b", { text: `P${level.name}` });
      kit.html(cell, "small", { text: Number.isFinite(level.high) ? level.high : "\u221e" });
      return cell;
    });
    const mark = kit.html(bar, "i");
    const bounds = levels.map((level) => level.low).concat(levels[levels.length - 1].high);
    return (farthest) => {
      mark.hidden = farthest === null;
      const on = farthest === null ? [] : core.levelsOf(farthest, bounds, data.quirks);
      cells.forEach((cell, i) => cell.classList.toggle("fcx-on", on.includes(i)));
      if (farthest === null) return;
      const i = on.length ? on[0] : bounds.findIndex((bound) => bound >= farthest) - 1;
      const [low, high] = [bounds[i], bounds[i + 1]];
      // The last range has no end: it is drawn as if it reached four times its beginning.
      const share = Number.isFinite(high) ? (farthest - low) / (high - low) : Math.log(farthest / low) / Math.log(4);
      mark.style.left = `${(100 * (i + kit.clamp(share, 0, 1))) / levels.length}%`;
    };
  }

  function gauge() {
    kit.html(view.side, "p", { class: "fcx-name", text: "center-ness, Eq. 3" });
    const bar = kit.html(view.side, "div", { class: "fcx-gauge" });
    bar.style.background = `linear-gradient(90deg, ${palette.centerness.join(", ")})`;
    const mark = kit.html(bar, "i");
    const text = kit.html(view.side, "p", { class: "fcx-formula" });
    return (d) => {
      mark.hidden = d === null;
      if (d === null) return kit.fill(text, { text: "\u2013" });
      const value = core.centerness(d);
      mark.style.left = `${100 * value}%`;
      const [l, t, r, b] = d.map(kit.short);
      const share = (p, q, x, y) => (x < y ? `${p}/${q}` : `${q}/${p}`);
      const formula = `\u221a(${share(l, r, d[0], d[2])} \u00b7 ${share(t, b, d[1], d[3])}) = ${value.toFixed(2)}`;
      return kit.fill(text, { text: formula });
    };
  }

  // ---- what a point means

  const nearest = (axis, value) =>
    axis.reduce((best, at, i) => (Math.abs(at - value) < Math.abs(axis[best] - value) ? i : best), 0);

  // The location of level i that is nearest to the pointer, and everything about it.
  function look(i) {
    const level = levels[i];
    const [column, row] = [nearest(level.xs, state.point[0]), nearest(level.ys, state.point[1])];
    const [x, y] = [level.xs[column], level.ys[row]];
    const rules = { ...level, radius: data.radius, quirks: data.quirks };
    const found = core.assign(x, y, boxes, rules);
    const holding = boxes
      .map((box, k) => k)
      .filter((k) => Math.min(...core.ltrb(x, y, boxes[k])) > 0)
      .sort((a, b) => core.area(boxes[a]) - core.area(boxes[b]) || a - b);
    const away = Math.hypot(x - state.point[0], y - state.point[1]);
    return { i, level, column, row, x, y, ...found, holding, away };
  }

  // With "auto": of the levels that learn something here, the one whose location is nearest. Where the pointer is in no
  // box that is the finest, although a location of a coarse level, far away, may learn something.
  function choose() {
    if (state.level !== "auto") return look(state.level);
    const all = levels.map((_, i) => look(i));
    if (!boxes.some((box) => Math.min(...core.ltrb(...state.point, box)) > 0)) return all[0];
    const learning = all.filter((one) => one.owner >= 0);
    if (learning.length) return learning.reduce((best, one) => (one.away < best.away ? one : best));
    return all.find((one) => one.holding.length) || all[0];
  }

  // Why does the location not learn the box that it lies in?
  function refusal(one, box) {
    const d = core.ltrb(one.x, one.y, box);
    const farthest = Math.max(...d);
    if (!core.levelsOf(farthest, [one.level.low, one.level.high], data.quirks).length) {
      const high = Number.isFinite(one.level.high) ? kit.short(one.level.high) : "\u221e";
      return `max ${kit.short(farthest)} is outside P${one.level.name}\u2019s range ${one.level.low} to ${high}`;
    }
    return `more than ${data.radius} strides (${kit.short(data.radius * one.level.stride)} px) from its centre`;
  }

  function draw() {
    const one = choose();
    const px = view.px;
    const learns = one.owner >= 0;
    const shown = learns ? one.owner : one.holding.length ? one.holding[0] : -1;
    const d = shown >= 0 ? core.ltrb(one.x, one.y, boxes[shown]) : null;

    if (state.drawn !== one.i) {
      state.drawn = one.i; // a large image has many locations
      kit.fill(grid, { d: kit.dots(one.level.ys.flatMap((y) => one.level.xs.map((x) => [x, y]))) });
      grid.style.stroke = palette.levels[one.level.name];
    }
    boxes.forEach((box, i) => {
      outlines[i].classList.toggle("fcx-on", i === shown && learns);
      outlines[i].classList.toggle("fcx-dim", i !== shown);
      view.place(tags[i], box, titles[i]);
    });
    const half = shown >= 0 && data.radius !== null ? data.radius * one.level.stride : 0;
    central.style.display = half ? "" : "none";
    if (half) {
      const [x0, y0, x1, y1] = boxes[shown];
      const [cx, cy] = [(x0 + x1) / 2, (y0 + y1) / 2];
      const square = [Math.max(x0, cx - half), Math.max(y0, cy - half), Math.min(x1, cx + half), Math.min(y1, cy + half)];
      kit.fill(central, kit.corners(square));
    }
    const ends = d && [[boxes[shown][0], one.y], [one.x, boxes[shown][1]], [boxes[shown][2], one.y], [one.x, boxes[shown][3]]];
    arms.forEach((arm, k) => {
      arm.style.display = letters[k].style.display = d ? "" : "none";
      if (!d) return;
      const [x, y] = ends[k];
      kit.fill(arm, { x1: one.x, y1: one.y, x2: x, y2: y, class: learns ? "fcx-arm" : "fcx-arm fcx-dim" });
      const beside = k % 2 ? [px(10), px(4)] : [0, -px(6)];
      view.write(letters[k], (one.x + x) / 2 + beside[0], (one.y + y) / 2 + beside[1], SIDES[k], 15);
    });
    kit.fill(spot, { cx: one.x, cy: one.y, r: px(6), class: learns ? "fcx-spot fcx-on" : "fcx-spot" });

    const where = `P${one.level.name}, location (${kit.short(one.x)}, ${kit.short(one.y)})`;
    const what = learns ? `learns ${titles[one.owner]}` : "learns background";
    kit.fill(verdict, { text: "" });
    kit.html(verdict, "small", { text: where });
    const line = kit.html(verdict, "strong", { text: what });
    line.style.setProperty("--own", learns ? colors[one.owner] : "var(--fcx-soft)");
    const reason = learns || shown < 0 ? "" : refusal(one, boxes[shown]);

    const farthest = d ? Math.max(...d) : null;
    meters.forEach((meter, k) =>
      meter(d ? d[k] / Math.max(width, height) : 0, d ? kit.short(d[k]) : "\u2013", d && d[k] === farthest),
    );
    if (strip) strip(farthest);
    heat(d);
    inside.textContent = "";
    kit.html(inside, "p", { class: "fcx-none", text: one.holding.length ? "inside of" : "inside of no box" });
    one.holding.slice(0, 3).forEach((k) => {
      const row = kit.html(inside, "p", { style: `--own:${colors[k]}` });
      row.classList.toggle("fcx-strong", k === one.owner);
      kit.html(row, "span", { text: `${titles[k]}, ${kit.comma(core.area(boxes[k]))} px\u00b2` });
      const note = k === one.owner ? (one.claims.length > 1 ? "smallest" : "learnt") : one.claims.includes(k) ? "larger" : "not here";
      kit.html(row, "em", { text: note });
    });

    const numbers = d ? SIDES.map((side, k) => `${side} ${kit.short(d[k])}`).join(", ") : "";
    let text = `${where} ${what}`;
    if (learns) text += `: ${numbers}; center-ness ${core.centerness(d).toFixed(2)}.`;
    else text += shown < 0 ? ": it lies in no box." : `: inside ${titles[shown]}, but ${reason}.`;
    if (one.claims.length > 1) text += ` Ambiguous: ${one.claims.length} boxes claim it, the smallest wins.`;
    view.say(text);
  }

  // ---- pointer and keyboard
  const go = (point) => {
    state.point = [kit.clamp(point[0], 0, width), kit.clamp(point[1], 0, height)];
    redraw();
  };
  glass.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse" && !event.buttons) go(view.at(event));
  });
  kit.drag(view, glass, { start: go, move: go });
  kit.keys(
    glass,
    (dx, dy) => {
      const one = choose();
      const { xs, ys } = one.level;
      go([
        xs[kit.clamp(one.column + dx, 0, xs.length - 1)],
        ys[kit.clamp(one.row + dy, 0, ys.length - 1)],
      ]);
    },
    (key) => {
      const i = levels.findIndex((level) => String(level.name) === key);
      if (!many || (i < 0 && key !== "a" && key !== "A")) return false;
      state.level = i < 0 ? "auto" : i;
      view.chips.choose(state.level);
      redraw();
      return true;
    },
  );
  view.start(draw);
};
