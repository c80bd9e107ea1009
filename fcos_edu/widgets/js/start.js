// The end of every fragment: find its own place on the page and bring it to life, once.
(() => {
  const here = document.currentScript && document.currentScript.closest(".fcx");
  const root = here || document.querySelector(`[id="${ID}"]:not([data-alive])`);
  if (!root || root.dataset.alive) return;
  root.dataset.alive = "true";
  for (const level of DATA.levels || []) level.high = level.high === null ? Infinity : level.high;
  const style = document.createElement("style");
  style.textContent = STYLE;
  root.prepend(style);
  const still = root.querySelector(".fcx-still");
  try {
    explore(root, DATA);
    still.remove();
  } catch (error) {
    still.textContent = `This figure could not start: ${error.message}`;
    throw error;
  }
})();
