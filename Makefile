# `make demo` and `make test` do all their own set-up on a fresh Debian machine as root:
# the Debian packages that are missing, and a virtual environment in .venv.
SHELL := /bin/bash
# Debian's own Python before any other: it is built with profile-guided and link-time optimisation,
# and runs twice as fast as one compiled with the defaults, as version managers do.
PYTHON ?= $(shell for p in /usr/bin/python3 python3; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
ifeq ($(PYTHON),)
PYTHON := python3
endif
VENV := .venv
# Tests wait for daemons more than they compute. In the order of their names those that take
# minutes come early, so that no worker ends with one of them alone.
WORKERS ?= 2
BIN := $(VENV)/bin
APT := openvswitch-switch gobgpd tcpdump iproute2 iputils-ping ethtool python3-venv
APT_TESTS := frr bird2 user-mode-linux udhcpc isc-dhcp-client curl iperf3
# Beside us in bench-latency, and run by it alone: PEER=0 does without.
APT_PEER := ovn-central ovn-host

.PHONY: help setup packages packages-of-tests lint format test demo bench bench-api bench-bgp bench-engine bench-flows bench-latency bench-security protos templates requirements clean bench-adjribs bench-failover bench-migration fuzz-bgp keystone tempest

help:  ## What can be made here
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

setup: packages $(VENV)/ready  ## Debian packages and the virtual environment

packages:
	@requirements/debian $(APT)

packages-of-tests: packages
	@requirements/debian $(APT_TESTS)

$(VENV)/ready: requirements/dev.txt pyproject.toml | packages
	@echo "making the virtual environment in $(VENV): some 450 MB"
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("sdnctl needs Python 3.11 or later; this is %s" % sys.version)'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

lint: setup  ## Style, types, layers, generated code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: setup  ## Rewrite to the house's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: setup packages-of-tests  ## Every test, data planes in namespaces included
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not alone"
	$(BIN)/python -m pytest -m alone

bench: bench-engine bench-api bench-flows bench-latency  ## All benchmarks, a JSON object each

fuzz-bgp: setup  ## Broken UPDATEs over real sessions for SECONDS=600; SEED=N repeats a run
	$(BIN)/python -m tests.fuzz.fuzz_bgp $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

bench-engine: setup  ## One port through the graph, at 1,000 and at 100,000 ports
	$(BIN)/python -m tests.bench.bench_engine

bench-adjribs: setup  ## A page of a peer's 100,000 routes, and what else waits for it
	$(BIN)/python -m tests.bench.bench_adjribs

bench-latency: setup  ## From a POST to the last switch's acknowledgement, 10 agents, 10,000 ports; the parts alone; and OVN
ifneq ($(PEER),0)
	-@requirements/debian --idle $(APT_PEER)
endif
	$(BIN)/python -m tests.bench.bench_latency --bare $(if $(filter 0,$(PEER)),--no-peer,--peer)

bench-api: setup  ## Durable creates a second, lists and memory of the network API
	$(BIN)/python -m tests.bench.bench_api

demo: setup  ## Two tenants, three hypervisors, a gateway; KEEP=1 leaves them up
	@$(BIN)/python -m sdnctl.lab.demo $(if $(filter-out 0,$(KEEP)),--keep)

protos: setup  ## Generated code from protos/
	$(BIN)/python -m grpc_tools.protoc -Iprotos --python_out=. --pyi_out=. $$(find protos -name '*.proto' -printf '%P ')

keystone: .cache/keystone/ready  ## A real Keystone for the tests, in an environment of its own

.cache/keystone/ready:
	@mkdir -p .cache
	@$(PYTHON) -m venv .cache/keystone
	@.cache/keystone/bin/python -m pip install -q --disable-pip-version-check 'keystone>=30,<31'
	@touch $@

tempest: setup .cache/tempest/ready  ## tempest's network tests; KEYSTONE=1 with a real Keystone; PLUGIN=1: Neutron's own
	$(BIN)/python -m tests.tempest $(if $(filter-out 0,$(KEYSTONE)),--keystone) $(if $(filter-out 0,$(PLUGIN)),--plugin) $(if $(ONLY),--only '$(ONLY)')

.cache/tempest/ready:
	@mkdir -p .cache
	@$(PYTHON) -m venv .cache/tempest
	@.cache/tempest/bin/python -m pip install -q --disable-pip-version-check 'tempest>=47,<48' 'neutron-tempest-plugin>=3.3,<4'
	@touch $@

templates: setup  ## Packed flows from their shapes
	@mkdir -p .cache
	$(BIN)/python -m sdnctl_vrouter.drivers.ovs.shapes > .cache/templates.py
	cp .cache/templates.py agents/sdnctl_vrouter/drivers/ovs/templates.py

bench-bgp: setup packages-of-tests  ## Routes to a real router and back, one and 100,000
	$(BIN)/python -m tests.bench.bench_bgp

bench-failover: setup packages-of-tests  ## Pings lost when one of two gateways dies without a word
	$(BIN)/python -m tests.bench.bench_failover

bench-migration: setup  ## Pings lost when a guest is migrated between hypervisors
	$(BIN)/python -m tests.bench.bench_migration

bench-flows: setup  ## 50,000 flows from an empty switch, against ovs-ofctl
	$(BIN)/python -m tests.bench.bench_flows

bench-security: setup  ## Security groups: a member that joins, 10,000 rules, packets with and without
	$(BIN)/python -m tests.bench.bench_security

requirements:  ## Pin what is installed, with hashes and no addresses (needs pip-tools)
	pip-compile -q --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header --strip-extras --allow-unsafe --extra controller --extra vrouter --extra lab -o requirements/dev.txt pyproject.toml requirements/dev.in

clean:  ## Remove what was made here
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
