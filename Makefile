# Meson and ninja do the work; these are the names to remember.
BUILD ?= build
SANB  ?= build-san
SHARED_DATA ?= $(wildcard ../shared/data)

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

# What is run, without tests and benchmarks: a first look comes sooner.
program: $(BUILD)/build.ninja
	ninja -C $(BUILD) vigie test/sample

$(BUILD)/build.ninja:
	meson setup $(BUILD) --buildtype=release -Dshared_data=$(abspath $(SHARED_DATA))

# Sets up what is needed, builds, and runs the watch on ./var until Ctrl-C: this machine, and a made-up company.
run: setup program
	scripts/watch $(BUILD)

# The same set-up; makes a sample case by code, and hunts it.
demo: setup program
	scripts/demo $(BUILD)

# Sets up what is needed, then all tests, under the sanitizers.
test: setup all
	scripts/test $(BUILD) $(SANB)

# Unit tests alone, seconds.
check: all
	meson test -C $(BUILD) --suite unit --print-errorlogs

setup:
	scripts/setup

lint:
	scripts/lint $(BUILD)

# The tests under AddressSanitizer and UndefinedBehaviorSanitizer, built by clang.
san:
	scripts/san $(SANB)

fuzz:
	scripts/fuzz

bench: all
	scripts/bench $(BUILD)

install: all
	meson install -C $(BUILD)

clean:
	rm -rf $(BUILD) $(SANB) build-fuzz var/demo var/sample

.PHONY: all program run demo test check setup lint san fuzz bench install clean
