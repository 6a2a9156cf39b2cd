# make run           set up, then the main job: every ordering on a local cluster, a table, a run folder
# make test          set up, then lint, types and every test; of many cases alike a part (make wide: the others)
# make check         lint and types only
# make test-quick    the tests without a clock; make test-clusters: the others, in four parts
#                    (test-live, test-judged, test-docker, test-measured)
# make wide          the many cases alike of which make test runs a share: seven minutes
# make gallery       measure the relays of examples/ beside what docs/gallery.md says of them; MEMBER=
# make bench         every measurement of docs/performance.md beside its peers, half an hour; ARGS=
# make peers         what these peers need, in build/peers
# make steer         force every interleaving on the naive FastAPI relay of examples/, and on the mended one
# make gallery-env   what they need: .venv-gallery, and node_modules of those in Node
# make notebooks     execute the notebooks' sources into .ipynb (docs/notebooks.md)
# make pictures      draw the pictures of README and docs, and photograph the pages (with Chromium)
# make examples      write Python's answers into the examples of the docs
# make sample-run    record the run that notebooks and pictures show, about a minute
# make sample-sweep  and the sweep, about five minutes
# make fuzz          100,000 bad inputs against a real node; SEED= for those of another time
# make autobahn      the Autobahn test suite against both WebSocket ends; PYTHON2= is a Python 2.7
# make soak          half an hour of a cluster under load and small mishaps; SOAK_S= for less
# make interrupts    Ctrl-C at twenty random instants of a run, and of one in containers: ten minutes
# make survival      strike a cluster with every fault, explore the same, write docs/survival.md: 20 minutes
# make field-cases   explore bugs that people really shipped, write docs/field-cases.md
# make reliability   measure the table of docs/reliability.md anew, some minutes
# make lock          renew the requirement locks from pyproject.toml and examples/requirements.in
# make clean         remove what the other targets made (runs/ is yours and stays)

PYTHON ?= python3
PYTHON2 ?= python2.7
VENV := .venv
BIN := $(VENV)/bin
GALLERY := .venv-gallery
PEERS := build/peers
NODE_LOCKS := $(wildcard examples/$(or $(MEMBER),*)/package-lock.json)

.PHONY: run test test-quick test-left-over test-clusters test-live test-judged test-docker test-measured wide check bench peers gallery gallery-env steer notebooks pictures examples sample-run sample-sweep fuzz autobahn soak interrupts survival field-cases reliability lock clean

run: $(VENV)/run.stamp
	$(BIN)/chunk7 run $(ARGS)

# What is measured, and what runs in containers, has the machine to itself. Other tests with servers of
# their own wait two thirds of the time: three files of them run at a time, and the soak beside them,
# which waits nearly all of it; none of them asks that a run be valid on a busy machine. Then two at a time
# of those that do: members of the gallery, and targets; of three some had to be run again and again.
CLUSTERS := live or clocked or docker or gallery
CLUSTER_FILES = $(shell grep -rlE 'mark\.(live|clocked|docker|gallery)\b' tests --include='test_*.py' | sort)

# Tests that only compute take what is left over of the processor: a part of a cluster that wakes up
# goes first, at once, and so is not disturbed by them. One may get nothing for minutes, and a server
# would give up meanwhile: tests with a clock in them run with the clusters.
LEFT_OVER := $(shell command -v chrt > /dev/null && echo chrt --idle 0 || echo nice -n 19)
BESIDE := --jobs 2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=line)

ifdef ARGS
test: check
	$(BIN)/python -m pytest $(ARGS)
else
test: check
	@echo "The parts of the tests print what they found when they end, the first after some minutes."
	$(MAKE) $(BESIDE) test-left-over test-clusters
endif

test-left-over: $(VENV)/dev.stamp
	$(LEFT_OVER) $(MAKE) test-quick WORKERS=2 PATIENCE='--timeout 900'

WORKERS := auto
test-quick: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -n $(WORKERS) $(PATIENCE) --durations 12 -m "not ($(CLUSTERS) or wide)"

# BEFORE_CLUSTERS and BEFORE_DOCKER: commands that wait for what these parts need, or would disturb.
test-clusters: $(VENV)/dev.stamp
	$(BEFORE_CLUSTERS)
	$(MAKE) test-live
	$(MAKE) test-judged
	$(BEFORE_DOCKER)
	$(MAKE) test-docker
	$(MAKE) test-measured

# To collect those files alone takes a worker less time than to collect all.
CLUSTER_TESTS := $(BIN)/python -m pytest --durations 12

test-live: $(VENV)/dev.stamp
	$(CLUSTER_TESTS) -n 4 --dist loadfile --no-loadscope-reorder \
	  -m "(live or clocked) and not (judged or measured or docker or wide)" $(CLUSTER_FILES)

test-judged: $(VENV)/dev.stamp
	$(CLUSTER_TESTS) -n 2 --maxschedchunk 1 -m "(judged or gallery) and not wide" $(CLUSTER_FILES)

test-docker test-measured: test-%: $(VENV)/dev.stamp
	$(CLUSTER_TESTS) -m "$* and not wide" $(CLUSTER_FILES)

wide: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -n auto -m "wide and not (gallery or judged)"
	$(CLUSTER_TESTS) -n 2 --maxschedchunk 1 -m "wide and (gallery or judged)" $(CLUSTER_FILES)

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/python.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "chunk7 needs Python >= 3.11")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

# What is imported is compiled here, by all cores at a time, so that the parts of the first run start
# at once. pip would do it by one, and the tests of all libraries, too: two fifths of its time.
PIP_INSTALL := pip install --quiet --disable-pip-version-check --no-compile

