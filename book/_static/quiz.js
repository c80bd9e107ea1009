// Names for what jupyterquiz leaves without one: a field is called by its question, answers form a group, and what a
// quiz says to an answer is read out.
(() => {
  "use strict";
  function name(quiz, number) {
    const question = quiz.querySelector('[id^="quizQn"]');
    if (!question) return;
    for (const field of quiz.querySelectorAll("input[type=text]")) field.setAttribute("aria-labelledby", question.id);
    const answers = quiz.querySelector(".Answer");
    if (answers) {
      answers.setAttribute("role", "group");
      answers.setAttribute("aria-labelledby", question.id);
    }
    for (const said of quiz.querySelectorAll(".Feedback")) {
      said.setAttribute("role", "status");
      said.setAttribute("aria-live", "polite");
    }
    quiz.dataset.named = number;
  }

  // The questions are written by scripts of the page, once MathJax has been waited for.
  function look() {
    document.querySelectorAll(".Quiz:not([data-named])").forEach(name);
  }
  document.addEventListener("DOMContentLoaded", () => {
    look();
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
  });
})();
