# `make` installs and runs a small case. `make help` lists everything else.
PYTHON ?= python3
# Modules of Python and no commands: in a project that was moved, the commands name the old place.
RUN := .venv/bin/python -P -m
# In a user's shell these are meant for other work.
unexport PYTHONPATH PYTHONSTARTUP PYTHONHOME
export MPLBACKEND := agg
# `make TORCH=cpu` installs torch without CUDA.
TORCH ?= cuda
ifeq ($(filter $(TORCH),cuda cpu),)
$(error TORCH is $(TORCH), expected cuda or cpu)
endif

ifneq ($(words $(CURDIR)),1)
$(error the path $(CURDIR) has a space, with which Snakemake's jobs fail; move the project)
endif

# Every study in results/ that has something to draw; STUDY names one.
DRAWABLE := $(sort $(foreach file,$(wildcard results/*/groups/*/*/*/bounds.csv results/*/fits/*/*.gz),\
    $(word 2,$(subst /, ,$(file)))))
STUDIES := $(or $(STUDY),$(DRAWABLE))
CHECK = $(if $(filter $(1),$(DRAWABLE)),true,\
    { echo "results/$(1) has no finished group to draw; name one of: $(DRAWABLE)"; exit 1; })
# Groups that were copied into a new study have no config.yaml.
DRAW = $(RUN) snakemake --cores all $(addprefix --configfile ,$(wildcard results/$(1)/config.yaml)) \
    --config draw_only=true study=$(1) --quiet all
DRAWN = find docs/claims.png docs/verdicts.csv $(STUDIES:%=results/%/tables) $(STUDIES:%=results/%/figures) -type f
# The studies that git does not ignore, in their order in docs/claims.png.
PUBLISHED := $(shell sed -n 's,^!/results/\(.*\)/,\1,p' .gitignore)

# Of a page, without the notes below it.
FIRST_TABLE = awk '/^\|/ { print; seen = 1; next } seen { exit }'

# Snakemake keeps these while it runs, and after it was killed.
LOCKS = $(wildcard .snakemake/locks/*)

.PHONY: quickstart help redraw report test test-slurm test-report test-faults bench lint lock docs rulegraph clean distclean

quickstart: .venv/installed ## install, and run a small case (what `make` alone does)
	@echo "Each job writes its progress to logs/quickstart/."
	$(RUN) snakemake --cores all --configfile configs/quickstart.yaml --quiet rules host reason
	@echo "The test losses. Their marks are explained in results/quickstart/tables/results.md:"
	@$(FIRST_TABLE) results/quickstart/tables/results.md
	@echo "The claims, in results/quickstart/tables/claims.md:"
	@$(FIRST_TABLE) results/quickstart/tables/claims.md
	@echo "A figure: results/quickstart/figures/claims.png. All else is beside it and in results/quickstart/tables/."

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.* ## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r target text; do \
	    printf '%-13s%s\n' "$$target" "$$text"; done

# From the groups that are there: no training, no data.
redraw: .venv/installed ## draw all tables and figures again and compare their bits; STUDY=mnist-k10 draws one study
	@$(if $(STUDY),$(call CHECK,$(STUDY)),true)
	@mkdir -p .snakemake && ($(DRAWN) -exec sha256sum {} + 2>/dev/null || true) > .snakemake/drawn.sha256
	@$(foreach study,$(STUDIES),echo "drawing $(study)" && $(call DRAW,$(study)) --forceall &&) true
	@# The shell lists the tables: make would do so before they are drawn.
	@echo "drawing docs/claims.png, and docs/verdicts.csv"
	@PYTHONPATH=workflow $(RUN) discrete_vae.report.published docs \
	    $$(ls -U $(PUBLISHED:%=results/%/tables/claims.csv) 2>/dev/null)
	@sha256sum --quiet --check .snakemake/drawn.sha256 \
	    && echo "All $$(wc -l < .snakemake/drawn.sha256) files have the same bits as before." \
	    || echo "The files named above have changed; all others have the same bits as before."

REPORTED = $(firstword $(STUDY) paper)
report: .venv/installed ## make one page of a study, results/STUDY/report.html: make report STUDY=mnist-k10
	@$(call CHECK,$(REPORTED))
	$(call DRAW,$(REPORTED)) --forceall
	$(call DRAW,$(REPORTED)) --report results/$(REPORTED)/report.html --report-stylesheet workflow/report/report.css
	@echo "The page: results/$(REPORTED)/report.html"

# In parallel by class or file, whose tests share runs of the pipeline.
test: .venv/installed ## run every test that needs neither root nor an hour
	$(RUN) pytest --numprocesses auto --maxprocesses 4 --dist loadscope

test-slurm: .venv/installed ## test on a real Slurm, started for the test; needs root on Debian
	apt-get install --yes --no-install-recommends slurm-wlm munge
	$(RUN) pytest -m slurm -k "$(SLURM_TESTS)"

test-report: .venv/installed ## test the report in a real browser; needs root on Debian
	apt-get install --yes --no-install-recommends chromium chromium-driver
	$(RUN) pytest -m browser

# Root is for the small disks.
test-faults: .venv/installed ## kill at 200 random moments, fill disks, break mirrors; an hour, and root
	$(RUN) pytest -m faults --capture=no

# Nothing else should run meanwhile.
bench: .venv/installed ## measure the speed of training and of the pipeline; a quarter of an hour
	.venv/bin/python benchmarks/run.py
	.venv/bin/python benchmarks/pipeline.py
	.venv/bin/python benchmarks/denormals.py

lint: .venv/installed ## run the linters
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) snakefmt --check Snakefile workflow
	$(RUN) snakemake --lint

INSTALL_cuda = $(RUN) pip install --quiet --requirement requirements.lock
# The same versions without those for GPUs, and torch and torchvision from PyTorch's own index.
INSTALL_cpu = sed -E '/^(nvidia|cuda|triton)/d; s/^torch(vision)?==[0-9.]+/&+cpu/' requirements.lock > .venv/cpu.lock \
	    && $(RUN) pip install --quiet --requirement .venv/cpu.lock --extra-index-url https://download.pytorch.org/whl/cpu

# The package itself is installed so that `import discrete_vae` works everywhere; this needs no network.
.venv/installed: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "$(PYTHON) is no Python 3.11 or later; name one: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(INSTALL_$(TORCH))
	$(RUN) pip install --quiet --no-index --no-deps --no-build-isolation --editable .
	touch $@

# envs/ must then follow, as a test says.
lock: ## renew the pins in requirements.lock; needs uv
	uv pip compile --universal --python-version 3.11 --all-extras --no-annotate --upgrade pyproject.toml -o requirements.lock

docs: .venv/installed ## write the table of keys in docs/configuration.md, and docs/config.schema.json
	PYTHONPATH=workflow $(RUN) discrete_vae.config.documentation docs

rulegraph: .venv/installed ## draw docs/rulegraph.svg; needs Graphviz
	$(RUN) snakemake --rulegraph > rulegraph.dot
	dot -Tsvg rulegraph.dot -o docs/rulegraph.svg
	rm rulegraph.dot

# Resume points are hours of work, except those that a training has set aside. Logs are only read by people.
clean: ## remove the quick start, all logs and caches; keeps data/, other studies and their resume points
	$(if $(LOCKS),$(error Snakemake runs in this folder, or was killed: wait for it, or run `snakemake --unlock` first))
	rm -rf results/quickstart checkpoints/quickstart logs .pytest_cache .ruff_cache .snakemake/log
	find checkpoints -name '*.unused' -delete 2>/dev/null || true
	find workflow tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## remove also .venv, and what Snakemake keeps (its conda environments, too)
	rm -rf .venv .snakemake
