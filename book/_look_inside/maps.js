// The page "Look inside": the feature maps that a run of the network has left, one channel over the picture, all of them
// below it. The worker makes the numbers and the colours; here they are only shown.
globalThis.lookMaps = function lookMaps(page) {
  "use strict";
  const { node, write, bar, below, stages, ask, chosen, moved } = page;
  const GROUPS = { picture: "Picture", backbone: "Backbone", pyramid: "Pyramid", head: "Head, on the chosen level" };
  const LONG = {
    pixels: "pixels as the network takes them", classification: "class tower", regression: "box tower",
    lateral: "after its 1×1 convolution", sum: "before its 3×3 convolution",
  };
  let given = null, names = {}, tiles = [], stage = "", under = -1;
  let channel = -1; // which lies over the picture: -1 for none, -2 for the strongest of maps that are still to come

  // A map's name in words: "classification 2 P4" is "class tower, layer 2, on P4".
  function said(name) {
    const [first, second, third] = name.split(" ");
    if (third) return `${LONG[first]}, layer ${second}, on ${third}`;
    if (second) return `${second} ${LONG[first]}`;
    return LONG[name] ?? name;
  }
  const called = (c) => (stage === "pixels" ? ["red", "green", "blue"][c] : `channel ${c}`);
  const number = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(Math.abs(value) >= 10 ? 1 : 3));

  const label = node(bar, "label", { class: "look-of" }, "Feature maps ");
  const select = node(label, "select", { "aria-label": "Feature maps of" });
  select.addEventListener("change", () => choose(select.value));
  const off = node(bar, "button", { type: "button", class: "fcx-button" }, "Off the picture");
  off.addEventListener("click", () => pick(-1));
  off.hidden = true;
  const head = node(below, "p", { class: "fcx-hint look-key", hidden: "" });
  const grid = node(below, "div", { class: "look-tiles", role: "group", "aria-label": "Channels, strongest first", hidden: "" });

  // The choices for a detector and a level; a tower goes along to another level.
  function offer(level) {
    const before = stage.split(" ");
    names = stages(level);
    select.replaceChildren(node(null, "option", { value: "" }, "none"));
    for (const [group, each] of Object.entries(names)) {
      const part = node(select, "optgroup", { label: GROUPS[group] });
      each.forEach((name) => node(part, "option", { value: name }, said(name)));
    }
    const wanted = before.length === 3 ? `${before[0]} ${before[1]} P${level}` : stage;
    const there = Object.values(names).flat().includes(wanted);
    select.value = there ? wanted : "";
    if (select.value !== stage) choose(select.value);
  }

  function choose(name) {
    stage = name;
    channel = -2;
    clear();
    if (name) ask(name);
    chosen();
  }

  // Of a picture that is gone nothing stays, but for the choice.
  function clear() {
    given = null;
    under = -1;
    tiles = [];
    grid.replaceChildren();
    grid.hidden = head.hidden = off.hidden = true;
  }

  // The maps that the worker sends; `size` is that of the resized picture, height and width.
  function take(maps, size) {
    if (maps.name !== stage) return;
    given = { ...maps, size };
    const { height, width, channels, stride, strongest, peaks, colours } = maps, cells = height * width;
    grid.hidden = head.hidden = false;
    const kind = channels === 1 ? "1 channel" : `${channels} channels`;
    write(head, `${said(stage)}: ${kind} of ${height} × ${width} cells, strongest first. Yellow is above zero, blue below, each channel by its own largest value, which stands below it.`);
    const part = document.createDocumentFragment();
    tiles = strongest.map((c, i) => {
      const tile = node(part, "button", {
        type: "button", class: "look-tile", tabindex: i ? -1 : 0, "aria-pressed": "false", "aria-label": `${called(c)}, largest value ${number(peaks[c])}`,
      });
      const frame = node(tile, "span", { style: `aspect-ratio:${size[1]} / ${size[0]}` });
      const canvas = node(frame, "canvas", { width, height, style: spread(), "aria-hidden": "true" });
      canvas.getContext("2d").putImageData(new ImageData(colours.subarray(4 * c * cells, 4 * (c + 1) * cells), width, height), 0, 0);
      node(tile, "small", { "aria-hidden": "true" }, `${stage === "pixels" ? called(c) : c} · ${number(peaks[c])}`);
      tile.addEventListener("click", () => pick(channel === c ? -1 : c));
      tile.addEventListener("focus", () => { rove(i); under = c; moved(null); });
      tile.addEventListener("pointerleave", () => { under = -1; moved(null); });
      tile.addEventListener("pointermove", (event) => {
        const box = frame.getBoundingClientRect();
        under = c;
        moved([(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]);
      });
      return { c, tile };
    });
    grid.replaceChildren(part);
    pick(channel === -2 || channel >= channels ? strongest[0] : channel);
  }

  // The map covers the canvas, of which the picture is a part; in shares of the picture.
  function spread() {
    const { width, height, stride, size } = given;
    return `width:${(100 * width * stride) / size[1]}%;height:${(100 * height * stride) / size[0]}%`;
  }

  function rove(index) {
    tiles.forEach(({ tile }, i) => { tile.tabIndex = i === index ? 0 : -1; });
  }

  grid.addEventListener("keydown", (event) => {
    const at = tiles.findIndex(({ tile }) => tile === document.activeElement);
    const across = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across, Home: -at, End: tiles.length - 1 - at }[event.key];
    if (at < 0 || step === undefined) return;
    event.preventDefault();
    tiles[Math.max(0, Math.min(tiles.length - 1, at + step))].tile.focus();
  });

  function pick(c) {
    channel = c;
    off.hidden = channel < 0;
    tiles.forEach((one) => one.tile.setAttribute("aria-pressed", String(one.c === channel)));
    chosen();
  }

  // Over the picture, into the canvas of the heat maps.
  function paint(canvas) {
    const { width, height, colours } = given, cells = width * height;
    [canvas.width, canvas.height] = [width, height];
    canvas.getContext("2d").putImageData(new ImageData(colours.subarray(4 * channel * cells, 4 * (channel + 1) * cells), width, height), 0, 0);
    canvas.style.cssText = spread();
  }

  // What the channel under the pointer, or else the chosen one, says at a place (x, y in pixels as resized); "" for none.
  function tell([x, y]) {
    const c = under >= 0 ? under : channel;
    if (!given || c < 0) return "";
    const { width, height, stride, values, peaks } = given;
    const u = Math.max(0, Math.min(width - 1, Math.floor(x / stride))), v = Math.max(0, Math.min(height - 1, Math.floor(y / stride)));
    const value = values[(c * height + v) * width + u];
    return `${said(stage)}, ${called(c)}, cell ${u}, ${v}: ${number(value)} (largest ${number(peaks[c])})`;
  }

  return {
    offer, take, clear, paint, tell, off: () => pick(-1),
    again: () => { if (stage) ask(stage); },
    get stage() { return stage; },
    get over() { return given !== null && channel >= 0; },
  };
};
