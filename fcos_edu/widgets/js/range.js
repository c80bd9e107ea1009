// A range input that answers its keys by itself: JupyterLab takes the arrow keys away before the browser's own handling,
// and on some machines PageUp and Home scroll the page as well.
// change(value) is called for every new value, whoever moved the slider.
const steer = (input, change) => {
  const [low, high] = [Number(input.min), Number(input.max)];
  const step = Number(input.step) || 1;
  const page = Math.max(1, Math.round((high - low) / step / 10)) * step;
  const MOVES = { ArrowLeft: -step, ArrowDown: -step, ArrowRight: step, ArrowUp: step, PageDown: -page, PageUp: page };
  const ENDS = { Home: low, End: high };
  input.addEventListener("input", () => change(Number(input.value)));
  input.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (!(event.key in MOVES) && !(event.key in ENDS)) return;
    event.preventDefault();
    event.stopPropagation();
    const before = input.value;
    input.value = event.key in ENDS ? ENDS[event.key] : Number(input.value) + MOVES[event.key]; // kept in its range
    if (input.value !== before) change(Number(input.value));
  });
};
