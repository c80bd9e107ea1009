// Section 4's measure, one detection a step: verdicts that Python has taken from pycocotools, and the curve that grows.
// data: {pictures, sizes: [[height, width]], truth: boxes of each picture, crowd: flags, name: of the class,
// found: [{picture, box, score}] by score, runs: [{iou, total, verdicts, boxes, overlaps, by, sampled, ap}], palette}
const explore = (root, data) => {
  const { palette, found, runs } = data;
  const last = found.length;
  const state = { run: 0, step: 0 };
  const height = Math.max(...data.sizes.map((size) => size[0])), width = Math.max(...data.sizes.map((size) => size[1]));
  const view = kit.frame(root, {
    width, height,
    hint: "Step with the buttons or the slider; with the keyboard, Tab and arrow keys. Solid: a hit. Long dashes: false. Dots: it does not count.",
  });
  const redraw = kit.soon(draw);
  const two = (v) => v.toFixed(2);
  const own = (color) => `--own:${color}`;
  const HUES = { hit: palette.colors[2], ignored: "var(--fcx-soft)" };
  const hue = (verdict) => HUES[verdict] || palette.colors[1];
  if (runs.length > 1) {
    const options = runs.map((run, i) => ({ value: i, text: `IoU at least ${two(run.iou)}` }));
    kit.chips(view.top, root, "Threshold", options, 0, (value) => {
      state.run = Number(value);
      redraw();
    });
  }
  const go = (step) => {
    state.step = kit.clamp(step, 0, last);
    slider.set(state.step);
    redraw();
  };
  const slider = kit.slider(view.top, "detection", { min: 0, max: last, step: 1, value: 0, format: (v) => `${v} of ${last}` }, go);
  const steps = kit.html(view.top, "div", { class: "fcx-steps" });
  const back = kit.button(steps, "\u2190 back", () => go(state.step - 1));
  const next = kit.button(steps, "next \u2192", () => go(state.step + 1));
  kit.button(steps, "end", () => go(last));

  // ---- the stage: one picture at a time, with its true boxes and the detections judged so far
  kit.svg(view.canvas, "rect", { class: "fcx-paper", width, height });
  const scenes = data.pictures.map((source, p) => {
    const group = kit.svg(view.canvas, "g");
    const [h, w] = data.sizes[p];
    kit.svg(group, "image", { href: source, width: w, height: h, preserveAspectRatio: "none", "aria-hidden": "true" });
    kit.svg(group, "rect", { class: "fcx-fade", width: w, height: h });
    const truths = data.truth[p].map((box) => kit.svg(group, "rect", { ...kit.corners(box), style: own(palette.colors[2]) }));
    return { group, truths };
  });
  const guesses = found.map((one) => kit.svg(scenes[one.picture].group, "rect", kit.corners(one.box)));
  const names = scenes.map((scene, p) => data.truth[p].map(() => kit.svg(scene.group, "text", { class: "fcx-tag fcx-quiet" })));
  const tag = kit.svg(view.canvas, "text", { class: "fcx-tag" });
  kit.fill(view.canvas, { role: "img" });

  // ---- the panel
  const row = kit.html(view.side, "div", { class: "fcx-figures" });
  const numbers = ["hits", "false", "precision", "recall"].map((name) => kit.figure(row, name));
  const list = kit.html(view.side, "ol", { class: "fcx-ranking fcx-judged", tabindex: 0, "aria-label": "detections, highest score first" });
  const rows = found.map((one) => {
    const item = kit.html(list, "li");
    kit.html(item, "span", { text: two(one.score) });
    return [item, kit.html(item, "em")];
  });
  const little = plot(view.side, { width: 260, height: 210 }, () => redraw());
  const ticks = [0, 0.5, 1].map((v) => [v, v]);
  const axes = kit.chart(little, { xTicks: ticks, yTicks: ticks, xName: "recall", yName: "precision", x: (v) => v, y: (v) => v });
  const under = kit.svg(little.canvas, "path", { class: "fcx-under" });
  const saw = kit.svg(little.canvas, "path", { class: "fcx-curve", style: own("var(--fcx-accent)") });
  const dots = kit.svg(little.canvas, "path", { class: "fcx-dots", style: own("var(--fcx-ink)"), "stroke-width": 3 });
  const mark = kit.svg(little.canvas, "circle", { class: "fcx-mark", style: own("var(--fcx-accent)") });

  // Hits and false detections after each step.
  const counted = runs.map((run) => {
    const sums = [[0, 0]];
    for (const verdict of run.verdicts) {
      const [hits, wrong] = sums[sums.length - 1];
      sums.push([hits + (verdict === "hit"), wrong + (verdict !== "hit" && verdict !== "ignored")]);
    }
    return sums;
  });

  function reason(run, i) {
    const box = run.boxes[i] + 1, overlap = two(run.overlaps[i]), least = two(run.iou);
    return {
      hit: () => `IoU ${overlap} with true box ${box}, the best of those that are free: a hit. The box is claimed now.`,
      taken: () => `IoU ${overlap} with true box ${box}, but detection ${run.by[i] + 1} has claimed that one: false.`,
      low: () => `the nearest ${data.name} is true box ${box}, but their IoU is ${overlap}, below ${least}: false.`,
      none: () => `it overlaps no ${data.name} of this picture: false.`,
      ignored: () => `${overlap} of it lies in the crowd: it does not count.`,
    }[run.verdicts[i]]();
  }
  const short = (run, i) => ({
    hit: `hit, IoU ${two(run.overlaps[i])}`, taken: `taken by ${run.by[i] + 1}`, low: `IoU ${two(run.overlaps[i])}`, none: "nothing there", ignored: "crowd",
  }[run.verdicts[i]]);

  function draw() {
    const run = runs[state.run], step = state.step, now = step - 1;
    const shown = found[Math.max(now, 0)].picture;
    scenes.forEach((scene, p) => {
      scene.group.style.display = p === shown ? "" : "none";
      scene.truths.forEach((node, k) => {
        const claimed = run.verdicts.some((v, i) => i < step && v === "hit" && found[i].picture === p && run.boxes[i] === k);
        kit.fill(node, { class: `fcx-true${data.crowd[p][k] ? " fcx-crowd" : claimed ? " fcx-claimed" : ""}` });
        const box = data.truth[p][k];
        view.write(names[p][k], box[0] + view.px(5), box[3] - view.px(6), data.crowd[p][k] ? `${k + 1}: crowd` : `${k + 1}`, 12);
      });
    });
    found.forEach((one, i) => {
      const kind = run.verdicts[i] === "hit" ? "right" : run.verdicts[i] === "ignored" ? "out" : "wrong";
      guesses[i].style.display = i < step ? "" : "none";
      kit.fill(guesses[i], { class: `fcx-guess fcx-${kind}${i === now ? " fcx-now" : ""}`, style: null });
      guesses[i].setAttribute("style", `${own(hue(run.verdicts[i]))};display:${i < step ? "inline" : "none"}`);
      const [item, note] = rows[i];
      kit.fill(item, { class: i === now ? "fcx-kept fcx-now" : i < step ? "fcx-kept" : "fcx-low" });
      item.setAttribute("style", own(hue(run.verdicts[i])));
      kit.fill(note, { text: i < step ? short(run, i) : "" });
    });
    tag.style.display = now < 0 ? "none" : "";
    if (now >= 0) {
      tag.setAttribute("style", own(hue(run.verdicts[now])));
      view.place(tag, found[now].box, `${two(found[now].score)} ${short(run, now)}`, 13);
      const item = rows[now][0];
      list.scrollTop = Math.max(0, item.offsetTop - list.clientHeight / 2);
    } else list.scrollTop = 0;

    const [hits, wrong] = counted[state.run][step];
    numbers[0](hits);
    numbers[1](wrong);
    numbers[2](hits + wrong ? two(hits / (hits + wrong)) : "\u2013");
    numbers[3](two(hits / run.total));
    axes.update();
    const points = counted[state.run].slice(1, step + 1).filter(([h, w]) => h + w).map(([h, w]) => [axes.X(h / run.total), axes.Y(h / (h + w))]);
    kit.fill(saw, { d: points.length ? kit.polyline(points) : "" });
    mark.style.display = points.length && step < last ? "" : "none";
    if (points.length) kit.fill(mark, { cx: points[points.length - 1][0], cy: points[points.length - 1][1], r: little.px(5) });
    const end = step === last;
    const asked = run.sampled.map((p, k) => [axes.X(k / 100), axes.Y(p)]);
    const { x0, x1, y1 } = axes.edges();
    kit.fill(under, { d: end ? `${kit.polyline([[x0, y1]].concat(asked, [[x1, y1]]))}Z` : "" });
    kit.fill(dots, { d: end ? kit.dots(asked) : "" });
    back.disabled = step === 0;
    next.disabled = end;

    const ratio = `Precision ${hits}/${hits + wrong}, recall ${hits}/${run.total}.`;
    let text = `${kit.counted(last, "detections wait", "detection waits")}, sorted by score. No ${data.name} of the ${run.total} is claimed yet.`;
    if (step) text = `Detection ${step} of ${last}, score ${two(found[now].score)}, picture ${found[now].picture + 1}: ${reason(run, now)} ${ratio}`;
    if (end) text += ` That was the last. Made to fall and read at 101 recalls, precision is ${run.ap.toFixed(3)} on average: AP at IoU ${two(run.iou)}.`;
    kit.fill(view.canvas, { "aria-label": text });
    view.say(text);
  }
  view.start(draw);
};
