// A second diagram beside or below the stage, with axes of its own. `shape` is {width, height} in units of which one is
// about a pixel of the screen; kit.chart draws into it as into a stage.
const plot = (parent, shape, draw) => {
  const frame = kit.html(parent, "div", { class: "fcx-small" });
  frame.style.aspectRatio = `${shape.width} / ${shape.height}`;
  const canvas = kit.svg(frame, "svg", { viewBox: `0 0 ${shape.width} ${shape.height}`, "aria-hidden": "true" });
  const view = {
    canvas, frame, width: shape.width, height: shape.height, unit: 1,
    px: (n) => n * view.unit,
    write(node, x, y, text, size = 13) {
      kit.fill(node, { x, y, text });
      node.style.fontSize = `${view.px(size)}px`;
      node.style.strokeWidth = `${view.px(3.5)}px`;
    },
  };
  const measure = () => {
    const shown = frame.getBoundingClientRect().width;
    if (shown > 0) view.unit = shape.width / shown;
  };
  measure();
  if (typeof ResizeObserver !== "undefined") {
    new ResizeObserver(kit.soon(() => {
      measure();
      draw();
    })).observe(frame);
  }
  return view;
};
