// Eq. 2's box loss: two boxes, their intersection, union and hull; IoU, GIoU and the three losses; and what gradient
// descent on a loss does to the prediction.
// data: {size, boxes: [true box, prediction], loss, palette}
const explore = (root, data) => {
  const [height, width] = data.size;
  const { palette } = data;
  const first = data.boxes.map((box) => box.slice());
  const boxes = data.boxes;
  const KINDS = { iou: "\u2212ln IoU", linear_iou: "1 \u2212 IoU", giou: "1 \u2212 GIoU" };
  const colors = [palette.colors[0], palette.colors[1]];
  const names = ["true box", "prediction"];
  const state = { kind: data.loss, timer: null };

  const view = kit.frame(root, {
    width, height,
    hint:
      "Drag a box, or one of its corners. With the keyboard: Tab to a box, arrow keys move it, with Shift they " +
      "resize it. Arrows on the prediction show where the loss pulls its sides.",
  });
  const redraw = kit.soon(draw);
  const options = Object.entries(KINDS).map(([value, text]) => ({ value, text }));
  kit.chips(view.top, root, "Loss", options, state.kind, (value) => {
    state.kind = value;
    redraw();
  });
  const play = kit.button(view.top, "descend", () => (state.timer === null ? run() : stop()), "follow the gradient");
  kit.button(view.top, "reset", () => {
    stop();
    first.forEach((box, i) => (boxes[i] = box.slice()));
    redraw();
  });

  // ---- the stage
  kit.picture(view, null);
  const hull = kit.svg(view.canvas, "rect", { class: "fcx-hull" });
  const hullName = kit.svg(view.canvas, "text", { class: "fcx-tag fcx-quiet" });
  const fills = boxes.map((_, i) => kit.svg(view.canvas, "rect", { class: "fcx-fill", style: `--own:${colors[i]}` }));
  const shared = kit.svg(view.canvas, "rect", { class: "fcx-shared" });
  const movables = boxes.map((_, i) =>
    kit.movable(view, view.canvas, {
      get: () => boxes[i],
      set: (box) => {
        stop();
        boxes[i] = box;
        redraw();
      },
      name: names[i],
      color: colors[i],
      dash: i ? "7 4" : null,
    }),
  );
  const pulls = [0, 1, 2, 3].map(() => kit.svg(view.canvas, "path", { class: "fcx-pull" }));
  const tags = boxes.map((_, i) => kit.svg(view.canvas, "text", { class: "fcx-tag", style: `--own:${colors[i]}` }));

  // ---- the panel
  const row = kit.html(view.side, "div", { class: "fcx-figures" });
  const numbers = ["IoU", "GIoU"].map((name) => kit.figure(row, name));
  const areas = kit.html(view.side, "p", { class: "fcx-formula fcx-two" });
  kit.html(view.side, "p", { class: "fcx-name", text: "loss against IoU" });
  const chart = plot();
  const losses = Object.keys(KINDS).map((kind, i) => [kind, kit.meter(view.side, KINDS[kind], palette.colors[[3, 2, 5][i]])]);

  // The losses as curves over IoU, with a dot for each where the two boxes are now.
  function plot() {
    const [w, h, top] = [240, 118, 3.4];
    const area = kit.svg(view.side, "svg", { class: "fcx-plot", viewBox: `0 0 ${w} ${h}`, "aria-hidden": "true" });
    const X = (iou) => 26 + iou * (w - 34), Y = (loss) => 6 + (1 - kit.clamp(loss, 0, top) / top) * (h - 26);
    for (const loss of [0, 1, 2, 3]) {
      kit.svg(area, "line", { class: "fcx-rule", x1: X(0), x2: X(1), y1: Y(loss), y2: Y(loss) });
      kit.svg(area, "text", { class: "fcx-tick", x: X(0) - 6, y: Y(loss) + 4, "text-anchor": "end", text: loss });
    }
    for (const iou of [0, 0.5, 1]) {
      kit.svg(area, "text", { class: "fcx-tick", x: X(iou), y: h - 4, "text-anchor": "middle", text: iou });
    }
    const line = (f, color, dash) => {
      let path = "";
      for (let i = 0; i <= 100; i++) {
        const iou = Math.max(i / 100, Math.exp(-top));
        path += `${path ? "L" : "M"}${X(iou).toFixed(1)} ${Y(f(iou)).toFixed(1)}`;
      }
      kit.svg(area, "path", { class: "fcx-curve", d: path, style: `--own:${color}`, "stroke-dasharray": dash });
    };
    line((iou) => -Math.log(iou), palette.colors[3], null);
    line((iou) => 1 - iou, palette.colors[2], "6 3");
    const marks = [3, 2, 5].map((k) => kit.svg(area, "circle", { class: "fcx-mark", r: 4.5, style: `--own:${palette.colors[k]}` }));
    return (iou, values) => values.forEach((loss, i) => kit.fill(marks[i], { cx: X(iou), cy: Y(loss) }));
  }

  function draw() {
    const [truth, guess] = boxes;
    const found = core.overlap(guess, truth);
    const px = view.px;
    boxes.forEach((box, i) => kit.fill(fills[i], kit.corners(box)));
    const around = [0, 1, 2, 3].map((i) => (i < 2 ? Math.min : Math.max)(truth[i], guess[i]));
    kit.fill(hull, kit.corners(around));
    const both = [0, 1, 2, 3].map((i) => (i < 2 ? Math.max : Math.min)(truth[i], guess[i]));
    kit.fill(shared, kit.corners(found.inter > 0 ? both : [0, 0, 0, 0]));
    movables.forEach((movable) => movable.update());
    boxes.forEach((box, i) => view.place(tags[i], box, names[i]));
    // In a corner of the hull that no box covers.
    const [wide, high] = [px(30), px(16)];
    const corner = [[2, 1], [0, 3], [0, 1], [2, 3]].find(([across, down]) => {
      const x = around[across] + (across ? -wide : wide), y = around[down] + (down === 1 ? high : -high);
      return boxes.every((box) => Math.min(...core.ltrb(x, y, box)) <= 0);
    });
    hullName.style.display = corner ? "" : "none";
    if (corner) {
      const x = around[corner[0]] + (corner[0] ? -px(5) : px(5)), y = around[corner[1]] + (corner[1] === 1 ? px(14) : -px(6));
      view.write(hullName, x, y, "hull", 12);
      kit.fill(hullName, { "text-anchor": corner[0] ? "end" : "start" });
    }

    const gradient = core.boxGradient(guess, truth, state.kind);
    const most = Math.max(...gradient.map(Math.abs));
    pulls.forEach((pull, side) => {
      const still = Math.abs(gradient[side]) < 1e-9;
      pull.style.display = still ? "none" : "";
      if (still) return;
      const length = px(10 + 26 * Math.abs(gradient[side]) / most) * -Math.sign(gradient[side]);
      const across = side % 2 === 0;
      const x = across ? guess[side] : (guess[0] + guess[2]) / 2, y = across ? (guess[1] + guess[3]) / 2 : guess[side];
      kit.fill(pull, { d: arrow(x, y, across ? length : 0, across ? 0 : length, px(5)) });
    });

    const values = Object.keys(KINDS).map((kind) => core.boxLoss(found, kind));
    numbers[0](found.iou.toFixed(3));
    numbers[1](kit.fixed(found.giou, 3));
    const areasText =
      `IoU = ${kit.comma(found.inter)} / ${kit.comma(found.union)}\n` +
      `GIoU = IoU \u2212 ${kit.comma(found.hull - found.union)} / ${kit.comma(found.hull)}`;
    kit.fill(areas, { text: areasText });
    chart(found.iou, values);
    // The code keeps the loss finite; the equation does not.
    const told = (kind) => (kind === "iou" && found.inter === 0 ? "\u221e" : core.boxLoss(found, kind).toFixed(3));
    losses.forEach(([kind, meter], i) => meter(values[i] / 3.4, told(kind), kind === state.kind));
    const note = told(state.kind) === "\u221e"
      ? ` The boxes are apart, and \u2212ln 0 is infinite. The code stops at ${values[0].toFixed(3)}.`
      : "";
    const pulled = most < 1e-9 ? (found.iou === 1 ? " The boxes are the same." : " No side is pulled: the gradient is zero.") : "";
    view.say(
      `IoU ${found.iou.toFixed(3)}, GIoU ${kit.fixed(found.giou, 3)}; ${KINDS[state.kind]} is ${told(state.kind)}.${note}${pulled}`,
    );
  }

  function arrow(x, y, dx, dy, head) {
    const length = Math.hypot(dx, dy), [ux, uy] = [dx / length, dy / length];
    const [ex, ey] = [x + dx, y + dy], [bx, by] = [ex - ux * head, ey - uy * head];
    return `M${x} ${y}L${ex} ${ey}M${bx - uy * head} ${by + ux * head}L${ex} ${ey}L${bx + uy * head} ${by - ux * head}`;
  }

  // ---- gradient descent: each step moves the side with the steepest slope by a fixed length
  function stop() {
    if (state.timer === null) return;
    cancelAnimationFrame(state.timer);
    state.timer = null;
    kit.fill(play, { text: "descend" });
  }

  function run() {
    let left = 1200; // steps; far more than it takes
    kit.fill(play, { text: "pause" });
    const tick = () => {
      const gradient = core.boxGradient(boxes[1], boxes[0], state.kind);
      const most = Math.max(...gradient.map(Math.abs));
      const { iou } = core.overlap(boxes[1], boxes[0]);
      const rate = Math.min(2, 60 * (1 - iou) ** 2 + 0.05) * (width / 320);
      if (most < 1e-9 || iou > 0.985 || (left -= 1) < 0) return finish();
      boxes[1] = boxes[1].map((value, side) => {
        const low = side < 2 ? 0 : boxes[1][side - 2] + 4, high = side < 2 ? boxes[1][side + 2] - 4 : [0, 0, width, height][side];
        return kit.clamp(value - (rate * gradient[side]) / most, low, high);
      });
      draw();
      state.timer = requestAnimationFrame(tick);
      return undefined;
    };
    const finish = () => {
      stop();
      boxes[1] = boxes[1].map((value) => Math.round(value));
      draw();
    };
    state.timer = requestAnimationFrame(tick);
  }
  view.start(draw);
};
