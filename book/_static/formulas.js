// Wakes MathJax once the whole page is read; _config.yml gives its script a type that no browser runs by itself. Not
// earlier, because jupyterquiz, on finding MathJax announced but not loaded yet, fails after half a second, or fetches
// another one from the network.
(() => {
  "use strict";
  function wake() {
    const asleep = document.querySelector('script[type="text/x-later"][src*="mathjax"]');
    if (!asleep) return; // a page without formulas
    // MyST marks the text of a page as no formula, and its formulas with the class "math".
    // The whole of MathJax, with its menu, would be half as much again.
    window.MathJax = {
      loader: { load: ["core", "input/tex", "output/chtml", "a11y/assistive-mml"] },
      options: { processHtmlClass: "tex2jax_process|mathjax_process|math|output_area" },
    };
    const script = document.createElement("script");
    script.src = asleep.src;
    asleep.replaceWith(script);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", wake);
  else wake();
})();
