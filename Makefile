# A thin front for meson. `make run` and `make test` are all a newcomer needs; both install what is
# missing on Debian 12 first (root only; nothing is installed when nothing is missing).

BUILD  ?= build
PREFIX ?= /usr/local
JOBS   ?= $(shell nproc)

# A compiler cache would want to write to HOME, which may be read-only.
export CCACHE_DISABLE := 1
export LC_ALL := C.UTF-8

.PHONY: all setup build run test bench install clean

all: build

setup:
	@scripts/setup

build: $(BUILD)/build.ninja
	@ninja -j$(JOBS) -C $(BUILD)

$(BUILD)/build.ninja:
	@meson setup --prefix=$(PREFIX) $(BUILD) >/dev/null || { cat $(BUILD)/meson-logs/meson-log.txt; exit 1; }

# A build directory cannot be made before the tools are there: hence one after the other.
run: setup
	@$(MAKE) --no-print-directory build
	@scripts/demo --pidspace $(BUILD)/src/cli/pidspace

test: setup
	@$(MAKE) --no-print-directory build
	@scripts/test-all --build $(BUILD) --jobs $(JOBS)

bench: setup
	@$(MAKE) --no-print-directory build
	@bench/run --build $(BUILD)

install: $(BUILD)/build.ninja
	@meson configure -Dprefix=$(PREFIX) $(BUILD)
	@$(MAKE) --no-print-directory build
	@meson install --no-rebuild -C $(BUILD)

clean:
	@rm -rf $(BUILD) $(BUILD)-asan
