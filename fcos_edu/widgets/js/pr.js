// Section 7's curves: precision against recall, for a class and an IoU that counts as found, and the point on the curve
// that a score threshold chooses.
// data: {images: [{boxes, scores, labels, truth, truthLabels}], classes, names, iou, score, palette}
const explore = (root, data) => {
  const { palette, classes } = data;
  const state = { kind: classes.length > 1 ? -1 : classes[0], iou: data.iou, score: data.score };
  const THRESHOLDS = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95];
  const [width, height] = [420, 350];
  const color = (kind) => palette.colors[kind % palette.colors.length];
  const view = kit.frame(root, {
    width, height,
    hint: "Move the sliders. With the keyboard: Tab to a slider, arrow keys.",
  });
  const redraw = kit.soon(draw);
  if (classes.length > 1) {
    const options = [{ value: -1, text: "all classes" }].concat(classes.map((k) => ({ value: k, text: data.names[k], color: color(k) })));
    kit.chips(view.top, root, "Class", options, state.kind, (value) => {
      state.kind = value;
      redraw();
    });
  }
  kit.slider(view.top, "IoU at least", { min: 0.5, max: 0.95, step: 0.05, value: state.iou, format: (v) => v.toFixed(2) }, (value) => {
    state.iou = THRESHOLDS[Math.round((value - 0.5) / 0.05)];
    redraw();
  });
  kit.slider(view.top, "score at least", { min: 0, max: 1, step: 0.01, value: state.score, format: (v) => v.toFixed(2) }, (value) => {
    state.score = value;
    redraw();
  });

  // The images as one class sees them, and each class's curve at each IoU, computed when it is first asked for.
  const ofClass = (kind) =>
    data.images.map((image) => {
      const mine = image.labels.map((label, i) => (label === kind ? i : -1)).filter((i) => i >= 0);
      return {
        boxes: mine.map((i) => image.boxes[i]),
        scores: mine.map((i) => image.scores[i]),
        truth: image.truth.filter((_, i) => image.truthLabels[i] === kind),
      };
    });
  const images = new Map(classes.map((kind) => [kind, ofClass(kind)]));
  const known = new Map();
  function curve(kind, iou) {
    const key = `${kind} ${iou}`;
    if (!known.has(key)) known.set(key, core.precisionRecall(images.get(kind), iou));
    return known.get(key);
  }
  const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;
  const ap = (iou) => mean((state.kind < 0 ? classes : [state.kind]).map((kind) => curve(kind, iou).ap));

  const ticks = [0, 0.2, 0.4, 0.6, 0.8, 1].map((v) => [v, v]);
  const axes = kit.chart(view, { xTicks: ticks, yTicks: ticks, xName: "recall", yName: "precision", x: (v) => v, y: (v) => v });
  const under = kit.svg(view.canvas, "path", { class: "fcx-under" });
  const raws = classes.map((kind) => kit.svg(view.canvas, "path", { class: "fcx-curve fcx-thin", style: `--own:${color(kind)}` }));
  const bold = kit.svg(view.canvas, "path", { class: "fcx-curve" });
  const guides = [0, 1].map(() => kit.svg(view.canvas, "line", { class: "fcx-needle" }));
  const points = classes.map((kind) => kit.svg(view.canvas, "circle", { class: "fcx-mark", style: `--own:${color(kind)}` }));
  kit.fill(view.canvas, { role: "img" });

  const row = kit.html(view.side, "div", { class: "fcx-figures" });
  const numbers = ["precision", "recall"].map((name) => kit.figure(row, name));
  const meters = [["right", palette.colors[2]], ["wrong", palette.colors[1]], ["missed", "var(--fcx-soft)"]].map(([name, c]) => kit.meter(view.side, name, c));
  kit.html(view.side, "p", { class: "fcx-name", text: "AP at each IoU" });
  const bars = kit.html(view.side, "div", { class: "fcx-bars", "aria-hidden": "true" });
  const columns = THRESHOLDS.map((t) => {
    const column = kit.html(bars, "span");
    const bar = kit.html(kit.html(column, "b"), "i");
    kit.html(column, "small", { text: t.toFixed(2).slice(1) });
    return [column, bar];
  });
  const summary = kit.html(view.side, "p", { class: "fcx-formula fcx-two" });

  // Counts at the score threshold, and the place on the class's curve.
  function at(kind) {
    const found = curve(kind, state.iou);
    const many = found.scores.filter((score) => score >= state.score).length;
    const right = many ? Math.round(found.recall[many - 1] * found.total) : 0;
    return { many, right, total: found.total, recall: right / found.total, precision: many ? right / many : null };
  }

  function draw() {
    axes.update();
    const chosen = state.kind < 0 ? classes : [state.kind];
    const sums = { many: 0, right: 0, total: 0 };
    classes.forEach((kind, i) => {
      const on = chosen.includes(kind);
      raws[i].style.display = on ? "" : "none";
      const place = at(kind);
      points[i].style.display = on && place.precision !== null ? "" : "none";
      if (!on) return;
      const found = curve(kind, state.iou);
      kit.fill(raws[i], { d: kit.polyline(found.recall.map((r, k) => [axes.X(r), axes.Y(found.precision[k])])) });
      if (place.precision !== null) kit.fill(points[i], { cx: axes.X(place.recall), cy: axes.Y(place.precision), r: view.px(6) });
      for (const key of ["many", "right", "total"]) sums[key] += place[key];
    });
    const sampled = curve(chosen[0], state.iou).sampled.map((_, k) => mean(chosen.map((kind) => curve(kind, state.iou).sampled[k])));
    const steps = sampled.map((p, k) => [axes.X(k / 100), axes.Y(p)]);
    const { x0, x1, y1 } = axes.edges();
    bold.style.setProperty("--own", state.kind < 0 ? "var(--fcx-ink)" : color(state.kind));
    bold.style.setProperty("--hue", state.kind < 0 ? "var(--fcx-ink)" : "");
    kit.fill(bold, { d: kit.polyline(steps) });
    kit.fill(under, { d: `${kit.polyline([[x0, y1]].concat(steps, [[x1, y1]]))}Z` });
    const one = chosen.length === 1 ? at(chosen[0]) : null;
    guides.forEach((guide, k) => {
      guide.style.display = one && one.precision !== null ? "" : "none";
      if (!one || one.precision === null) return;
      const [x, y] = [axes.X(one.recall), axes.Y(one.precision)];
      kit.fill(guide, k ? { x1: x0, x2: x, y1: y, y2: y } : { x1: x, x2: x, y1: y, y2: y1 });
    });

    const precision = sums.many ? sums.right / sums.many : null, recall = sums.right / sums.total;
    numbers[0](precision === null ? "\u2013" : precision.toFixed(3));
    numbers[1](recall.toFixed(3));
    const most = Math.max(sums.total, sums.many);
    [sums.right, sums.many - sums.right, sums.total - sums.right].forEach((value, k) => meters[k](value / most, kit.comma(value)));
    const values = THRESHOLDS.map(ap);
    columns.forEach(([column, bar], k) => {
      bar.style.height = `${100 * values[k]}%`;
      column.classList.toggle("fcx-on", THRESHOLDS[k] === state.iou);
    });
    const who = state.kind < 0 ? "mean of the classes" : data.names[state.kind];
    const here = values[THRESHOLDS.indexOf(state.iou)];
    kit.fill(summary, { text: `AP at IoU ${state.iou.toFixed(2)}: ${here.toFixed(3)}\nAP, mean of .50 to .95: ${mean(values).toFixed(3)}` });
    const text =
      `${who}, IoU at least ${state.iou.toFixed(2)}, score at least ${state.score.toFixed(2)}: ${sums.right} right, ` +
      `${sums.many - sums.right} wrong, ${sums.total - sums.right} missed. AP here ${here.toFixed(3)}.`;
    kit.fill(view.canvas, { "aria-label": text });
    view.say(text.charAt(0).toUpperCase() + text.slice(1));
  }
  view.start(draw);
};
