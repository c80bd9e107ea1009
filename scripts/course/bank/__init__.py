"""The question bank: items as data, the chapters' quizzes read from the notebooks, and the exports."""