$(VENV)/run.stamp: $(VENV)/python.stamp requirements.lock pyproject.toml
	$(BIN)/$(PIP_INSTALL) -r requirements.lock
	$(BIN)/$(PIP_INSTALL) --no-deps --editable .
	-$(BIN)/python -m compileall -q -j 0 -x '/tests?/' $(VENV)/lib
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp requirements-dev.lock
	$(BIN)/$(PIP_INSTALL) -r requirements-dev.lock
	@touch $@

bench: $(VENV)/run.stamp peers
	$(BIN)/python -m benchmarks.bench $(ARGS)

peers: $(PEERS)/python.stamp $(PEERS)/node.stamp

$(PEERS)/python.stamp: benchmarks/peers/requirements.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/pip install --quiet --disable-pip-version-check -r $< || \
	  grep -v '^#' $< | xargs -n 1 $(PEERS)/bin/pip install --quiet --disable-pip-version-check --no-deps || true
	@touch $@

# A peer that cannot be installed is said in the results, and the others are measured.
$(PEERS)/node.stamp: benchmarks/peers/package-lock.json benchmarks/peers/package.json
	mkdir -p $(PEERS) && cp benchmarks/peers/package*.json $(PEERS)
	-cd $(PEERS) && npm ci --loglevel error --ignore-scripts --no-audit --no-fund && touch $(@F)

gallery: $(VENV)/run.stamp gallery-env
	$(BIN)/python examples/gallery.py $(MEMBER) $(ARGS)

steer: $(VENV)/run.stamp $(GALLERY)/stamp
	PATH="$(CURDIR)/$(GALLERY)/bin:$$PATH" $(BIN)/chunk7 steer --target examples/fastapi_websocket/steer_wrong.yaml $(ARGS)
	PATH="$(CURDIR)/$(GALLERY)/bin:$$PATH" $(BIN)/chunk7 steer --target examples/fastapi_websocket/steer_right.yaml $(ARGS)

gallery-env: $(GALLERY)/stamp $(NODE_LOCKS:package-lock.json=node_modules/stamp)

$(GALLERY)/stamp: examples/requirements.lock
	$(PYTHON) -m venv $(GALLERY)
	$(GALLERY)/bin/$(PIP_INSTALL) -r $<
	@touch $@

examples/%/node_modules/stamp: examples/%/package-lock.json
	cd examples/$* && npm ci --silent --ignore-scripts --no-audit --no-fund
	@touch $@

notebooks: $(VENV)/dev.stamp
	$(BIN)/python -m notebooks.execute $(ARGS)

pictures: $(VENV)/dev.stamp
	$(BIN)/python -m docs.make_pictures
	$(BIN)/python -m docs.screenshots_report
	$(BIN)/python -m docs.screenshots_demo
	$(BIN)/python -m docs.screenshots_web_ui

examples: $(VENV)/dev.stamp
	$(BIN)/python -m docs.make_examples

sample-run: $(VENV)/dev.stamp
	$(BIN)/python -m notebooks.make_sample_run

sample-sweep: $(VENV)/dev.stamp
	$(BIN)/python -m notebooks.make_sample_sweep

fuzz: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks.fuzz_node $(if $(SEED),--seed $(SEED)) $(ARGS)

autobahn: $(VENV)/dev.stamp
	$(PYTHON2) -m pip install --quiet --upgrade --target build/virtualenv virtualenv
	PYTHONPATH=build/virtualenv $(PYTHON2) -m virtualenv --quiet build/autobahn
	build/autobahn/bin/pip install --quiet autobahntestsuite==25.10.1
	$(BIN)/python -m benchmarks.autobahn --wstest build/autobahn/bin/wstest $(ARGS)

soak: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks.soak $(if $(SOAK_S),--seconds $(SOAK_S)) $(ARGS)

interrupts: $(VENV)/dev.stamp
	INSTANTS=20 $(BIN)/python -m pytest tests/cluster/test_any_instant.py tests/compose/test_compose_any_instant.py $(ARGS)

field-cases: $(VENV)/dev.stamp
	$(BIN)/python docs/make_field_cases.py
	$(BIN)/python docs/make_lives.py

survival: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks.survival $(ARGS)

reliability: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks.reliability $(ARGS)

# Freezing a fresh environment names no index, and pins what was really installed.
# With the hashes of all their files, so that pip takes no other. What uv asks is the index alone.
HASHED = build/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-annotate --no-emit-index-url

lock:
	rm -rf build/uv && $(PYTHON) -m venv build/uv && build/uv/bin/pip install --quiet uv
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet .
	build/lock/bin/pip freeze --exclude chunk7 > build/requirements.txt
	build/lock/bin/pip install --quiet '.[notebooks]'
	build/lock/bin/pip freeze --exclude chunk7 > build/requirements-notebooks.txt
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet --constraint build/requirements.txt '.[dev]'
	build/lock/bin/pip freeze --exclude chunk7 > build/requirements-dev.txt
	$(HASHED) build/requirements.txt -o requirements.lock
	$(HASHED) build/requirements-notebooks.txt -o requirements-notebooks.lock
	$(HASHED) build/requirements-dev.txt -o requirements-dev.lock
	rm -f examples/requirements.lock
	$(HASHED) --constraint build/requirements.txt examples/requirements.in -o examples/requirements.lock
	rm -rf build/lock build/uv

clean:
	rm -rf $(VENV) $(GALLERY) examples/*/node_modules build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
