// Figures that a slider moves, on a page without a kernel: draws the widgets of fcos_edu.widgets.stack from the state
// that their notebook stored. ipywidgets' own player would do it, too, but it comes from two addresses in the network;
// this page needs none, and opens from a disk. tests/test_site.py checks that no notebook uses a widget unknown here.
(() => {
  "use strict";
  const STATE = "application/vnd.jupyter.widget-state+json";
  const VIEW = "application/vnd.jupyter.widget-view+json";
  const name = (reference) => String(reference).replace("IPY_MODEL_", "");

  // All models of the page: {name, state, on: what to call when a value changes}.
  function read() {
    const models = new Map();
    for (const script of document.querySelectorAll(`script[type="${STATE}"]`)) {
      for (const [id, entry] of Object.entries(JSON.parse(script.textContent).state)) {
        const model = { name: entry.model_name, state: entry.state, on: [] };
        for (const buffer of entry.buffers || []) model.state[buffer.path[0]] = buffer.data;
        models.set(id, model);
      }
    }
    return models;
  }

  function set(model, key, value) {
    if (model.state[key] === value) return;
    model.state[key] = value;
    for (const change of model.on) change(key);
  }

  // jslink ties two values to each other.
  function link(models) {
    for (const { name: kind, state } of models.values()) {
      if (kind !== "LinkModel") continue;
      const ends = [state.source, state.target].map(([reference, key]) => [models.get(name(reference)), key]);
      ends.forEach(([model, key], i) => {
        const [other, otherKey] = ends[1 - i];
        model.on.push((changed) => {
          if (changed === key) set(other, otherKey, model.state[key]);
        });
      });
    }
  }

  const make = (tag, attributes, parent) => {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (parent) parent.appendChild(node);
    return node;
  };

  // `about` says in words what the figure shows, for those who do not see it.
  const DRAW = {
    VBoxModel(model, models, parent, about) {
      const box = make("div", { class: "moving-figure", role: "group" }, parent);
      const children = model.state.children.map((child) => models.get(name(child)));
      const texts = children.filter((child) => child.name === "HTMLModel").map((child) => child.state.value);
      const words = [...texts, about].filter(Boolean).join(" ").replace(/<[^>]*>/g, "");
      if (words) box.setAttribute("aria-label", words);
      for (const child of children) draw(child, models, box, words);
    },
    HTMLModel(model, models, parent) {
      make("p", { class: "moving-caption" }, parent).innerHTML = model.state.value;
    },
    IntSliderModel(model, models, parent) {
      const { min, max, step, description } = model.state;
      const label = make("label", { class: "moving-slider" }, parent);
      make("span", {}, label).textContent = description;
      const input = make("input", { type: "range", min, max, step }, label);
      const show = () => {
        input.value = model.state.value;
        input.setAttribute("aria-valuetext", `${model.state.value - min + 1} of ${max - min + 1}`);
      };
      input.addEventListener("input", () => set(model, "value", Number(input.value)));
      model.on.push(show);
      show();
    },
    // All frames lie in one place, and one of them is seen: nothing is loaded later, and nothing jumps.
    StackModel(model, models, parent, about) {
      const pile = make("div", { class: "moving-frames" }, parent);
      const count = model.state.children.length;
      const frames = model.state.children.map((child, i) => {
        const frame = make("div", {}, pile);
        draw(models.get(name(child)), models, frame, `${about || "figure"}: frame ${i + 1} of ${count}`);
        return frame;
      });
      const show = () => frames.forEach((frame, i) => frame.classList.toggle("moving-now", i === model.state.selected_index));
      model.on.push(show);
      show();
    },
    ImageModel(model, models, parent, about) {
      const { format, value } = model.state;
      make("img", { src: `data:image/${format};base64,${value}`, alt: about || "figure" }, parent);
    },
  };

  function draw(model, models, parent, about) {
    const known = model && DRAW[model.name];
    if (known) known(model, models, parent, about);
    else {
      make("p", { class: "moving-caption" }, parent).textContent = "This part of the figure needs Jupyter or Colab.";
      console.error(`a widget that this page cannot show: ${model ? model.name : "its state is missing"}`);
    }
  }

  function start() {
    const views = document.querySelectorAll(`script[type="${VIEW}"]`);
    if (!views.length) return;
    const models = read();
    link(models);
    for (const view of views) {
      const place = make("div", {}, null);
      view.before(place);
      draw(models.get(JSON.parse(view.textContent).model_id), models, place, "");
    }
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
