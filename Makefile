# The environments are made once, and again when their lock file changes.
SERVE := .venv/serve.installed
TEST := .venv/test.installed
TRAIN := .venv-train/installed
PYTHON ?= python3.11

.PHONY: serve test archive bench train lint clean

serve: $(SERVE)   ## build the archives and serve them; ARGS="--port 9000" passes options on
	scripts/install-nginx && .venv/bin/marina archive && exec .venv/bin/marina serve $(ARGS)

test: $(TEST) $(TRAIN)   ## lint, then every test; installs a browser, nginx and ab where it may
	scripts/test $(ARGS)

archive: $(SERVE)   ## build every model's archive into model_store/
	./archive.sh $(ARGS)

bench: $(TEST) $(TRAIN)   ## measure against the peers, and write benchmarks/results/ and docs/performance.md
	.venv/bin/python -m benchmarks.run $(ARGS)

train: $(TRAIN)   ## train a model: make train MODEL=resnet18 ARGS="--data photos"
	.venv-train/bin/python -m models.$(MODEL).train $(ARGS)

lint: $(TEST)   ## ruff and mypy
	scripts/lint

clean:   ## remove the environments and the archives
	rm -rf .venv .venv-train model_store/*.mar

$(SERVE): requirements/serve.txt requirements/java.txt
	scripts/install serve .venv $@

$(TEST): requirements/test.txt $(SERVE)
	scripts/install test .venv $@

$(TRAIN): requirements/train.txt requirements/torch.txt requirements/java.txt
	scripts/install train .venv-train $@
