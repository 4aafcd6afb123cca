# Targets for users: demo, install (with vignettes), test, trust (what candela promises, tried). For those who work on
# the package: test-models, check (R CMD check), check-kernels, check-arm, check-sanitizers, check-windows, lint, bench,
# book, document, kernels, clean. What others need: setup (system and R packages), program and tested (candela itself).

RSCRIPT ?= Rscript
PETS ?=
WEIGHTS ?=
EPOCHS ?=
OUT ?= .
# Waiting threads give way soon, so that other work on the machine does not slow training down.
export GOMP_SPINCOUNT ?= 1000

.PHONY: all setup install program tested demo trust test test-models check check-kernels check-arm check-sanitizers \
	check-windows lint bench book document kernels clean

all: install

setup:
	@sh tools/setup.sh test

# Installs from a source package, so that nothing is left behind in src/. With the vignettes, which take some minutes.
install: setup
	@sh tools/install.sh vignettes

# Without vignettes, and with what a demo needs only.
program:
	@sh tools/setup.sh demo
	@sh tools/install.sh

tested: setup
	@sh tools/install.sh

demo: program
	@$(RSCRIPT) inst/scripts/pet_segmentation.R --pets "$(PETS)" --weights "$(WEIGHTS)" --epochs "$(EPOCHS)" --out "$(OUT)"

test: tested
	$(RSCRIPT) tools/test.R

# Models against PyTorch's, those of 30 million parameters and more included.
test-models: tested
	CANDELA_TEST_MODELS=all $(RSCRIPT) tools/test.R models-reference

check: setup
	sh tools/check.sh

# Status 77 says that what a check needs could not be installed.
check-kernels check-arm check-windows:
	sh tools/$@.sh || test $$? = 77

check-sanitizers: setup
	sh tools/$@.sh || test $$? = 77

# What candela promises, as a table; TRUST=short takes a minute or two.
trust: tested
	sh tools/trust.sh $(TRUST)

lint:
	sh tools/lint.sh

bench: tested
	$(RSCRIPT) bench/run.R

# Chapters of a book, on random stand-ins for data.
book: tested
	$(RSCRIPT) bench/book/run.R

document:
	$(RSCRIPT) tools/document.R

kernels:
	sh tools/kernels.sh

clean:
	./cleanup
	rm -rf build candela_*.tar.gz candela.Rcheck
