# make book and make test set themselves up: they create $(VENV) and install the project with the extra that
# they need. The stamps depend on pyproject.toml, so a second call installs nothing.

PYTHON  ?= python3
VENV    ?= .venv
WORKERS ?= 2

BIN := $(VENV)/bin
PY  := $(BIN)/python
# One thread a worker: two workers with two threads each would fight for two cores.
ENV := OMP_NUM_THREADS=1 PYTHONHASHSEED=0
# glibc hands the memory of each large tensor back, and gets it again, page by page, for the next one: about 5 % of what
# the tests that train compute. Here it may keep it. (Other systems do not know these names.)
KEEP := MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=1073741824 MALLOC_TOP_PAD_=67108864

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help alone-environment book pdf test lint types unit weekly nbval browser colab kaggle alone fonts notebooks pages ledger pictures repository course upgrade dist clean distclean

help:
	@echo "make book        build the site strictly (sets up $(VENV) if needed) and say where it is"
	@echo "make pdf         the whole book as one PDF, printed from the site (Chromium)"
	@echo "make test        lint, types, tests, and every notebook against its stored outputs"
	@echo "make lint        ruff check and ruff format --check, .py and .ipynb"
	@echo "make types       mypy"
	@echo "make unit        pytest over tests/"
	@echo "make weekly      the tests of tests/ that make unit leaves out: slow, and of what few changes touch"
	@echo "make nbval       every notebook against its stored outputs"
	@echo "make browser     the site that make book built, page by page in a real browser (Chromium)"
	@echo "make colab       every notebook alone in an empty folder, with Colab's versions; NB=... for one"
	@echo "make kaggle      the same with Kaggle's versions;  make alone: three notebooks, as on Colab"
	@echo "make alone-environment   what make alone and make colab run in"
	@echo "make notebooks   execute notebooks in place; NB=notebooks/02_locations.ipynb for one"
	@echo "make pages       write what follows from other files: tables of chapters, _toc.yml, API reference, ..."
	@echo "make course      student and instructor notebooks, slides and exam in build/course"
	@echo "make pictures    draw the committed pictures again"
	@echo "make ledger      write book/ledger.md and book/reproduction.md from fcos_edu/results/"
	@echo "make repository  write the repository address of pyproject.toml wherever it belongs"
	@echo "make upgrade     the newest versions that pyproject.toml allows"
	@echo "make dist        wheel and source distribution, checked, and the wheel alone in an empty folder; TAG=v0.2.0 too"
	@echo "make clean       remove the built site and caches;  make distclean removes $(VENV) too"
	@echo "Variables: PYTHON=$(PYTHON)  VENV=$(VENV)  WORKERS=$(WORKERS)"

# ---- set-up -------------------------------------------------------------------------------------------

$(VENV)/.created:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "error: '$(PYTHON)' was not found. Install Python 3.10-3.13, or name one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' || { \
	  echo "error: Python 3.10-3.13 is needed, but '$(PYTHON)' is $$($(PYTHON) -V 2>&1)." \
	       "Name another one: make PYTHON=python3.12"; exit 1; }
	@echo "== Creating $(VENV) with $$($(PYTHON) -V)"
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "error: '$(PYTHON) -m venv' failed. On Debian and Ubuntu the package python3-venv is missing:" \
	       "sudo apt install python3-venv"; exit 1; }
	@touch $@

$(VENV)/.book: $(VENV)/.created pyproject.toml
	@echo "== Installing fcos-edu[book] into $(VENV); torch is large, this takes a few minutes the first time"
	$(PY) -m pip install --quiet -e ".[book]"
	@touch $@

# The test extra holds the book extra.
$(VENV)/.test: $(VENV)/.created pyproject.toml
	@echo "== Installing fcos-edu[test] into $(VENV); torch is large, this takes a few minutes the first time"
	$(PY) -m pip install --quiet -e ".[test]"
	@touch $(VENV)/.book $@

upgrade: $(VENV)/.test
	$(PY) -m pip install --quiet --upgrade --upgrade-strategy eager -e ".[test]"

# ---- the site -----------------------------------------------------------------------------------------

# --all: pages that an earlier build left unchanged are read again, so that their warnings count too.
book: $(VENV)/.book
	$(BIN)/jupyter-book build book/ --all -n -W --keep-going
	@$(PY) -c 'import pathlib; page = pathlib.Path("book/_build/html/index.html"); \
	  print(f"\nThe book is built: {page}\nOpen {page.resolve().as_uri()}")'

pdf: book
	$(PY) -m pip install --quiet -e ".[book,pdf]"
	$(PY) -m scripts.make_pdf

notebooks: $(VENV)/.book
	$(PY) -m scripts.execute_notebooks $(NB)

pages:
	$(PYTHON) -m scripts.make_pages
	$(PYTHON) -m scripts.course.objectives_page
	$(PYTHON) -m scripts.course.class_page
	$(PYTHON) -m scripts.course.words_page

