# The environments are made once, and again when their lock file changes.
SERVE := .venv/serve.installed
TEST := .venv/test.installed
TRAIN := .venv-train/installed
PEERS := $(patsubst requirements/peers/%.in,.venv-peers/%/installed,$(wildcard requirements/peers/*.in))
PYTHON ?= python3.11

.PHONY: serve test test-ei test-image archive attack bench bench-quick peers simd train lint clean

serve: $(SERVE)   ## build the archives and serve them; ARGS="--port 9000" passes options on
	scripts/install-nginx && .venv/bin/marina archive && exec .venv/bin/marina serve $(ARGS)

test: $(TEST) $(TRAIN)   ## lint, then every test; installs a browser, nginx and ab where it may
	scripts/test $(ARGS)

test-ei: $(TEST)   ## the contract on the versions of the Elastic Inference image, where Python 3.6 is found
	scripts/test-ei $(ARGS)

test-image: $(TEST)   ## builds the CPU image without Docker, where it may, and asks it a question
	scripts/test-image $(ARGS)

archive: $(SERVE)   ## build every model's archive into model_store/
	./archive.sh $(ARGS)

bench: $(TEST) $(TRAIN)   ## every figure, in hours: benchmarks/results/ and docs/performance.md; again, it goes on
	-$(MAKE) --keep-going peers
	-$(MAKE) simd
	scripts/bench $(ARGS)

bench-quick: $(TEST) $(TRAIN)   ## the first three figures, in under five minutes once all is installed
	-$(MAKE) --keep-going .venv-peers/fastapi/installed .venv-peers/litserve/installed
	-$(MAKE) simd
	scripts/bench quick $(ARGS)

attack: $(TEST)   ## attack a running Marina on loopback, in about half an hour: docs/reliability.md
	scripts/attack $(ARGS)

peers: $(PEERS)   ## the environments of the servers that Marina is measured beside

simd: $(SERVE)   ## Pillow's fork for AVX2, in Marina's environment and the peers'; not in .venv-train
	scripts/install-simd .venv $(patsubst %/installed,%,$(wildcard .venv-peers/*/installed))

train: $(TRAIN)   ## train a model: make train MODEL=resnet18 ARGS="--data photos"
	.venv-train/bin/python -m models.$(MODEL).train $(ARGS)

lint: $(TEST)   ## ruff and mypy
	scripts/lint

clean:   ## remove the environments and the archives
	rm -rf .venv .venv-train .venv-peers .venv-ei model_store/*.mar

$(SERVE): requirements/serve.txt requirements/mms.txt requirements/java.txt
	scripts/install serve .venv $@

$(TEST): requirements/test.txt $(SERVE)
	scripts/install test .venv $@

$(TRAIN): requirements/train.txt requirements/torch.txt requirements/java.txt
	scripts/install train .venv-train $@

.venv-peers/%/installed: requirements/peers/%.txt
	scripts/install peers/$* .venv-peers/$* $@
