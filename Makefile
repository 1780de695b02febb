# The developer's and the newcomer's commands. Each sets up what it needs: see CONTRIBUTING.md.
.PHONY: help run test check bench tidy bootstrap

help:
	@echo "make run    build Muster and start it with an agent on this machine"
	@echo "make test   run every test (installs what the tests need on Debian and Ubuntu)"
	@echo "make check  format, lints, tidy, generated files, then the tests"
	@echo "make bench  measure the figures the documents name"
	@echo "make tidy   check the shape of the tree only"

run: bootstrap
	cargo xtask run

test: bootstrap
	cargo xtask test

check: bootstrap
	cargo xtask check

bench: bootstrap
	cargo xtask bench intake

tidy: bootstrap
	cargo xtask tidy

bootstrap:
	@xtask/bootstrap.sh
