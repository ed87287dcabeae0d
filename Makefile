# scripts/environment.py sets up what a target needs, and prints the Python to use. If everything is set up, it takes
# a fraction of a second, so every target runs it.

# Slow tests often wait for a process, so one more of them runs than there are CPUs.
PYTHON = python3
setup = python=$$($(PYTHON) scripts/environment.py $(1))

export PYTHONPATH := $(CURDIR)$(if $(PYTHONPATH),:$(PYTHONPATH))

.PHONY: help run test system-test bench lint format generated docs-pictures deb clean

## make run      sampler and writer on this machine, shown live; RUN_SECONDS=30 stops it and prints the reports.
##               Also INTERVAL=seconds, SYSFS=folder (for /sys), DB=file (for ./telemetry.db)
## make test     run the tests; SLOW=1 adds the slow ones, DEPS=oldest uses the oldest versions allowed;
##               ARGS="tests/x.py -k name" is passed to pytest; test files run in parallel, or one by one with ARGS=-n0
## make bench    measure the cost, and that of similar tools, and write docs/benchmarks.md: about five minutes;
##               QUICK=1 takes one minute and writes nothing
## make deb      build the Debian package in dist/ and check it with lintian
## make system-test  as root: install the package in fresh Debians and boot them; RELEASES="bookworm trixie"
## make lint     ruff and mypy
## make format   format the source with ruff
## make generated  write the JSON Schema, query/declared.py and the outputs in docs/reports.md again, after
##               a change in telemetry/records.py or in a report
## make docs-pictures  draw the pictures and captures in docs/ again, from recorded batteries; also the
##               screenshots of the page, if chromium is installed
## make clean    remove what set-up, tests and linters created; databases stay
## Each target takes PYTHON=python3.12 (a name or a path)
help:
	@sed -n 's/^## //p' Makefile

run:
	@$(call setup,run) && exec "$$python" scripts/run.py

test:
	@$(call setup,$(or $(DEPS),dev)) && set -x && exec "$$python" -m pytest $(if $(filter-out 0,$(SLOW)),-n $$(($$(nproc) + 1)),-n auto -m "not slow") --dist loadfile --no-loadscope-reorder $(ARGS)

deb:
	@$(call setup,deb) && exec "$$python" scripts/package.py

system-test:
	@$(call setup,boot) && exec "$$python" -m tests.boot $(RELEASES)

bench:
	@$(call setup,bench) && exec "$$python" -m benchmarks $(if $(filter-out 0,$(QUICK)),--quick)

lint:
	@$(call setup,dev) && set -x && "$$python" -m ruff check . && "$$python" -m ruff format --check . && "$$python" -m mypy

format:
	@$(call setup,dev) && set -x && "$$python" -m ruff check --fix . && "$$python" -m ruff format .

generated:
	@$(call setup,dev) && set -x && "$$python" -m scripts.generated && "$$python" -m tests.query.test_docs

docs-pictures:
	@$(call setup,dev) && set -x && "$$python" -m tests.query.pictures

clean:
	rm -rf .venv .venv-oldest .venv-bench .bench .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
