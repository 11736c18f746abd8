# A thin front: every target is one command that also works without make.
# Variables: MIRROR, MIRROR_SECURITY (Debian mirrors), PIP_INDEX_URL (pip's own), IMAGE_PREFIX
# (names of the images), PYTHON, VENV, LAB_PORT (the lab's control port on 127.0.0.1).
SHELL := /bin/bash
VENV ?= $(CURDIR)/.venv
LAB_PORT ?= 8380
PY := $(VENV)/bin/python
export VENV
export PATH := $(VENV)/bin:$(PATH)
# The caller's would have Python find other modules than .venv's, and a host's than its own.
unexport PYTHONPATH PYTHONHOME

.PHONY: help setup lab lab-status lab-shell lab-down images packages repo lock \
	test lint types unit integration packaging role molecule breakages torture bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what development needs: Debian packages, .venv
	@lab/setup

lab: ## three hosts with real init systems, rolled out, events proven to arrive
	@lab/setup lab
	@$(PY) -m lab up --port $(LAB_PORT)

lab-status: ## what the lab's hosts are doing
	@$(PY) -m lab status

lab-shell: ## a shell on a host: make lab-shell HOST=debian12-systemd
	@$(PY) -m lab shell "$(HOST)"

lab-down: ## remove the lab's hosts and network
	@$(PY) -m lab down

images: ## build the test hosts' images, if their recipes changed
	@$(PY) molecule/images/build.py

packages: setup ## build dist/*.deb and dist/*.rpm, with checksums and bills of materials
	@packaging/build
	@$(PY) packaging/sbom dist

repo: packages ## publish them in signed repositories, dist/repo
	@packaging/repo/publish --replace

lock: ## write requirements-dev.txt anew from pyproject.toml
	@pip-compile --quiet --extra dev --generate-hashes --allow-unsafe --strip-extras \
		--no-header --no-emit-index-url --no-emit-find-links \
		--output-file requirements-dev.txt pyproject.toml

test: setup ## everything, from lint to molecule
	@$(PY) -m lab.checks

lint types unit integration packaging role: setup
	@$(PY) -m lab.checks $@
lint: ## ruff, yamllint, ansible-lint, shellcheck, galaxy-importer
types: ## mypy
unit: ## the agent's parts, on every Python that is supported
integration: ## the agent as a whole, against the emulator
packaging: ## deb and rpm: built, checked, installed, upgraded, removed
role: ## the role and its playbooks, against hosts

molecule: setup ## scenarios: make molecule [SCENARIO=default] [SLICE=1/3] [DESTROY=never]
	@$(PY) -m lab.scenarios $(SCENARIO) --slice $(or $(SLICE),1/1) --destroy $(or $(DESTROY),always)

breakages: setup ## break packages and role on purpose, and show which scenario notices
	@$(PY) -m lab.breakages

torture: setup ## the long tortures, hours: make torture NAMES="kills soak"
	@PYTHONPATH=agent:. $(PY) -m tests.torture $(NAMES)

bench: setup ## measure and write docs/benchmarks.md: make bench NAMES=submit only prints
	@PYTHONPATH=agent:. $(PY) -m tests.bench $(or $(NAMES),--write)

clean: ## remove what was built; images and .venv stay
	@rm -rf dist build .cache
