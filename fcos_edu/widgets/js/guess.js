// A table of differences that the reader guesses before it is shown: one lane for each, a mark on it to be dragged.
// data: {rows: [{name, paper, ours, interval, word}], reach: end of the axis on both sides, step, unit, palette}; paper,
// or ours with its interval and word, may be null.
const explore = (root, data) => {
  const { rows, reach, step, unit, palette } = data;
  const state = { guess: rows.map(() => 0), moved: rows.map(() => false), open: false };
  const lane = 48, head = 8, foot = 48;
  const view = kit.frame(root, {
    width: 440, height: head + lane * rows.length + foot,
    hint: "Drag each mark to your guess. With the keyboard: Tab to a row, left and right arrow keys. Then open the figure.",
  });
  const redraw = kit.soon(draw);
  const signed = (v) => `${v > 0 ? "+" : ""}${kit.fixed(v === 0 ? 0 : v, 1)}`;
  const show = kit.button(view.top, "show what came out", () => {
    state.open = true;
    redraw();
  });
  kit.button(view.top, "guess again", () => {
    Object.assign(state, { guess: rows.map(() => 0), moved: rows.map(() => false), open: false });
    redraw();
  });

  // ---- the stage
  const room = 16;
  const X = (v) => view.px(room) + ((kit.clamp(v, -reach, reach) + reach) / (2 * reach)) * (view.width - view.px(2 * room));
  const value = (x) => ((x - view.px(room)) / (view.width - view.px(2 * room))) * 2 * reach - reach;
  const Y = (i) => head + lane * i + 31; // where the line of a row is
  kit.svg(view.canvas, "rect", { class: "fcx-paper", width: view.width, height: view.height });
  const apart = reach <= 2 ? 0.5 : Math.ceil(reach / 4); // whole or half, so that one digit says what they are
  const ticks = [];
  for (let k = -Math.floor(reach / apart); k <= reach / apart; k++) ticks.push(k * apart);
  const scene = kit.svg(view.canvas, "g", { "aria-hidden": "true" });
  const rules = ticks.map((v) => kit.svg(scene, "line", { class: v === 0 ? "fcx-needle" : "fcx-rule" }));
  const texts = ticks.map(() => kit.svg(scene, "text", { class: "fcx-tick", "text-anchor": "middle" }));
  const axis = kit.svg(scene, "text", { class: "fcx-tick fcx-axis", "text-anchor": "middle" });
  const own = (color) => `--own:${color}`;
  const lanes = rows.map((row, i) => {
    const parts = {
      line: kit.svg(scene, "line", { class: "fcx-rule" }),
      name: kit.svg(scene, "text", { class: "fcx-tick fcx-axis", "font-weight": 600 }),
      bar: kit.svg(scene, "line", { class: "fcx-curve", style: own(palette.colors[2]) }),
      ours: kit.svg(scene, "circle", { class: "fcx-mark", style: own(palette.colors[2]) }),
      paper: kit.svg(scene, "path", { class: "fcx-mark", style: own(palette.colors[1]) }),
      guess: kit.svg(scene, "circle", { class: "fcx-mark", style: own(palette.colors[0]) }),
    };
    const glass = kit.svg(view.canvas, "rect", {
      class: "fcx-glass fcx-across", x: 2, y: head + lane * i + 2, width: view.width - 4, height: lane - 4, tabindex: 0,
      role: "slider", "aria-label": `your guess for ${row.name}, in ${unit}`, "aria-valuemin": -reach,
      "aria-valuemax": reach, "aria-describedby": view.hint.id,
    });
    const go = (v) => {
      if (state.open) return; // a guess after the answer is none
      state.guess[i] = kit.clamp(Math.round(v / step) * step, -reach, reach);
      state.moved[i] = true;
      redraw();
    };
    const follow = (point) => go(value(point[0]));
    kit.drag(view, glass, { start: follow, move: follow, scrolls: true });
    kit.keys(glass, (dx, dy) => go(state.guess[i] + step * (dx - dy)));
    return { ...parts, glass };
  });

  // ---- the panel
  const figures = kit.html(view.side, "div", { class: "fcx-figures" });
  const numbers = ["rows guessed", "right side of 0", `${unit} off, on average`].map((name) => kit.figure(figures, name));
  const key = kit.html(view.side, "div");
  const keys = [["your guess", 0], ["the paper", 1], ["here, with its interval", 2]].map(([text, color]) => {
    const item = kit.html(key, "p", { class: "fcx-key", style: own(palette.colors[color]) });
    kit.html(item, "i");
    kit.html(item, "span", { text });
    return item;
  });
  const list = kit.html(view.side, "ol", { class: "fcx-told" });
  const told = rows.map(() => kit.html(list, "li"));

  const truth = (row) => (row.paper === null ? row.ours : row.paper);
  const same = (a, b) => Math.sign(Math.round(a * 100)) === Math.sign(Math.round(b * 100));
  const measured = rows.some((row) => row.ours !== null);

  function draw() {
    ticks.forEach((v, i) => {
      kit.fill(rules[i], { x1: X(v), x2: X(v), y1: head, y2: view.height - foot });
      view.write(texts[i], X(v), view.height - foot + view.px(15), v === 0 ? "0" : signed(v), 12);
    });
    view.write(axis, view.width / 2, view.height - view.px(4), `change of ${unit}`, 12.5);
    lanes.forEach((parts, i) => {
      const row = rows[i], y = Y(i), open = state.open;
      kit.fill(parts.line, { x1: X(-reach), x2: X(reach), y1: y, y2: y });
      view.write(parts.name, view.px(room), y - view.px(9), row.name, 13);
      kit.fill(parts.guess, { cx: X(state.guess[i]), cy: y, r: view.px(state.moved[i] ? 7 : 5) });
      parts.guess.style.opacity = state.moved[i] ? 1 : 0.45;
      const d = view.px(6), x = X(row.paper || 0);
      kit.fill(parts.paper, { d: `M${x - d} ${y}L${x} ${y - d}L${x + d} ${y}L${x} ${y + d}Z` });
      parts.paper.style.display = open && row.paper !== null ? "" : "none";
      const has = open && row.ours !== null;
      parts.ours.style.display = has ? "" : "none";
      parts.bar.style.display = has && row.interval ? "" : "none";
      const under = y + view.px(11);
      if (has) kit.fill(parts.ours, { cx: X(row.ours), cy: under, r: view.px(4) });
      if (has && row.interval) kit.fill(parts.bar, { x1: X(row.interval[0]), x2: X(row.interval[1]), y1: under, y2: under });
      kit.fill(parts.glass, {
        "aria-valuenow": Number(state.guess[i].toFixed(2)), "aria-valuetext": `${signed(state.guess[i])} ${unit}`,
        "aria-disabled": open ? "true" : null,
      });
      const words = [row.name, `you ${state.moved[i] ? signed(state.guess[i]) : "made no guess"}`];
      if (row.paper !== null) words.push(`paper ${signed(row.paper)}`);
      if (row.ours !== null) {
        const ends = row.interval ? `, ${signed(row.interval[0])} to ${signed(row.interval[1])}` : "";
        words.push(`here ${signed(row.ours)}${ends}${row.word ? `: ${row.word}` : ""}`);
      }
      kit.fill(told[i], { text: `${words[0]}: ${words.slice(1).join("; ")}.` });
    });
    list.style.visibility = state.open ? "" : "hidden";
    keys[1].style.visibility = state.open ? "" : "hidden";
    keys[2].style.visibility = state.open && measured ? "" : "hidden";
    show.disabled = state.open;

    const guessed = rows.map((_, i) => i).filter((i) => state.moved[i]);
    numbers[0](`${guessed.length}/${rows.length}`);
    const right = guessed.filter((i) => same(state.guess[i], truth(rows[i]))).length;
    const off = guessed.reduce((sum, i) => sum + Math.abs(state.guess[i] - truth(rows[i])), 0) / (guessed.length || 1);
    const counted = state.open && guessed.length;
    numbers[1](counted ? `${right}/${guessed.length}` : "?");
    numbers[2](counted ? off.toFixed(2) : "?");
    let text = guessed.length < rows.length
      ? `${rows.length - guessed.length} of ${kit.counted(rows.length, "rows", "row")} ` +
        `${rows.length - guessed.length === 1 ? "waits" : "wait"} for your guess.`
      : "All rows are guessed. Open the figure.";
    if (state.open) {
      text = guessed.length
        ? `You had ${right} of ${guessed.length} on the right side of 0, and were ${off.toFixed(2)} ${unit} off on average.`
        : "You opened the figure without a guess.";
    }
    view.say(text);
  }
  view.start(draw);
};
