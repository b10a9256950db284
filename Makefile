# `make` sets up .venv and runs a small case; `make test` sets up the same and runs every test.
PYTHON ?= python3
BIN := .venv/bin

ifneq ($(words $(CURDIR)),1)
$(error the path $(CURDIR) has a space, which Snakemake's jobs cannot bear; move the project)
endif

# Every study in results/ that has begun; STUDY names one.
STUDIES := $(or $(STUDY),$(patsubst results/%/config.yaml,%,$(wildcard results/*/config.yaml)))
DRAW = $(BIN)/snakemake --cores all --configfile results/$(1)/config.yaml --config draw_only=true --quiet all
DRAWN = find $(STUDIES:%=results/%/tables) $(STUDIES:%=results/%/figures) -type f

.PHONY: quickstart redraw report test test-slurm test-report test-faults bench lint lock rulegraph clean

quickstart: .venv/installed
	@echo "Each training job writes its progress to logs/quickstart/train/."
	$(BIN)/snakemake --cores all --configfile configs/quickstart.yaml --quiet rules host reason
	@echo "Made these figures and tables:"
	@find results/quickstart/figures results/quickstart/tables -type f | sort

# All figures and tables again from the groups that are there: no training, no data. `make redraw STUDY=mnist-k10` draws one.
redraw: .venv/installed
	@mkdir -p .snakemake && ($(DRAWN) -exec sha256sum {} + 2>/dev/null || true) > .snakemake/drawn.sha256
	@$(foreach study,$(STUDIES),echo "drawing $(study)" && $(call DRAW,$(study)) --forceall &&) true
	@sha256sum --quiet --check .snakemake/drawn.sha256 \
	    && echo "All $$(wc -l < .snakemake/drawn.sha256) files have the same bits as before." \
	    || echo "The files named above have changed; all others have the same bits as before."

# One page with all figures and tables of a study: results/STUDY/report.html.
report: .venv/installed
	@test -e results/$(or $(STUDY),paper)/config.yaml || { echo "There is no study results/$(or $(STUDY),paper); name one: make report STUDY=NAME"; exit 1; }
	$(call DRAW,$(or $(STUDY),paper)) --forceall
	$(call DRAW,$(or $(STUDY),paper)) --report results/$(or $(STUDY),paper)/report.html

# In parallel by class or file, whose tests share runs of the pipeline.
test: .venv/installed
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadscope

# On a real Slurm, for as long as the test runs; as root on Debian.
test-slurm: .venv/installed
	apt-get install --yes --no-install-recommends slurm-wlm munge
	$(BIN)/python -m pytest -m slurm -k "$(SLURM_TESTS)"

# In a real browser; as root on Debian.
test-report: .venv/installed
	apt-get install --yes --no-install-recommends chromium chromium-driver
	$(BIN)/python -m pytest -m browser

# Kills at 200 random moments, full disks, bad mirrors; half an hour to an hour, and root for the small disks.
test-faults: .venv/installed
	$(BIN)/python -m pytest -m faults --capture=no

# About a quarter of an hour; nothing else should run meanwhile. On a machine with a GPU it measures that.
bench: .venv/installed
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/pipeline.py

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

.venv/installed: requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --requirement requirements.lock
	touch $@

# Pins anew everything that pyproject.toml allows; envs/ must then follow, as a test says.
lock:
	uv pip compile --universal --python-version 3.11 --all-extras --no-annotate --upgrade pyproject.toml -o requirements.lock

# Needs Graphviz's dot.
rulegraph: .venv/installed
	$(BIN)/snakemake --rulegraph > rulegraph.dot
	dot -Tsvg rulegraph.dot -o docs/rulegraph.svg
	rm rulegraph.dot

clean:
	rm -rf .venv results/quickstart logs/quickstart checkpoints/quickstart
