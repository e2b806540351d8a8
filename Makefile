# The commands of this project. `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
# Every recipe runs in the environment of .envrc, the same that an editor gets.
export BASH_ENV := $(CURDIR)/.envrc
ifdef ARCH
export ARCH
endif

# A cross build has its own folder: build/bin holds what runs on this machine.
BIN := build/$(if $(ARCH),$(ARCH)/)bin
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# No certificate is judged by a clock that lies before the source was written.
BUILT := $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.built=$(BUILT) $(if $(ARCH),-linkmode external -extldflags -static)
# Go keeps its own record of what is up to date, so the programs are always asked for.
PROGRAMS := $(strip $(wildcard edge/cmd/edge firmware-tools/cmd/fw) $(if $(ARCH),,$(wildcard hub/cmd/hub)))

.PHONY: help
help: ## this list / 本列表
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

.PHONY: run
run: tools build ## hub, two warehouses and simulated devices until Ctrl-C; FRESH=1 begins anew / 演示：总部、两个仓库和模拟设备，按 Ctrl-C 结束；FRESH=1 重新开始
	@go build -o build/bin-test/ ./test/cmd/devrun
	@.ci/foreground build/bin-test/devrun $(if $(FRESH),-fresh)

.PHONY: test
test: tools-test build ## all tests, browser included / 全部测试（含浏览器）
	go test -timeout 9m work
	@go build -o build/bin-test/ ./test/cmd/rigrun
	node --test --test-concurrency=2 test/browser/*.test.mjs

.PHONY: build
build: deps assets ## programs into build/bin; ARCH=arm64 or armhf: edge and fw for the Pi / 编译程序；ARCH=arm64 或 armhf：树莓派版
	@mkdir -p $(BIN)
	@$(if $(PROGRAMS),go build -ldflags '$(LDFLAGS)' -o $(BIN)/ $(addprefix ./,$(PROGRAMS)))

.PHONY: smoke
smoke: $(if $(BROKER),tools-test,tools) build ## scans from SCANS=FILE through real binaries, cuts and kills included; BROKER=mosquitto: with Debian's broker / 用真实程序走完扫描全程（含断网与断电）；BROKER=mosquitto：改用 Debian 的代理
	@go build -o build/bin-test/ ./test/cmd/smoke
	@.ci/foreground build/bin-test/smoke $(if $(SCANS),-scans '$(abspath $(SCANS))') $(if $(BROKER),-broker '$(BROKER)')

.PHONY: bench
bench: ## measurements as JSON lines / 性能测量（JSON 行）
	@$(MAKE) --no-print-directory tools-test build >&2 # standard output is for the lines alone
	@go build -o build/bin-test/ ./test/cmd/bench
	@.ci/foreground build/bin-test/bench

.PHONY: lint
lint: tools-test deps assets ## formatting, vet, staticcheck, gosec, known holes, import rules / 静态检查
	@.ci/lint all

.PHONY: deps
deps: ## pinned packages and SQLite, when they changed / 获取依赖并编译 SQLite
	@.ci/deps $(ARCH)

# Made anew only when a page changed: programs that embed them may be building.
ASSETS := internal/web/assets/dist/tabler.css
PAGES := $(shell find internal/web edge hub -name dist -prune -o -name '*.html' -print -o -name '*.js' -print -o -name '*.css' -print)
.PHONY: assets
assets: $(ASSETS) ## styles and scripts that the pages embed / 页面所用的样式与脚本
$(ASSETS): internal/web/assets/build.mjs package-lock.json $(PAGES) | deps
	@node $<

.PHONY: clean
clean: ## remove everything that was built / 删除所有生成的文件
	rm -rf build node_modules internal/web/assets/dist/*.css internal/web/assets/dist/*.js edge/dashboard/assets/dist/*.js edge/dashboard/assets/dist/*.wasm hub/dashboard/assets/dist/*.*

.PHONY: tools tools-test
tools:
	@.ci/setup build
tools-test:
	@.ci/setup test
