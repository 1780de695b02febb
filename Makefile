# The developer's and the newcomer's commands. Each sets up what it needs: see CONTRIBUTING.md.
.PHONY: help run test check

help:
	@echo "make run    build Muster and start it with an agent on this machine"
	@echo "make test   run every test (installs what the tests need on Debian and Ubuntu)"
	@echo "make check  what CI runs: format, lints, tidy, generated files, tests"

run:
	cargo xtask run

test:
	cargo xtask test

check:
	cargo xtask check
