# `make` sets up .venv and runs a small case; `make test` sets up the same and runs every test.
PYTHON ?= python3
BIN := .venv/bin

ifneq ($(words $(CURDIR)),1)
$(error the path $(CURDIR) has a space, which Snakemake's jobs cannot bear; move the project)
endif

.PHONY: quickstart redraw test test-slurm test-report test-faults bench lint lock rulegraph clean

quickstart: .venv/installed
	@echo "Each training job writes its progress to quickstart/logs/train/."
	$(BIN)/snakemake --cores all --directory quickstart --configfile configs/quickstart.yaml --quiet rules host reason
	@echo "Made these figures and tables:"
	@find quickstart/results/figures quickstart/results/tables -type f | sort

# The published figures and tables anew, from results/gathered/ and results/fitting/: no training, no data.
redraw: .venv/installed
	$(BIN)/snakemake --cores all figures tables control --configfile configs/published.yaml \
	    --forcerun select tabulate judge describe ledger compare_scale_and_shape \
	    plot_convergence plot_temperature plot_validation plot_images plot_control
	$(BIN)/snakemake --cores all fitting --forcerun tabulate_fits plot_fits

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
	rm -rf .venv quickstart
