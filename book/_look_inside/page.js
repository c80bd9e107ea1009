// The page "Look inside": pictures, pointer and keyboard, heat maps, and what becomes of each candidate. The numbers
// come from network.js, in a worker; sliders ask the same functions here, without the network.
(() => {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg";
  const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"];
  const SIDES = [["l", "#0072b2"], ["t", "#d55e00"], ["r", "#009e73"], ["b", "#cc79a7"]];
  const NAMES = { people: "People", bccd: "Blood cells", shapes: "Shapes" };
  const WANTED = { people: "one of people", bccd: "one of a blood smear" }; // of the reader, where there is no picture
  const DRAWN = ["disc", "ring", "triangle", "square", "cross"];
  const LARGEST = 1600; // a larger picture is made smaller first: the networks see 544 pixels at most
  const script = document.currentScript;

  // ---- small helpers

  function node(parent, tag, attributes = {}, text = "") {
    const one = tag.startsWith("svg:") ? document.createElementNS(SVG, tag.slice(4)) : document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
    if (text) one.textContent = text;
    parent?.append(one);
    return one;
  }

  // A number that changed is written; one that did not leaves the page alone.
  function write(one, text) {
    if (one.textContent !== text) one.textContent = text;
  }

  // A number and what it counts.
  const counted = (count, many, one) => `${count} ${count === 1 ? one : many}`;

  function choice(parent, legend, options, chosen, changed) {
    const field = node(parent, "fieldset", { class: "fcx-chips" });
    node(field, "legend", {}, legend);
    const name = `look-${legend.toLowerCase().replace(/\W+/g, "-")}`;
    for (const [value, text] of options) {
      const label = node(field, "label");
      const input = node(label, "input", { type: "radio", name, value });
      input.checked = value === chosen;
      input.addEventListener("change", () => changed(value));
      node(label, "span", {}, text);
    }
    return field;
  }

  function slider(parent, text, value, low, high, changed) {
    const label = node(parent, "label", { class: "fcx-slider" });
    node(label, "span", {}, text);
    const input = node(label, "input", { type: "range", min: low, max: high, step: 0.01, value, "aria-label": text });
    const output = node(label, "output", {}, value.toFixed(2));
    input.addEventListener("input", () => {
      write(output, Number(input.value).toFixed(2));
      changed(Number(input.value));
    });
  }

  function button(parent, text, pressed) {
    const one = node(parent, "button", { type: "button", class: "fcx-button" }, text);
    one.addEventListener("click", pressed);
    return one;
  }

  function switched(parent, text, on, changed) {
    const label = node(parent, "label", { class: "fcx-toggle" });
    const box = node(label, "input", { type: "checkbox" });
    box.checked = on;
    node(label, "i");
    node(label, "span", {}, text);
    box.addEventListener("change", () => changed(box.checked));
  }

  const px = (value) => value.toFixed(value < 10 ? 1 : 0);
  const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

  // ---- the worker

  function work(make) {
    const inside = make(), known = {};
    let last = null; // what ran last: its feature maps are still there
    onmessage = ({ data }) => {
      try {
        if (data.checkpoint) {
          const read = inside.parse(data.checkpoint), run = inside.detector(read);
          known[data.name] = run;
          const stages = Object.fromEntries(read.config.levels.map((level) => [level, run.stages(level)]));
          return postMessage({ loaded: data.name, config: read.config, stages });
        }
        if (data.stage) {
          if (last?.job !== data.job) return undefined; // another picture has been looked at; the page asks again
          const maps = last.run.features(data.stage, last.seen.size);
          return postMessage({ job: data.job, maps }, [maps.values.buffer, maps.colours.buffer]);
        }
        const start = performance.now(), run = known[data.name];
        const seen = run(data.rgba, data.height, data.width);
        last = { job: data.job, run, seen };
        return postMessage({ job: data.job, seen, milliseconds: performance.now() - start });
      } catch (error) {
        return postMessage({ job: data.job, error: String(error) });
      }
    };
  }

  // `small`: fewer controls, for the landing page; what is left out exists, but lies on no page.
  function start(root, small = false) {
    const place = small ? null : root;
    const inside = fcosInThePage();
    const blob = new Blob([`(${work})(${fcosInThePage})`], { type: "text/javascript" });
    const worker = new Worker(URL.createObjectURL(blob));
    const state = {
      name: root.dataset.detector ?? "people", level: 4, heat: "none", label: -1, picture: 0, draw: "", chosen: -1, place: [128, 128],
      threshold: 0.3, nms: 0.6, centerness: true, seen: null, found: [], job: 0, busy: false, waits: false,
      truth: null, // {boxes, labels} in pixels of the picture, where it is known
      shown: false, ticket: 0,
    };
    const configs = {}, stages = {};
    const config = () => configs[state.name];
    const classes = () => config()?.class_names ?? [];

    // ---- what stands on the page

    const first = node(place, "div", { class: "fcx-top" });
    choice(first, "Detector", Object.entries(NAMES), state.name, choose);
    const second = node(root, "div", { class: "fcx-top look-pictures", role: "group", "aria-label": "Pictures" });
    const third = node(root, "div", { class: "fcx-top look-draw" });
    const body = node(root, "div", { class: "fcx-body" });
    const stage = node(body, "div", { class: "fcx-stage look-stage" });
    const canvas = node(stage, "canvas", { "aria-hidden": "true" });
    const heat = node(stage, "canvas", { "aria-hidden": "true", class: "look-heat" });
    const view = node(stage, "svg:svg", {
      tabindex: 0, role: "application", "aria-roledescription": "picture with a movable location",
      "aria-label": "Picture. Arrow keys move the location, Enter selects the detection there.",
    });
    const layers = ["suppressed", "true", "kept", "told", "spot"].map((name) => node(view, "svg:g", { class: `look-${name}` }));
    const side = node(body, "div", { class: "fcx-side" });
    const fourth = node(root, "div", { class: "fcx-top look-maps" });
    const fifth = node(root, "div", { class: "fcx-top" });
    const deeper = node(place, "div", { class: "look-deeper" });
    const say = node(root, "p", { class: "fcx-say", "aria-live": "polite" });
    const story = node(place, "div", { class: "look-story" });
    const pixels = document.createElement("canvas"); // the picture as it is given to the network
    const paint = pixels.getContext("2d", { willReadFrequently: true });

    choice(fourth, "Level", [3, 4, 5, 6, 7].map((n, i) => [String(i), `P${n}`]), String(state.level - 3), (value) => {
      state.level = Number(value) + 3;
      maps.offer(state.level);
      draw();
      count();
    });
    choice(fourth, "Heat map", [["none", "no map"], ["score", "class score"], ["centerness", "center-ness"],
      ["product", "product"], ["target", "target"]], "none", (value) => {
      state.heat = value;
      if (value !== "none" && maps.over) maps.off();
      draw();
      count();
    });
    const of = node(fourth, "label", { class: "look-of" }, "of ");
    const select = node(of, "select", { "aria-label": "Class of the heat map" });
    select.addEventListener("change", () => { state.label = Number(select.value); draw(); count(); });

    slider(fifth, "Score threshold", state.threshold, 0.05, 0.95, (value) => { state.threshold = value; decide(); });
    slider(small ? null : fifth, "NMS threshold", state.nms, 0.05, 0.95, (value) => { state.nms = value; decide(); });
    switched(small ? null : fifth, "Center-ness", state.centerness, (on) => { state.centerness = on; decide(); });
    switched(fifth, "True boxes", state.shown, (on) => {
      state.shown = on;
      draw();
      if (on) write(say, state.truth ? `${counted(state.truth.boxes.length, "true boxes are", "true box is")} drawn.` : "Of a picture of yours no truth is known.");
    });

    const maps = lookMaps({
      node, write, bar: node(small ? null : fourth, "span", { class: "look-inner" }), below: deeper,
      stages: (level) => stages[state.name]?.[level] ?? {},
      ask: (stage) => { if (state.seen) worker.postMessage({ job: state.job, stage }); },
      chosen: () => {
        if (maps.over && state.heat !== "none") {
          state.heat = "none";
          root.querySelector('input[name="look-heat-map"][value="none"]').checked = true;
        }
        draw();
      },
      moved: (share) => {
        if (share) state.place = [share[0] * pixels.width, share[1] * pixels.height].map((value, i) => Math.max(0, Math.min([pixels.width, pixels.height][i] - 0.01, value)));
        soon();
      },
    });

    // ---- pictures

    function choose(name) {
      state.name = name;
      state.seen = null;
      state.label = -1;
      state.chosen = -1;
      state.found = [];
      if (globalThis.lookInsideData?.[name]) return ready();
      write(say, "The detector is being read.");
      const more = node(document.head, "script", { src: new URL(`${name}.js`, script.src).href });
      more.addEventListener("load", () => { if (state.name === name) ready(); });
      more.addEventListener("error", () => write(say, `The file ${name}.js, which holds the detector, is not there.`));
      return undefined;
    }

    function ready() {
      const { checkpoint, pictures } = globalThis.lookInsideData[state.name];
      if (!configs[state.name]) worker.postMessage({ name: state.name, checkpoint });
      offer(pictures);
      if (pictures.length) show(Number(root.dataset.picture ?? 0));
      else {
        blank();
        write(say, `No prepared photograph was at hand when this page was built: drop ${WANTED[state.name]} here.`);
      }
    }

    function offer(pictures) {
      second.replaceChildren();
      pictures.forEach((one, i) => {
        const press = node(second, "button", { type: "button", class: "look-thumb", "aria-label": one.name });
        node(press, "img", { src: `data:${one.kind};base64,${one.data}`, alt: "" });
        press.addEventListener("click", () => show(i));
      });
      const label = node(second, "label", { class: "fcx-button look-file" }, "Your picture");
      const file = node(label, "input", { type: "file", accept: "image/*", "aria-label": "Your picture" });
      file.addEventListener("change", () => { if (file.files[0]) take(file.files[0], file.files[0].name); });
      if (state.name === "shapes" && !small) {
        button(second, "Draw", () => { state.ticket += 1; mark(-1); blank(); edit("disc"); run(); });
      }
    }

    function mark(chosen) {
      second.querySelectorAll(".look-thumb").forEach((one, i) => one.setAttribute("aria-pressed", String(i === chosen)));
    }

    async function show(number) {
      const one = globalThis.lookInsideData[state.name].pictures[number];
      edit("");
      mark(number);
      await take(new Blob([bytesOf(one.data)], { type: one.kind }), one.name, number);
    }

    async function take(blob, name, number = -1) {
      mark(number);
      edit("");
      const ticket = (state.ticket += 1), { name: asked } = state;
      let picture;
      try {
        picture = await createImageBitmap(blob, { colorSpaceConversion: "none" });
      } catch {
        return write(say, `${name} is no picture that this browser can read.`);
      }
      if (ticket !== state.ticket || asked !== state.name) return undefined; // the reader has gone on meanwhile
      const scale = Math.min(1, LARGEST / Math.max(picture.width, picture.height));
      size(Math.max(1, Math.round(picture.width * scale)), Math.max(1, Math.round(picture.height * scale)));
      paint.drawImage(picture, 0, 0, pixels.width, pixels.height);
      if (number >= 0) state.truth = globalThis.lookInsideData[state.name].pictures[number].truth;
      return run();
    }

    function size(width, height) {
      for (const one of [pixels, canvas]) [one.width, one.height] = [width, height];
      view.setAttribute("viewBox", `0 0 ${width} ${height}`);
      stage.style.aspectRatio = `${width} / ${height}`;
      stage.style.maxWidth = `${Math.min(560, 460 * width / height)}px`;
      state.place = [width / 2, height / 2];
      state.seen = null;
      maps.clear();
      state.truth = null;
      state.chosen = -1;
      paint.fillStyle = "#d8d4cc"; // below a picture that lets something through
      paint.fillRect(0, 0, width, height);
    }

    // Ground as the generated pictures have it: on an even one group norm makes much of nothing.
    function blank() {
      size(256, 256);
      const ground = paint.getImageData(0, 0, 256, 256);
      let random = 12345;
      for (let v = 0; v < 256; v += 4) {
        for (let u = 0; u < 256; u += 4) {
          random = (random * 1103515245 + 12345) % 2147483648;
          const grain = (random / 2147483648) * 16 - 8;
          for (let i = 0; i < 16; i++) {
            const x = u + (i % 4), y = v + (i >> 2), stripe = 5 * Math.sin((x + 2 * y) / 12);
            const drift = [120 + 20 * Math.sin(x / 50), 118 + 16 * Math.sin(y / 60), 124 - 18 * Math.sin((x + y) / 80)];
            ground.data.set(drift.map((value) => value + stripe + grain), 4 * (256 * y + x));
          }
        }
      }
      paint.putImageData(ground, 0, 0);
      state.truth = { boxes: [], labels: [] };
      draw();
    }

    // ---- drawing shapes

    function edit(shape) {
      state.draw = shape;
      third.replaceChildren();
      view.classList.toggle("look-drawing", Boolean(shape));
      if (!shape) return;
      choice(third, "Shape to draw", DRAWN.map((one) => [one, one]), shape, (one) => { state.draw = one; });
      button(third, "Add one at the location", () => {
        const [x, y] = state.place.map((value) => Math.min(Math.max(value, 30), 226)); // whole, so that its box is right
        add([x - 30, y - 30, x + 30, y + 30]);
      });
      button(third, "Clear", () => { blank(); run(); });
      write(say, "Drag on the picture from corner to corner: a shape is drawn, and the network looks at it.");
    }

    function add([x0, y0, x1, y1]) {
      const [w, h] = [x1 - x0, y1 - y0];
      if (Math.min(w, h) < 6) return;
      const shade = ["#b3423a", "#2d6a8f", "#3f7d4e", "#7a4f9a", "#9c6b1e"][(state.drawn = (state.drawn ?? -1) + 1) % 5];
      paint.fillStyle = paint.strokeStyle = shade;
      paint.beginPath();
      if (state.draw === "disc") paint.ellipse(x0 + w / 2, y0 + h / 2, w / 2, h / 2, 0, 0, 7);
      if (state.draw === "square") paint.rect(x0, y0, w, h);
      if (state.draw === "triangle") [[x0 + w / 2, y0], [x1, y1], [x0, y1]].forEach((p) => paint.lineTo(...p));
      if (state.draw === "ring") {
        paint.ellipse(x0 + w / 2, y0 + h / 2, w / 2, h / 2, 0, 0, 7);
        paint.moveTo(x0 + w * 0.75, y0 + h / 2);
        paint.ellipse(x0 + w / 2, y0 + h / 2, w / 4, h / 4, 0, 0, 7);
      }
      if (state.draw === "cross") {
        paint.rect(x0 + w * 0.34, y0, w * 0.32, h);
        paint.rect(x0, y0 + h * 0.34, w * 0.34, h * 0.32);
        paint.rect(x0 + w * 0.66, y0 + h * 0.34, w * 0.34, h * 0.32);
      }
      paint.fill("evenodd");
      state.truth.boxes.push([x0, y0, x1, y1]);
      state.truth.labels.push(classes().indexOf(state.draw));
      run();
    }

    // ---- the network runs aside; of pictures that come meanwhile only the last is looked at

    function run() {
      state.waits = true;
      canvas.getContext("2d").drawImage(pixels, 0, 0);
      next();
    }

    function next() {
      if (!state.waits || state.busy || !config()) return;
      state.waits = false;
      state.busy = true;
      const { width, height } = pixels;
      const rgba = paint.getImageData(0, 0, width, height).data;
      root.dataset.job = state.job += 1;
      state.asked = state.name;
      root.dataset.busy = "";
      worker.postMessage({ job: state.job, name: state.name, rgba, width, height }, [rgba.buffer]);
    }

    worker.onmessage = ({ data }) => {
      if (data.loaded) {
        [configs[data.loaded], stages[data.loaded]] = [data.config, data.stages];
        return next();
      }
      if (data.maps) {
        if (state.seen && data.job === state.job) maps.take(data.maps, state.seen.size);
        return draw();
      }
      state.busy = false;
      if (data.error) {
        write(say, `The network stopped: ${data.error}`);
      } else if (!state.waits && state.asked === state.name) {
        state.seen = data.seen;
        root.dataset.milliseconds = Math.round(data.milliseconds);
        delete root.dataset.busy;
        state.chosen = -1;
        select.replaceChildren(...["all classes", ...classes()].map((text, i) => {
          const one = node(null, "option", { value: i - 1 }, text);
          one.selected = i - 1 === state.label;
          return one;
        }));
        maps.offer(state.level);
        maps.again();
        decide();
      }
      return next();
    };

    // ---- detections; never the network

    function decide() {
      if (!state.seen) return;
      const before = state.found[state.chosen];
      const { threshold, nms, centerness } = state;
      state.found = inside.detect(state.seen, config(), { threshold, nms, centerness });
      const same = (one) => before && one.level === before.level && one.cell === before.cell && one.label === before.label;
      state.chosen = state.found.findIndex(before ? same : (one) => one.kept);
      const kept = state.found.filter((one) => one.kept);
      const count = classes().map((name, i) => [kept.filter((one) => one.label === i).length, name]).filter(([n]) => n);
      const words = count.map(([n, name]) => `${n} ${name}`).join(", ") || "nothing";
      write(say, `Found: ${words}. ${counted(state.found.length, "candidates were", "candidate was")} above the threshold, and ${counted(kept.length, "are", "is")} kept.`);
      draw();
    }

    function here() {
      if (!state.seen) return null;
      const level = state.level - 3, one = state.seen.levels[level];
      const [height, width] = state.seen.size;
      const x = (state.place[0] * width) / pixels.width, y = (state.place[1] * height) / pixels.height;
      const within = (value, most) => Math.max(0, Math.min(most - 1, Math.floor(value / one.stride)));
      return inside.answer(state.seen, level, within(y, one.height) * one.width + within(x, one.width), config());
    }

    // What the location under the pointer is to learn; null where nobody knows.
    function aim(level, cell) {
      if (!state.seen || !state.truth) return null;
      const { boxes } = state.truth;
      if (state.ownOf !== state.seen || state.own.length !== boxes.length) {
        [state.own, state.ownOf] = [inside.onCanvasBoxes(boxes, state.seen), state.seen];
      }
      return inside.target(state.seen, level, cell, state.own, config());
    }

    // Of the chosen level, in words, as the map of targets shows it.
    function count() {
      if (state.heat !== "target" || !state.seen) return;
      if (!state.truth) return write(say, "Of a picture of yours no truth is known, and so no target.");
      const one = state.seen.levels[state.level - 3];
      const all = Array.from({ length: one.width * one.height }, (_, cell) => aim(state.level - 3, cell));
      const own = all.filter(({ matched }) => matched >= 0 && (state.label < 0 || state.truth.labels[matched] === state.label));
      const ambiguous = own.filter(({ candidates }) => candidates.length > 1).length;
      const word = state.label < 0 ? "a box" : classes()[state.label];
      const learn = `${counted(all.length, "locations", "location")} ${own.length === 1 ? "learns" : "learn"}`;
      write(say, `On P${one.name}, ${own.length} of ${learn} ${word}; ${counted(ambiguous, "of them are", "of them is")} ambiguous. All others are background.`);
    }

    // ---- drawing

    const rect = ([x0, y0, x1, y1]) => ({ x: x0, y: y0, width: Math.max(0, x1 - x0), height: Math.max(0, y1 - y0) });

    function draw() {
      canvas.getContext("2d").drawImage(pixels, 0, 0);
      layers.forEach((layer) => layer.replaceChildren());
      heatMap();
      trueBoxes();
      boxes();
      spot();
      tell();
    }

    function heatMap() {
      heat.hidden = !state.seen || !(state.heat !== "none" || maps.over);
      if (heat.hidden) return;
      if (state.heat === "none") return maps.paint(heat);
      const context = heat.getContext("2d");
      const one = state.seen.levels[state.level - 3], C = config().num_classes;
      [heat.width, heat.height] = [one.width, one.height];
      const image = context.createImageData(one.width, one.height);
      if (state.heat === "target") targets(image, one);
      else for (let cell = 0; cell < one.width * one.height; cell++) {
        const logits = one.logits.subarray(cell * C, (cell + 1) * C);
        const score = inside.sigmoid(state.label < 0 ? Math.max(...logits) : logits[state.label]);
        const center = inside.sigmoid(one.centerness[cell]);
        const value = { score, centerness: center, product: score * center }[state.heat];
        image.data.set([40 + 215 * value, 20 + 215 * value * value, 90 * (1 - value), 205], 4 * cell);
      }
      context.putImageData(image, 0, 0);
      heat.style.cssText = "";
      // The map covers the canvas, of which the picture is a part.
      const [height, width] = state.seen.size;
      heat.style.width = `${(100 * one.width * one.stride) / width}%`;
      heat.style.height = `${(100 * one.height * one.stride) / height}%`;
    }

    // A cell that learns a box in the colour of its class, the fuller the more central; background is dark.
    function targets(image, one) {
      for (let cell = 0; cell < one.width * one.height; cell++) {
        const aimed = aim(state.level - 3, cell), label = aimed && aimed.matched >= 0 ? state.truth.labels[aimed.matched] : -1;
        if (label < 0 || (state.label >= 0 && label !== state.label)) {
          image.data.set([40, 20, 90, 150], 4 * cell);
        } else {
          const hue = [1, 3, 5].map((i) => parseInt(COLORS[label].slice(i, i + 2), 16)), share = 0.35 + 0.65 * aimed.centerness;
          image.data.set([...hue.map((value) => 255 - (255 - value) * share), 225], 4 * cell);
        }
      }
    }

    function trueBoxes() {
      if (!state.shown || !state.truth) return;
      const one = here(), aimed = one && aim(one.level, one.cell);
      state.truth.boxes.forEach((box, i) => {
        const group = node(layers[1], "svg:g", { style: `--own:${COLORS[state.truth.labels[i]]}` });
        if (aimed?.matched === i) group.classList.add("look-aimed");
        node(group, "svg:rect", { ...rect(box), class: "look-halo" });
        node(group, "svg:rect", { ...rect(box), class: "look-line" });
      });
    }

    function boxes() {
      const unit = pixels.width / 400;
      const chosen = state.found[state.chosen];
      const crowded = state.found.filter((one) => one.kept).length > 8;
      const written = [];
      layers[2].classList.toggle("look-quiet", !heat.hidden);
      state.found.forEach((one, i) => {
        if (one.kept || i === state.chosen) return;
        if (chosen && one.by === state.chosen) {
          node(layers[0], "svg:rect", { ...rect(one.box), style: `--own:${COLORS[one.label]}` });
        }
      });
      state.found.forEach((one, i) => {
        if (!one.kept && i !== state.chosen) return;
        const group = node(layers[2], "svg:g", { style: `--own:${COLORS[one.label]}` });
        if (i === state.chosen) group.classList.add("look-chosen");
        node(group, "svg:rect", { ...rect(one.box), class: "look-halo" });
        node(group, "svg:rect", { ...rect(one.box), class: "look-line" });
        const score = one.score.toFixed(2), words = i === state.chosen || !crowded ? `${classes()[one.label]} ${score}` : score;
        const x = one.box[0] + 3 * unit, width = 7 * unit * words.length;
        let y = Math.max(one.box[1] + 13 * unit, 13 * unit);
        // Two boxes of one object begin at one corner: the later words go below the earlier ones.
        const meets = (other) => Math.abs(other.y - y) < 13 * unit && x < other.x + other.width && other.x < x + width;
        while (written.some(meets) && y < pixels.height - 13 * unit) y += unit;
        written.push({ x, y, width });
        node(group, "svg:text", { x, y, "font-size": 12 * unit, "aria-hidden": "true" }, words);
      });
    }

    function spot() {
      const one = here(), [x, y] = one ? one.point : state.place, unit = pixels.width / 400;
      if (one) {
        const [l, t, r, b] = one.ltrb;
        node(layers[3], "svg:rect", rect(one.box));
        [[x - l, y], [x, y - t], [x + r, y], [x, y + b]].forEach(([u, v], i) => {
          node(layers[3], "svg:line", { x1: x, y1: y, x2: u, y2: v, style: `--own:${SIDES[i][1]}` });
        });
      }
      node(layers[4], "svg:circle", { cx: x, cy: y, r: 4.5 * unit });
    }

    // The panel: what the location under the pointer says.
    const title = node(side, "p", { class: "look-title" });
    const read = node(side, "p", { class: "look-read" }); // a feature map's value here
    const meters = node(side, "div");
    const sides = node(side, "div", { class: "look-sides" });
    const fate = node(side, "p", { class: "fcx-hint" });
    const goal = node(side, "div", { class: "look-goal" });

    // The target; its words for those who do not see them.
    function tellTarget(one) {
      goal.replaceChildren();
      const aimed = aim(one.level, one.cell);
      if (!aimed) {
        node(goal, "p", { class: "fcx-hint" }, "Target: of a picture of yours no truth is known.");
        return "";
      }
      const names = state.truth.labels.map((label) => classes()[label]);
      const scaled = state.seen.size.some((side, i) => side !== state.seen.given[i]);
      const { title: word, reasons } = lookTruth.words(aimed, one.level, names, config(), scaled ? "pixels (as resized)" : "pixels");
      const color = aimed.matched < 0 ? "#5c6675" : COLORS[state.truth.labels[aimed.matched]];
      const head = node(goal, "p", { class: "look-learns", style: `--own:${color}` });
      node(head, "i");
      node(head, "span", {}, `Target: ${word}`);
      if (aimed.matched >= 0) {
        const row = node(goal, "div", { class: "look-sides" });
        SIDES.forEach(([name, own], i) => {
          const cell = node(row, "span", { style: `--own:${own}` });
          node(cell, "i", {}, name);
          node(cell, "b", {}, px(aimed.ltrb[i]));
        });
        const strides = config().normalize_targets ? `; in strides ${aimed.wanted.map((value) => value.toFixed(2)).join(", ")}` : "";
        node(row, "small", {}, `center-ness ${aimed.centerness.toFixed(3)}${strides}`);
      }
      node(goal, "p", { class: "fcx-hint" }, reasons.join(" "));
      return ` Target: ${word}. ${reasons.join(" ")}`;
    }

    function tell() {
      const one = here();
      if (!one) {
        write(title, `Location ${state.place.map(Math.round).join(", ")}`);
        write(fate, "The network is at work.");
        goal.replaceChildren();
        return list();
      }
      const level = state.seen.levels[one.level];
      const [x, y] = one.point.map(Math.round);
      const inner = maps.tell(state.place.map((value, i) => (value * state.seen.size[1 - i]) / state.seen.given[1 - i]));
      write(read, inner);
      write(title, `P${level.name}, stride ${level.stride}: location ${x}, ${y}`);
      meters.replaceChildren();
      const rows = [...classes().map((name, i) => [name, one.scores[i], COLORS[i]]),
        ["center-ness", one.centerness, "#5c6675"]];
      for (const [name, value, color] of rows) {
        const row = node(meters, "div", { class: "fcx-meter", style: `--own:${color}` });
        node(row, "b", {}, name);
        node(node(row, "span", { class: "fcx-track" }), "i", { style: `width:${100 * value}%` });
        node(row, "span", { class: "fcx-value" }, value.toFixed(3));
      }
      sides.replaceChildren();
      SIDES.forEach(([name, color], i) => {
        const cell = node(sides, "span", { style: `--own:${color}` });
        node(cell, "i", {}, name);
        node(cell, "b", {}, px(one.ltrb[i]));
      });
      node(sides, "small", {}, `box ${one.box.map(px).join(", ")}`);
      const best = one.scores.indexOf(Math.max(...one.scores)), [word, p] = [classes()[best], one.scores[best].toFixed(2)];
      const index = state.found.findIndex((each) => each.level === one.level && each.cell === one.cell && each.label === best);
      const ends = one.outside ? "It lies on the padding beside the picture. " : "";
      write(fate, ends + (index < 0 ? `Its best class, ${word} with ${p}, is no candidate: it is not above the threshold.` : `Its best class is ${word}. ${verdict(index)}`));
      const learns = tellTarget(one);
      view.setAttribute("aria-label", `Picture. ${inner ? `${inner}. ` : ""}Location ${x}, ${y} of P${level.name}: ${word} ${p}, center-ness ${one.centerness.toFixed(2)}, l ${px(one.ltrb[0])}, t ${px(one.ltrb[1])}, r ${px(one.ltrb[2])}, b ${px(one.ltrb[3])}. ${fate.textContent}${learns}`);
      return list();
    }

    function verdict(index) {
      const one = state.found[index];
      if (one.by >= 0) return `Suppressed by number ${one.by + 1}: their IoU is ${one.iou.toFixed(2)}.`;
      if (!one.kept) return `Left out: ${config().detections_per_image} better ones are kept already.`;
      const beaten = state.found.filter((other) => other.by === index).length;
      return `Kept as number ${one.rank}; it suppressed ${beaten} other${beaten === 1 ? "" : "s"}.`;
    }

    // The chain of the chosen candidate, and the candidates in their order, as buttons.
    const chain = node(story, "ol", { class: "look-chain", "aria-label": "How the chosen detection came about" });
    node(story, "p", { class: "fcx-hint look-key" }, "Candidates by score: kept ones in bold; \"by 2\" is suppressed by number 2.");
    const ranking = node(story, "div", { class: "look-ranking", role: "group", "aria-label": "Candidates by score" });
    let listed = null, listedChoice = null;

    function list() {
      if (listed === state.found && listedChoice === state.chosen) return;
      const focused = ranking.contains(document.activeElement);
      [listed, listedChoice] = [state.found, state.chosen];
      chain.replaceChildren();
      ranking.replaceChildren();
      const one = state.found[state.chosen];
      if (one) {
        const logit = one.logits[one.label], level = state.seen.levels[one.level];
        [
          ["logit", `${logit.toFixed(2)}, for ${classes()[one.label]}, at ${one.point.map(Math.round).join(", ")} of P${level.name}`],
          ["sigmoid", `p = ${one.probability.toFixed(3)}, above the threshold of ${state.threshold.toFixed(2)}`],
          state.centerness
            ? ["× center-ness", `${one.probability.toFixed(3)} × ${one.centerness.toFixed(3)} = ${one.score.toFixed(3)}`]
            : ["no center-ness", `the score stays ${one.score.toFixed(3)}`],
          ["rank", `number ${one.rank} of ${state.found.length} candidates`],
          [one.kept ? "kept" : "suppressed", verdict(state.chosen)],
        ].forEach(([name, text]) => {
          const item = node(chain, "li");
          node(item, "b", {}, name);
          node(item, "span", {}, text);
        });
      }
      state.found.slice(0, 60).forEach((each, i) => {
        const fates = each.kept ? "kept" : each.by >= 0 ? `by ${each.by + 1}` : "left out";
        const press = node(ranking, "button", {
          type: "button", "aria-pressed": String(i === state.chosen), class: each.kept ? "look-in" : "", style: `--own:${COLORS[each.label]}`,
        }, `${i + 1} ${classes()[each.label]} ${each.score.toFixed(2)} ${fates}`);
        press.addEventListener("click", () => pick(i));
        if (focused && i === state.chosen) press.focus();
      });
    }

    function pick(index) {
      state.chosen = index;
      const one = state.found[index];
      state.place = one.point;
      state.level = one.level + 3;
      maps.offer(state.level);
      root.querySelector(`input[name="look-level"][value="${one.level}"]`).checked = true;
      draw();
      write(say, `Number ${one.rank}, ${classes()[one.label]} ${one.score.toFixed(2)}. ${verdict(index)}`);
    }

    // The smallest detection around the place.
    function pickHere() {
      const around = state.found.map((one, i) => [one, i]).filter(([{ kept, box: [x0, y0, x1, y1] }]) =>
        kept && x0 <= state.place[0] && state.place[0] <= x1 && y0 <= state.place[1] && state.place[1] <= y1);
      const area = ([{ box: [x0, y0, x1, y1] }]) => (x1 - x0) * (y1 - y0);
      around.sort((a, b) => area(a) - area(b));
      if (around.length) pick(around[0][1]);
      else write(say, "No detection lies here.");
    }

    // ---- pointer, touch, keyboard

    function at(event) {
      const frame = view.getBoundingClientRect();
      const share = (value, low, length) => Math.max(0, Math.min(0.9999, (value - low) / length));
      return [share(event.clientX, frame.left, frame.width) * pixels.width, share(event.clientY, frame.top, frame.height) * pixels.height];
    }

    let from = null, asked = false;
    function soon() {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => { asked = false; draw(); });
    }
    view.addEventListener("pointermove", (event) => {
      state.place = at(event);
      soon();
      if (from) {
        const [u, v] = state.place;
        requestAnimationFrame(() => node(layers[4], "svg:rect", rect([Math.min(from?.[0] ?? u, u), Math.min(from?.[1] ?? v, v),
          Math.max(from?.[0] ?? u, u), Math.max(from?.[1] ?? v, v)])));
      }
    });
    view.addEventListener("pointerdown", (event) => {
      state.place = at(event);
      if (!state.draw) return;
      from = state.place;
      view.setPointerCapture(event.pointerId);
    });
    view.addEventListener("pointercancel", () => { from = null; });
    view.addEventListener("pointerup", (event) => {
      const [u, v] = at(event);
      if (!from) return;
      const [x, y] = from;
      from = null;
      add([Math.min(x, u), Math.min(y, v), Math.max(x, u), Math.max(y, v)]);
    });
    view.addEventListener("click", (event) => {
      if (state.draw) return;
      state.place = at(event);
      pickHere();
    });
    view.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (step) {
        const stride = (2 ** state.level * pixels.width) / (state.seen?.size[1] ?? pixels.width);
        const one = here();
        const [x, y] = one ? one.point : state.place;
        const within = (value, length) => Math.max(0, Math.min(length - 1, value));
        state.place = [within(x + step[0] * stride, pixels.width), within(y + step[1] * stride, pixels.height)];
        draw();
        write(say, view.getAttribute("aria-label").replace("Picture. ", ""));
      } else if (event.key === "Enter" || event.key === " ") pickHere();
      else return;
      event.preventDefault();
    });
    root.addEventListener("dragover", (event) => event.preventDefault());
    root.addEventListener("drop", (event) => {
      event.preventDefault();
      if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0], event.dataTransfer.files[0].name);
    });

    blank();
    root.dataset.alive = "";
    choose(state.name);
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll(".look").forEach((root) => start(root));
    // A picture, until the reader wants more: only then are the detector's weights loaded.
    document.querySelectorAll(".look-small").forEach((root) => {
      const go = root.querySelector("button");
      go.hidden = false;
      go.addEventListener("click", () => {
        root.replaceChildren();
        root.classList.add("fcx", "look");
        start(root, true);
        root.querySelector("svg").focus({ preventScroll: true });
      });
    });
  });
})();
