// Moves the film of the landing page from step to step. Without this script the page shows its last step.
(() => {
  "use strict";
  const SECONDS = [2.2, 2.8, 4.2, 2.6, 4.6];

  function start(film) {
    const controls = film.querySelector(".film-controls");
    const play = film.querySelector(".film-play");
    const buttons = [...controls.querySelectorAll("button[data-step]")];
    let step = buttons.length;
    let timer = null;
    let inSight = true;

    const playing = () => !("paused" in film.dataset);

    function show(next) {
      step = next;
      film.dataset.step = step;
      for (const button of buttons) {
        if (Number(button.dataset.step) === step) button.setAttribute("aria-current", "step");
        else button.removeAttribute("aria-current");
      }
    }

    function wait() {
      clearTimeout(timer);
      if (playing() && inSight) {
        timer = setTimeout(() => { show((step % buttons.length) + 1); wait(); }, 1000 * SECONDS[step - 1]);
      }
    }

    function pause(paused) {
      if (paused) film.dataset.paused = "";
      else delete film.dataset.paused;
      play.setAttribute("aria-label", paused ? "Play" : "Pause");
      wait();
    }

    play.addEventListener("click", () => {
      const paused = playing();
      if (!paused) show((step % buttons.length) + 1);
      pause(paused);
    });
    for (const button of buttons) {
      button.addEventListener("click", () => { show(Number(button.dataset.step)); pause(true); });
    }
    new IntersectionObserver((entries) => { inSight = entries[0].isIntersecting; wait(); }).observe(film);

    controls.hidden = false;
    show(step);
    pause(window.matchMedia("(prefers-reduced-motion: reduce)").matches);
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".film").forEach(start));
})();