pictures: $(VENV)/.book
	$(PY) -m scripts.make_pictures

ledger: $(VENV)/.book
	$(PY) -m scripts.make_ledger

repository:
	$(PYTHON) -m scripts.set_repository

course: $(VENV)/.book
	$(PY) -m scripts.course.make_course

# ---- the checks ---------------------------------------------------------------------------------------

# One after the other whatever -j says, so that the first failing step is the last thing printed. mypy needs one core:
# beside it the tests, and what they import, are compiled, once for all workers.
test: $(VENV)/.test
	@$(PY) -m pytest tests --collect-only -q >/dev/null 2>&1 & \
	times=; for step in lint types unit nbval; do \
	  start=$$(date +%s); \
	  [ $$step != unit ] || wait; \
	  $(MAKE) --no-print-directory $$step || { echo; echo "make test: '$$step' failed, see above."; exit 1; }; \
	  times="$$times $$step $$(($$(date +%s) - start)) s,"; \
	done; echo; echo "make test: all passed:$${times%,}."

lint: $(VENV)/.test
	@echo "== ruff check"
	$(BIN)/ruff check .
	@echo "== ruff format --check"
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	@echo "== mypy"
	$(BIN)/mypy

unit: $(VENV)/.test
	@echo "== pytest"
	$(ENV) $(KEEP) MPLBACKEND=Agg $(PY) -m pytest tests --ignore tests/site -q -n $(WORKERS) --dist worksteal

# Not a part of make test: some minutes for what few changes touch (compilers, exporters, benchmarks). After such a change,
# and once a week: .github/workflows/weekly.yml.
weekly: $(VENV)/.test
	@echo "== pytest, the weekly tests"
	$(ENV) MPLBACKEND=Agg $(PY) -m pytest tests -m weekly -q -n $(WORKERS) --dist worksteal

# matplotlib writes its font cache at the first import, and says so in the output of whichever cell comes first.
fonts: $(VENV)/.book
	@$(PY) -c 'import matplotlib.font_manager'

# MPLBACKEND would take the inline pictures away from the kernels.
nbval: $(VENV)/.test fonts
	@echo "== notebooks, compared with their stored outputs"
	env -u MPLBACKEND $(ENV) $(KEEP) $(PY) -m pytest notebooks -q --nbval --nbval-current-env \
	  --nbval-sanitize-with .ci/nbval_sanitize.cfg --nbval-cell-timeout 300 --nbval-kernel-startup-timeout 120 \
	  -n $(WORKERS) --dist loadscope

# Not a part of make test: it looks at what make book built last.
browser: $(VENV)/.test
	@test -f book/_build/html/index.html || { \
	  echo "error: there is no site in book/_build/html. Build it first: make book"; exit 1; }
	@echo "== the site in a browser"
	$(ENV) $(PY) -m pytest tests/site -q -n $(WORKERS) --dist worksteal

# Not a part of make test: each notebook as a reader meets it on Colab or Kaggle. The environment with their versions,
# $(ALONE), is made once; it takes Python 3.13 or the nearest that is here. FCOS_EDU_DATA: where data lie, if anywhere.
ALONE ?= .venv-alone
alone_ = env -u MPLBACKEND $(ENV) $(PY) scripts/run_alone.py --venv $(ALONE)

colab: $(VENV)/.test
	$(alone_) --platform colab $(NB)

kaggle: $(VENV)/.test
	$(alone_) --platform kaggle $(NB)

# The first half of make alone, which needs no package of ours and so no $(VENV).
alone-environment:
	$(PYTHON) scripts/alone_environment.py --venv $(ALONE)

alone: $(VENV)/.test
	$(alone_) --platform colab --subset

# ---- publishing ---------------------------------------------------------------------------------------

# What the release workflow runs. With TAG, the version in pyproject.toml and CHANGELOG.md must be the tag's.
dist: $(VENV)/.created
	@test -z "$(TAG)" || { grep -qx 'version = "$(TAG:v%=%)"' pyproject.toml && grep -q '^## $(TAG:v%=%)' CHANGELOG.md; } || { \
	  echo "error: the tag is $(TAG); pyproject.toml and CHANGELOG.md must name that version"; exit 1; }
	rm -rf dist build .venv-dist
	$(PY) -m pip install --quiet build twine
	$(PY) -m build
	$(PY) -m twine check --strict dist/*
	$(PYTHON) -m venv .venv-dist
	.venv-dist/bin/pip install --quiet dist/*.whl
	mkdir .venv-dist/empty
	cd .venv-dist/empty && ../bin/fcos-edu data export shapes --split val --images 4 --out folder
	cd .venv-dist/empty && ../bin/fcos-edu detect shapes folder/images --out found
	cd .venv-dist/empty && ../bin/fcos-edu evaluate shapes --data folder --split val
	rm -rf .venv-dist

# ---- cleaning -----------------------------------------------------------------------------------------

clean:
	rm -rf book/_build build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find fcos_edu tests scripts notebooks -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV) $(ALONE) *.egg-info
