// Eq. 2's classification loss: cross-entropy, what gamma and alpha make of it, and what that does to many easy negatives.
// data: {gamma, alpha, p, positives, negatives, prior, palette}
const explore = (root, data) => {
  const { palette } = data;
  const state = { gamma: data.gamma, alpha: data.alpha, p: data.p, log: false };
  const [width, height, top, floor] = [440, 320, 5, 1e-6];
  const view = kit.frame(root, {
    width, height,
    hint: "Drag over the curves to choose p. With the keyboard: Tab to the curves, left and right arrow keys.",
  });
  const redraw = kit.soon(draw);
  const number = (v) => v.toFixed(2);
  const gamma = kit.slider(view.top, "\u03b3", { min: 0, max: 5, step: 0.1, value: state.gamma, format: (v) => v.toFixed(1) }, (v) => {
    state.gamma = v;
    redraw();
  });
  const alpha = kit.slider(view.top, "\u03b1", { min: 0, max: 1, step: 0.01, value: state.alpha, format: number }, (v) => {
    state.alpha = v;
    redraw();
  });
  kit.toggle(view.top, "log scale", false, (on) => {
    state.log = on;
    rules();
    redraw();
  });
  kit.button(view.top, "reset", () => {
    Object.assign(state, { gamma: data.gamma, alpha: data.alpha, p: data.p });
    gamma.set(state.gamma);
    alpha.set(state.alpha);
    redraw();
  });

  // ---- the stage: two diagrams, of which one is shown
  const shares = [0, 0.2, 0.4, 0.6, 0.8, 1].map((v) => [v, v]);
  const shared = { xTicks: shares, xName: "p of the right answer", yName: "loss", x: (v) => v };
  const linear = kit.chart(view, { ...shared, yTicks: [0, 1, 2, 3, 4, 5].map((v) => [v, v]), y: (v) => Math.min(v, top) / top });
  const log = kit.chart(view, {
    ...shared,
    yTicks: [1, 0.1, 0.01, 0.001, 1e-4, 1e-5, 1e-6].map((v) => [v, v >= 0.001 ? v : `10\u207b${"\u2074\u2075\u2076"[-Math.round(Math.log10(v)) - 4]}`]),
    y: (v) => kit.clamp(Math.log10(Math.max(v, floor) / floor) / Math.log10(10 / floor), 0, 1),
  });
  const scenes = view.canvas.querySelectorAll("g");
  const rules = () => {
    scenes[0].style.display = state.log ? "none" : "";
    scenes[1].style.display = state.log ? "" : "none";
  };
  rules();
  const CURVES = [
    ["cross-entropy", "var(--fcx-soft)", "7 4", (p) => -Math.log(p)],
    ["focal, a positive", palette.colors[0], null, (p) => core.focal(core.logit(p), 1, state.alpha, state.gamma)],
    ["focal, a negative", palette.colors[1], "2 3", (p) => core.focal(core.logit(1 - p), 0, state.alpha, state.gamma)],
  ];
  const lines = CURVES.map(([, color, dash]) =>
    kit.svg(view.canvas, "path", { class: "fcx-curve", style: `--own:${color}`, "stroke-dasharray": dash }),
  );
  const needle = kit.svg(view.canvas, "line", { class: "fcx-needle" });
  const names = CURVES.map(([, color]) => kit.svg(view.canvas, "text", { class: "fcx-tag", style: `--own:${color}` }));
  const marks = CURVES.map(([, color]) => kit.svg(view.canvas, "circle", { class: "fcx-mark", style: `--own:${color}` }));
  const glass = kit.svg(view.canvas, "rect", {
    class: "fcx-glass fcx-across", width, height, tabindex: 0, role: "slider", "aria-label": "p of the right answer",
    "aria-valuemin": 0.01, "aria-valuemax": 0.99, "aria-describedby": view.hint.id,
  });
  const go = (p) => {
    state.p = kit.clamp(Math.round(p * 100) / 100, 0.01, 0.99);
    redraw();
  };
  const follow = (point) => go(linear.share(point[0]));
  kit.drag(view, glass, { start: follow, move: follow, scrolls: true });
  kit.keys(glass, (dx, dy) => go(state.p + 0.01 * (dx - dy)));

  // ---- the panel
  const row = kit.html(view.side, "div", { class: "fcx-figures" });
  const numbers = ["p", "(1 \u2212 p)^\u03b3"].map((name) => kit.figure(row, name));
  const meters = CURVES.map(([name, color]) => kit.meter(view.side, name, color));
  const counts = `${kit.counted(kit.comma(data.positives), "positives", "positive")}, ` +
    kit.counted(kit.comma(data.negatives), "negatives", "negative");
  kit.html(view.side, "p", { class: "fcx-name", text: `an untrained detector: p = ${data.prior} for a class everywhere, ${counts}` });
  const sums = ["cross-entropy", "focal"].map((name) => {
    kit.html(view.side, "p", { class: "fcx-label", text: `${name}: share of the loss` });
    const bar = kit.html(view.side, "div", { class: "fcx-split", "aria-hidden": "true" });
    const parts = [palette.colors[0], palette.colors[1]].map((color) => kit.html(bar, "i", { style: `--own:${color}` }));
    const text = kit.html(view.side, "p", { class: "fcx-shares" });
    const [left, right] = [kit.html(text, "span"), kit.html(text, "span")];
    return (positive, negative) => {
      const whole = positive + negative;
      parts[0].style.width = `${(100 * positive) / (whole || 1)}%`;
      parts[1].style.width = `${(100 * negative) / (whole || 1)}%`;
      kit.fill(left, { text: `positives ${kit.percent(positive, whole)}` });
      kit.fill(right, { text: `negatives ${kit.percent(negative, whole)}` });
    };
  });

  // Three digits after the point, two that count below 0.01, powers of ten where zeros would have to be counted.
  function digits(v) {
    if (v >= 0.01 || v === 0) return v.toFixed(3);
    if (v >= 1e-4) return String(Number(v.toPrecision(2)));
    const [head, power] = v.toExponential(1).split("e-");
    return `${head}\u00b710\u207b${[...power].map((digit) => "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"[digit]).join("")}`;
  }

  function draw() {
    const axes = state.log ? log : linear;
    axes.update();
    CURVES.forEach(([name, , , f], i) => {
      const points = [];
      for (let k = 0; k <= 200; k++) {
        const p = kit.clamp(k / 200, 0.002, 0.9995);
        if (f(p) > (state.log ? 10 : top)) continue;
        points.push([axes.X(p), axes.Y(f(p))]);
      }
      kit.fill(lines[i], { d: kit.polyline(points) });
      kit.fill(marks[i], { cx: axes.X(state.p), cy: axes.Y(f(state.p)), r: view.px(5) });
      const { x1, y0 } = axes.edges();
      view.write(names[i], x1 - view.px(4), y0 + view.px(14 + 18 * i), name, 13);
      kit.fill(names[i], { "text-anchor": "end" });
      names[i].style.display = state.log ? "none" : "";
    });
    const { y0, y1 } = axes.edges();
    kit.fill(needle, { x1: axes.X(state.p), x2: axes.X(state.p), y1: y0, y2: y1 });
    kit.fill(glass, { "aria-valuenow": state.p, "aria-valuetext": `p ${number(state.p)}` });

    numbers[0](number(state.p));
    const factor = Math.pow(1 - state.p, state.gamma);
    numbers[1](digits(factor));
    const values = CURVES.map(([, , , f]) => f(state.p));
    meters.forEach((meter, i) => meter(values[i] / values[0], digits(values[i])));
    const x = core.logit(data.prior);
    sums[0](data.positives * core.crossEntropy(x, 1), data.negatives * core.crossEntropy(x, 0));
    sums[1](data.positives * core.focal(x, 1, state.alpha, state.gamma), data.negatives * core.focal(x, 0, state.alpha, state.gamma));
    view.say(
      `With \u03b3 ${state.gamma.toFixed(1)} and \u03b1 ${number(state.alpha)}, at p ${number(state.p)}: cross-entropy ` +
        `${digits(values[0])}, focal loss of a positive ${digits(values[1])}, of a negative ${digits(values[2])}.`,
    );
  }
  view.start(draw);
};
