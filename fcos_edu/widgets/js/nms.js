// Section 4: the score threshold, then non-maximum suppression within each class, one kept box a step.
// data: {size, boxes, scores, labels: highest score first, names: of the classes, scoreThreshold, nmsThreshold, image,
// palette}
const explore = (root, data) => {
  const [height, width] = data.size;
  const { palette, boxes, scores, labels } = data;
  const colors = boxes.map((_, i) => palette.colors[labels[i] % palette.colors.length]);
  const title = (i) => `${data.names[labels[i]]} ${scores[i].toFixed(2)}`;
  const state = { score: data.scoreThreshold, iou: data.nmsThreshold, step: 0 }; // step null: the end
  const view = kit.frame(root, {
    width, height, hint: "Step with the buttons, then move the thresholds. \u201cIoU 0.8 \u2192 1\u201d: removed by box 1.",
  });
  const redraw = kit.soon(draw);
  const number = (v) => v.toFixed(2);
  kit.slider(view.top, "score above", { min: 0, max: 1, step: 0.01, value: state.score, format: number }, (value) => {
    [state.score, state.step] = [value, null];
    redraw();
  });
  kit.slider(view.top, "remove at IoU above", { min: 0, max: 1, step: 0.01, value: state.iou, format: number }, (value) => {
    [state.iou, state.step] = [value, null];
    redraw();
  });
  const walk = (by) => () => {
    const last = solve().kept.length;
    state.step = kit.clamp((state.step === null ? last : state.step) + by, 0, last);
    redraw();
  };
  const steps = kit.html(view.top, "div", { class: "fcx-steps" });
  const jump = (step) => () => {
    state.step = step;
    redraw();
  };
  kit.button(steps, "start", jump(0));
  const back = kit.button(steps, "\u2190 back", walk(-1));
  const next = kit.button(steps, "next \u2192", walk(1));
  kit.button(steps, "end", jump(null));

  kit.picture(view, data.image);
  // Low scores first, so that high ones lie on top.
  const drawn = boxes.map((_, i) => i).reverse();
  const outlines = [], tags = [];
  for (const i of drawn) {
    outlines[i] = kit.svg(view.canvas, "rect", { ...kit.corners(boxes[i]), style: `--own:${colors[i]}` });
  }
  for (const i of drawn) tags[i] = kit.svg(view.canvas, "text", { class: "fcx-tag", style: `--own:${colors[i]}` });
  kit.fill(view.canvas, { role: "img" });

  const row = kit.html(view.side, "div", { class: "fcx-figures" });
  const numbers = ["above the score", "kept", "removed"].map((name) => kit.figure(row, name));
  const list = kit.html(view.side, "ol", { class: "fcx-ranking", tabindex: 0, "aria-label": "detections, highest score first" });
  const rows = boxes.map((_, i) => {
    const item = kit.html(list, "li", { style: `--own:${colors[i]}` });
    kit.html(item, "span", { text: title(i) });
    return [item, kit.html(item, "em")];
  });

  // Only boxes above the score take part; indices are those of data.
  function solve() {
    const taking = boxes.map((_, i) => i).filter((i) => scores[i] > state.score);
    const pick = (values) => taking.map((i) => values[i]);
    const found = core.nms(pick(boxes), pick(scores), pick(labels), state.iou);
    const by = boxes.map(() => -1), iou = boxes.map(() => 0);
    taking.forEach((i, k) => {
      if (found.by[k] >= 0) [by[i], iou[i]] = [taking[found.by[k]], found.iou[k]];
    });
    return { taking, by, iou, kept: found.kept.map((k) => taking[k]) };
  }

  function draw() {
    const { taking, by, iou, kept } = solve();
    const step = state.step === null ? kept.length : Math.min(state.step, kept.length);
    const done = kept.slice(0, step), current = state.step === null ? -1 : step ? done[step - 1] : -1;
    let removed = 0;
    boxes.forEach((box, i) => {
      const is =
        !taking.includes(i) ? "low" : done.includes(i) ? "kept" : done.includes(by[i]) ? "removed" : "waiting";
      if (is === "removed") removed += 1;
      const now = i === current ? " fcx-now" : is === "removed" && by[i] === current ? " fcx-hit" : "";
      kit.fill(outlines[i], { class: `fcx-found fcx-${is}${now}` });
      const words = {
        low: "below the score", kept: "kept", waiting: "",
        removed: `IoU ${iou[i].toFixed(2)} \u2192 ${by[i] + 1}`,
      };
      const [item, note] = rows[i];
      kit.fill(item, { class: `fcx-${is}${now}` });
      kit.fill(note, { text: words[is] });
      const named = is === "kept" || now;
      tags[i].style.display = named ? "" : "none";
      if (named) view.place(tags[i], box, now === " fcx-hit" ? `IoU ${iou[i].toFixed(2)}` : title(i), 12);
    });
    numbers[0](taking.length);
    numbers[1](done.length);
    numbers[2](removed);
    back.disabled = step === 0;
    next.disabled = step === kept.length;
    if (current >= 0) {
      const item = rows[current][0];
      list.scrollTop = Math.max(0, item.offsetTop - list.clientHeight / 2);
    }
    const fell = boxes.map((_, i) => i).filter((i) => by[i] === current);
    let text;
    if (state.step === null || (step === kept.length && current < 0)) {
      const have = taking.length === 1 ? "has" : "have";
      text = `${taking.length} of ${kit.counted(boxes.length, "boxes", "box")} ${have} a score above ${number(state.score)}; ` +
        `${kit.counted(kept.length, "stay", "stays")}, ${kit.counted(removed, "are", "is")} removed.`;
    } else if (!step) text = `Before the first step: ${kit.counted(taking.length, "boxes wait", "box waits")}, sorted by score.`;
    else {
      const list = fell.map((i) => iou[i].toFixed(2)).join(", ");
      text = `Step ${step} of ${kept.length}: ${title(current)} is the best that is left and stays; it removes ` +
        (fell.length ? `${fell.length} (IoU ${list}).` : "none.");
    }
    kit.fill(view.canvas, { "aria-label": text });
    view.say(text);
  }
  view.start(draw);
};
