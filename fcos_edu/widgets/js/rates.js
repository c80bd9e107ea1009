// Section 4's learning rate: loss and gradient of real runs at several rates, with and without warm-up and clipping.
// data: {rates, warmUp: steps or 0, clip: limit or 0, steps, start: index, highest: end of the axes, runs: [{rate: index,
// way: [warm-up, clipping], loss, norm}], palette}
const explore = (root, data) => {
  const { palette, rates, runs, steps } = data;
  const state = { rate: data.start, way: [false, false] };
  if (!runs.some((run) => String(run.way) === "false,false")) state.way = runs[0].way.slice();
  const [width, height] = [440, 300];
  const view = kit.frame(root, {
    width, height,
    hint: "Move the slider, and switch warm-up and clipping. With the keyboard: Tab, arrow keys, space. A cross is where a run broke.",
  });
  const redraw = kit.soon(draw);
  const own = (color) => `--own:${color}`;
  kit.slider(view.top, "learning rate", { min: 0, max: rates.length - 1, step: 1, value: state.rate, format: (v) => String(rates[v]) }, (value) => {
    state.rate = value;
    redraw();
  });
  const names = [`warm-up over ${data.warmUp} steps`, `gradient clipped at ${data.clip}`];
  [data.warmUp, data.clip].forEach((there, k) => {
    if (!there) return;
    kit.toggle(view.top, names[k], state.way[k], (on) => {
      state.way[k] = on;
      redraw();
    });
  });

  const every = (name) => runs.flatMap((run) => run[name]);
  // A logarithmic axis whose ends are powers of ten around all runs.
  const axis = (name) => {
    const low = Math.floor(Math.log10(Math.min(...every(name))));
    const high = Math.max(low + 1, Math.ceil(Math.log10(Math.min(data.highest, Math.max(...every(name))))));
    const ticks = [];
    for (let k = low; k <= high; k++) ticks.push([10 ** k, k >= -2 && k <= 3 ? String(Number((10 ** k).toPrecision(1))) : `10${String(k).replace(/./g, (c) => "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"[c] || "\u207b")}`]);
    return { yTicks: ticks, y: (v) => kit.clamp((Math.log10(v) - low) / (high - low), 0, 1) };
  };
  const xTicks = [0, 1, 2, 3, 4].map((k) => [Math.round((k * steps) / 4), Math.round((k * steps) / 4)]);
  const shared = { xTicks, xName: "step", x: (v) => v / steps };
  const curves = (place, name, title) => {
    const axes = kit.chart(place, { ...shared, ...axis(name), yName: title });
    const others = rates.map(() => kit.svg(place.canvas, "path", { class: "fcx-other" }));
    const limit = kit.svg(place.canvas, "line", { class: "fcx-needle" });
    const line = kit.svg(place.canvas, "path", { class: "fcx-curve", style: own(palette.colors[0]) });
    const cross = kit.svg(place.canvas, "path", { class: "fcx-broken" });
    return { axes, others, limit, line, cross, place, name };
  };
  const loss = curves(view, "loss", "loss");
  kit.fill(view.canvas, { role: "img" });
  const row = kit.html(view.side, "div", { class: "fcx-figures" });
  const numbers = ["steps", "last loss", "longest gradient"].map((name) => kit.figure(row, name));
  const little = plot(view.side, { width: 280, height: 230 }, () => redraw());
  const norm = curves(little, "norm", "length of the gradient");

  const number = (v) => (v >= 1e4 ? v.toExponential(1).replace("e+", "\u00b710^") : String(Number(v.toPrecision(3))));
  const same = (run) => String(run.way) === String(state.way);

  function trace(part) {
    const { axes, name, place } = part;
    axes.update();
    const path = (run) => kit.polyline(run[name].map((v, k) => [axes.X(k), axes.Y(v)]));
    rates.forEach((_, i) => {
      const other = runs.find((run) => same(run) && run.rate === i);
      kit.fill(part.others[i], { d: other && i !== state.rate ? path(other) : "" });
    });
    const run = runs.find((one) => same(one) && one.rate === state.rate);
    kit.fill(part.line, { d: path(run) });
    const broken = run[name].length < steps;
    part.cross.style.display = broken ? "" : "none";
    if (broken) {
      const k = run[name].length - 1, x = axes.X(k), y = axes.Y(run[name][k]), d = place.px(6);
      kit.fill(part.cross, { d: `M${x - d} ${y - d}L${x + d} ${y + d}M${x - d} ${y + d}L${x + d} ${y - d}` });
    }
    const { x0, x1 } = axes.edges();
    part.limit.style.display = name === "norm" && state.way[1] ? "" : "none";
    if (name === "norm") kit.fill(part.limit, { x1: x0, x2: x1, y1: axes.Y(data.clip), y2: axes.Y(data.clip) });
    return run;
  }

  function draw() {
    const run = trace(loss);
    trace(norm);
    const many = run.loss.length, last = run.loss[many - 1], longest = Math.max(...run.norm);
    numbers[0](many);
    numbers[1](number(last));
    numbers[2](number(longest));
    const used = names.filter((_, k) => state.way[k]).join(", ") || "no safeguard";
    const clipped = state.way[1] ? run.norm.filter((v) => v > data.clip).length : 0;
    let text = `Rate ${rates[state.rate]}, ${used}: the loss begins at ${number(run.loss[0])} and `;
    text += many < steps
      ? `the run breaks after step ${many}, where it is ${number(last)}: the next one is not finite.`
      : `ends at ${number(last)}; the highest on the way was ${number(Math.max(...run.loss))}.`;
    text += ` The longest gradient was ${number(longest)}.`;
    if (state.way[1]) text += ` ${clipped} of ${kit.counted(many, "gradients", "gradient")} ${clipped === 1 ? "was" : "were"} shortened.`;
    kit.fill(view.canvas, { "aria-label": text });
    view.say(text);
  }
  view.start(draw);
};
