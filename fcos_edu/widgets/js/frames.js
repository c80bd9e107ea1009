// Prepared pictures, one of which is seen, and the slider that chooses it. The pictures stand in the page already: without
// a script the first one that was asked for is there.
// data: {start, label: at the slider, words: of each frame}
const explore = (root, data) => {
  const pictures = [...root.querySelectorAll(".fcx-pile > img")];
  const row = document.createElement("label");
  row.className = "fcx-slider";
  const add = (tag, attributes) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return row.appendChild(node);
  };
  add("span", {}).textContent = data.label;
  const input = add("input", { type: "range", min: 0, max: pictures.length - 1, step: 1, "aria-label": data.label });
  const output = add("output", { "aria-hidden": "true" });

  // All pictures lie in one place, and one is seen: nothing is loaded later, and nothing jumps.
  const show = (now) => {
    pictures.forEach((picture, i) => picture.classList.toggle("fcx-now", i === now));
    output.textContent = `${now + 1} / ${pictures.length}`;
    input.setAttribute("aria-valuetext", data.words[now]);
  };
  for (const picture of pictures) picture.hidden = false;
  input.value = data.start;
  steer(input, show);
  show(data.start);
  root.querySelector(".fcx-pile").before(row);
};
