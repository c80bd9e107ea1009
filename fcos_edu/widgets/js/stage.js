// What all explorers share: elements, controls, a stage in image coordinates, things that are dragged.
// Strokes and texts keep their size on the screen however wide the stage is; positions are those of the image.
const kit = (() => {
  const SPACE = "http://www.w3.org/2000/svg";
  let counter = 0; // for names of radio groups, unique together with the fragment's id

  function fill(node, attributes) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name === "text") {
        if (node.textContent !== String(value)) node.textContent = value;
      } else if (value === null || value === false) node.removeAttribute(name);
      else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
    }
    return node;
  }

  function html(parent, tag, attributes) {
    const node = fill(document.createElement(tag), attributes);
    if (parent) parent.appendChild(node);
    return node;
  }

  function svg(parent, tag, attributes) {
    const node = fill(document.createElementNS(SPACE, tag), attributes);
    if (parent) parent.appendChild(node);
    return node;
  }

  // Call `draw` at the next frame, once, however often it is asked for.
  function soon(draw) {
    let waiting = false;
    return () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        draw();
      });
    };
  }

  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const comma = (value) => Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ",");
  // A number and what it counts, as text.counted of the package writes it.
  const counted = (count, many, one) => `${count} ${String(count) === "1" ? one : many}`;
  // One digit after the point, none where it would be 0, and a true minus sign.
  const short = (value) => (Math.round(value * 10) / 10).toString().replace("-", "\u2212");
  const fixed = (value, digits) => value.toFixed(digits).replace("-", "\u2212");
  const percent = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(1)}\u00a0%` : "0\u00a0%");

  // ---- the frame of an explorer

  // shape: {width, height} of the stage in image pixels, {hint} how to use it.
  function frame(root, shape) {
    const top = html(root, "div", { class: "fcx-top" });
    const body = html(root, "div", { class: "fcx-body" });
    const stage = html(body, "div", { class: "fcx-stage" });
    stage.style.aspectRatio = `${shape.width} / ${shape.height}`;
    stage.style.setProperty("--fcx-ratio", shape.width / shape.height);
    const side = html(body, "div", { class: "fcx-side" });
    const say = html(root, "p", { class: "fcx-say", role: "status", "aria-live": "polite" });
    const hint = html(root, "p", { class: "fcx-hint", id: `${root.id}-hint`, text: shape.hint });
    const canvas = svg(stage, "svg", {
      viewBox: `0 0 ${shape.width} ${shape.height}`, role: "group", "aria-describedby": hint.id,
    });
    const view = {
      root, top, body, stage, side, canvas, hint,
      width: shape.width,
      height: shape.height,
      unit: shape.width / 440, // image pixels to a pixel of the screen
      px: (n) => n * view.unit,
      say: (text) => fill(say, { text }),
      // Where a pointer event is, in image pixels.
      at(event) {
        const box = canvas.getBoundingClientRect();
        return [
          ((event.clientX - box.left) / box.width) * shape.width,
          ((event.clientY - box.top) / box.height) * shape.height,
        ];
      },
      // A text that keeps its size on the screen.
      write(node, x, y, text, size = 13) {
        fill(node, { x, y, text });
        node.style.fontSize = `${view.px(size)}px`;
        node.style.strokeWidth = `${view.px(3.5)}px`;
      },
      // The name of a box: above its upper left corner, or below the edge where there is no room; never outside.
      place(node, box, text, size = 13) {
        const long = view.px(0.6 * size * text.length);
        const x = clamp(box[0] + view.px(1), view.px(3), Math.max(view.px(3), shape.width - long - view.px(3)));
        const y = box[1] > view.px(size + 6) ? box[1] - view.px(5) : box[1] + view.px(size + 3);
        view.write(node, x, y, text, size);
      },
      // Draw now, and whenever the stage changes its width.
      start(draw) {
        const measure = () => {
          const shown = stage.getBoundingClientRect().width;
          if (shown > 0) view.unit = shape.width / shown;
        };
        measure();
        draw();
        if (typeof ResizeObserver === "undefined") return;
        const again = soon(() => {
          measure();
          draw();
        });
        new ResizeObserver(again).observe(stage);
      },
    };
    return view;
  }

  // ---- controls: the browser's own, so keyboard and screen readers know them

  function chips(parent, root, label, options, value, change) {
    const set = html(parent, "fieldset", { class: "fcx-chips" });
    html(set, "legend", { text: label });
    const name = `${root.id}-${(counter += 1)}`;
    for (const option of options) {
      const item = html(set, "label", { title: option.title || null });
      const input = html(item, "input", { type: "radio", name, value: option.value });
      input.checked = option.value === value;
      input.addEventListener("change", () => change(option.value));
      if (option.color) html(item, "i", { style: `background:${option.color}` });
      html(item, "span", { text: option.text });
    }
    return {
      choose(next) {
        for (const input of set.querySelectorAll("input")) input.checked = input.value === String(next);
      },
    };
  }

  function slider(parent, label, range, change) {
    const item = html(parent, "label", { class: "fcx-slider" });
    html(item, "span", { text: label });
    const { min, max, step } = range;
    const input = html(item, "input", { type: "range", min, max, step, "aria-label": label });
    const output = html(item, "output");
    const format = range.format || String;
    const show = () => fill(output, { text: format(Number(input.value)) });
    input.value = range.value;
    show();
    steer(input, (value) => {
      show();
      change(value);
    });
    return {
      item, input,
      set(value) {
        input.value = value;
        show();
      },
    };
  }

  function toggle(parent, label, value, change) {
    const item = html(parent, "label", { class: "fcx-toggle" });
    const input = html(item, "input", { type: "checkbox", role: "switch" });
    html(item, "i");
    html(item, "span", { text: label });
    input.checked = value;
    input.addEventListener("change", () => change(input.checked));
    return { item, input };
  }

  function button(parent, label, press, title) {
    const item = html(parent, "button", { type: "button", class: "fcx-button", text: label, title: title || null });
    item.addEventListener("click", press);
    return item;
  }

  // ---- pointer and keyboard

  // handlers.start(point) returns what handlers.move(point, started) gets while the pointer is down. With
  // handlers.scrolls the page still scrolls up and down under a finger.
  function drag(view, node, handlers) {
    let started = null, id = null;
    const stop = (event) => {
      if (event.pointerId !== id) return;
      id = null;
      if (handlers.end) handlers.end();
    };
    node.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || id !== null) return;
      id = event.pointerId;
      node.setPointerCapture(id);
      started = handlers.start(view.at(event));
      event.stopPropagation();
    });
    node.addEventListener("pointermove", (event) => {
      if (event.pointerId === id) handlers.move(view.at(event), started);
    });
    // touch-action is not heeded on parts of an SVG everywhere; without this the page would scroll and end the drag.
    if (!handlers.scrolls) node.addEventListener("touchmove", (event) => event.preventDefault(), { passive: false });
    node.addEventListener("pointerup", stop);
    node.addEventListener("pointercancel", stop);
  }

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  // press(dx, dy, event) for an arrow key, other(key) for any other; true means that the key was used.
  function keys(node, press, other) {
    node.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const arrow = ARROWS[event.key];
      const used = arrow ? press(arrow[0], arrow[1], event) !== false : Boolean(other && other(event.key, event));
      if (!used) return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  // ---- what lies on a stage

  function picture(view, source) {
    svg(view.canvas, "rect", { class: "fcx-paper", width: view.width, height: view.height });
    if (!source) return;
    svg(view.canvas, "image", {
      href: source, width: view.width, height: view.height, preserveAspectRatio: "none", "aria-hidden": "true",
    });
    svg(view.canvas, "rect", { class: "fcx-fade", width: view.width, height: view.height });
  }

  const corners = (box) => ({
    x: box[0], y: box[1], width: Math.max(0, box[2] - box[0]), height: Math.max(0, box[3] - box[1]),
  });

  // Many round dots as one path: a line of no length with round ends.
  const dots = (points) => points.map((p) => `M${p[0]} ${p[1]}h0.001`).join("");


  // A box that is moved by its body and resized by its corners, with pointer, touch and arrow keys.
  // spec: {get(), set(box), name, color, dash, least: smallest side, step: of an arrow key}.
  function movable(view, parent, spec) {
    const group = svg(parent, "g", { class: "fcx-movable", style: `--own:${spec.color}` });
    const bounds = [0, 0, view.width, view.height];
    const least = spec.least || 8, step = spec.step || Math.max(1, Math.round(view.width / 160));
    const shape = svg(group, "rect", {
      class: "fcx-body-of-box", tabindex: 0, role: "application", "aria-roledescription": "movable box",
      "aria-describedby": view.hint.id, "stroke-dasharray": spec.dash || null,
    });

    const shifted = (box, dx, dy) => {
      const x = clamp(dx, bounds[0] - box[0], bounds[2] - box[2]);
      const y = clamp(dy, bounds[1] - box[1], bounds[3] - box[3]);
      return [box[0] + x, box[1] + y, box[2] + x, box[3] + y];
    };
    const stretched = (box, across, down, dx, dy) => {
      const next = box.slice();
      if (across === 0) next[0] = clamp(box[0] + dx, bounds[0], box[2] - least);
      else next[2] = clamp(box[2] + dx, box[0] + least, bounds[2]);
      if (down === 1) next[1] = clamp(box[1] + dy, bounds[1], box[3] - least);
      else next[3] = clamp(box[3] + dy, box[1] + least, bounds[3]);
      return next;
    };
    const whole = (value) => Math.round(value);

    drag(view, shape, {
      start: (point) => ({ point, box: spec.get() }),
      move: (point, from) =>
        spec.set(shifted(from.box, whole(point[0] - from.point[0]), whole(point[1] - from.point[1]))),
    });
    keys(shape, (dx, dy, event) => {
      const box = spec.get();
      spec.set(event.shiftKey ? stretched(box, 2, 3, dx * step, dy * step) : shifted(box, dx * step, dy * step));
    });

    const handles = [[0, 1], [2, 1], [0, 3], [2, 3]].map(([across, down]) => {
      const slanted = (across === 0) === (down === 1) ? "nwse-resize" : "nesw-resize";
      const area = svg(group, "circle", { class: "fcx-grip", style: `cursor:${slanted}` });
      const seen = svg(group, "circle", { class: "fcx-handle" });
      drag(view, area, {
        start: (point) => ({ point, box: spec.get() }),
        move: (point, from) =>
          spec.set(
            stretched(from.box, across, down, whole(point[0] - from.point[0]), whole(point[1] - from.point[1])),
          ),
      });
      return { across, down, area, seen };
    });

    return {
      group, shape,
      update() {
        const box = spec.get();
        fill(shape, corners(box));
        const text = `${spec.name}, from ${short(box[0])}, ${short(box[1])} to ${short(box[2])}, ${short(box[3])}`;
        fill(shape, { "aria-label": text });
        for (const handle of handles) {
          const place = { cx: box[handle.across], cy: box[handle.down] };
          // Fingers need room, but a small box must keep a middle by which it is moved.
          const room = Math.min(view.px(15), Math.max(view.px(5), Math.min(box[2] - box[0], box[3] - box[1]) / 3));
          fill(handle.area, { ...place, r: room });
          fill(handle.seen, { ...place, r: view.px(4.5) });
        }
      },
    };
  }

  // A diagram that fills the stage. spec: {xTicks, yTicks: [[value, text]], xName, yName, x(value), y(value): 0..1}.
  // Its X and Y give image pixels; update() draws the axes anew, as margins keep their size on the screen.
  function chart(view, spec) {
    const scene = svg(view.canvas, "g", { "aria-hidden": "true" });
    svg(scene, "rect", { class: "fcx-paper", width: view.width, height: view.height });
    const lines = [], texts = [];
    for (const [list, axis] of [[spec.xTicks, "x"], [spec.yTicks, "y"]]) {
      for (const [value, text] of list) {
        lines.push([svg(scene, "line", { class: "fcx-rule" }), axis, value]);
        const anchor = axis === "x" ? "middle" : "end";
        texts.push([svg(scene, "text", { class: "fcx-tick", "text-anchor": anchor }), axis, value, text]);
      }
    }
    const names = ["x", "y"].map(() => svg(scene, "text", { class: "fcx-tick fcx-axis" }));
    const room = { left: 46, right: 14, top: 26, bottom: 44 };
    const X = (value) =>
      view.px(room.left) + spec.x(value) * (view.width - view.px(room.left + room.right));
    const Y = (value) =>
      view.height - view.px(room.bottom) - spec.y(value) * (view.height - view.px(room.top + room.bottom));
    return {
      X, Y,
      // The value of x at a place of the stage, for a linear axis 0..1.
      share: (x) =>
        clamp((x - view.px(room.left)) / (view.width - view.px(room.left + room.right)), 0, 1),
      edges: () => ({
        x0: view.px(room.left), x1: view.width - view.px(room.right), y0: view.px(room.top), y1: view.height - view.px(room.bottom),
      }),
      update() {
        const { x0, x1, y0, y1 } = this.edges();
        for (const [line, axis, value] of lines) {
          const place = axis === "x" ? { x1: X(value), x2: X(value), y1: y0, y2: y1 } : { x1: x0, x2: x1, y1: Y(value), y2: Y(value) };
          fill(line, place);
        }
        for (const [node, axis, value, text] of texts) {
          if (axis === "x") view.write(node, X(value), y1 + view.px(18), text, 12);
          else view.write(node, x0 - view.px(7), Y(value) + view.px(4), text, 12);
        }
        view.write(names[0], (x0 + x1) / 2, y1 + view.px(36), spec.xName, 12.5);
        fill(names[0], { "text-anchor": "middle" });
        view.write(names[1], view.px(8), y0 - view.px(10), spec.yName, 12.5);
      },
    };
  }

  const polyline = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`).join("");

  // ---- small displays for the panel at the side

  // A row "name, bar, value"; the bar is a share 0..1.
  function meter(parent, name, color) {
    const row = html(parent, "div", { class: "fcx-meter", style: `--own:${color}` });
    html(row, "b", { text: name });
    const bar = html(html(row, "span", { class: "fcx-track" }), "i");
    const value = html(row, "span", { class: "fcx-value" });
    return (share, text, strong = false) => {
      bar.style.width = `${100 * clamp(share || 0, 0, 1)}%`;
      fill(value, { text });
      row.classList.toggle("fcx-strong", strong);
    };
  }

  // A number with its name below.
  function figure(parent, name) {
    const cell = html(parent, "div", { class: "fcx-figure" });
    const value = html(cell, "b");
    html(cell, "span", { text: name });
    return (text) => fill(value, { text });
  }

  return {
    fill, html, svg, soon, clamp, comma, counted, short, fixed, percent, frame, chips, slider, toggle, button, drag, keys,
    picture, corners, dots, movable, chart, polyline, meter, figure,
  };
})();
