# froe: targets
#
#   make                     release build: build/froe, build/libfroe.a, build/libfroe.so
#   make SAN=address,undefined | SAN=thread | CC=clang-14    the same in a tree of its own
#   make check [T=substring] unit tests
#   make system              tests of the real binary over real sockets, on both I/O backends
#   make sim [SEEDS=N] [FROM=S] [SMALL=1]  log, engine and recovery under seeds
#   make sim-faults          faults planted in the code: does the simulator find each?
#   make sim-marks [SEEDS=N] the error branches of log and engine that the worlds do not reach
#   make sim-same            the same worlds built by two compilers, -O0 and -O3: the same traces
#   make crash [CYCLES=N]    kill -9 under load, with an outside ledger
#   make power-cut [IMAGES=N] [SEED=S]  disks as a power cut leaves them, ext4 and XFS; needs root
#   make rot [CASES=N] [SEED=S]     damage in every region of every file of a store
#   make hostile [FRAMES=N] [SLOW=N]   damaged messages and slow connections, against ASan
#   make places [TIMES=N] [DEEP=N]    kill -9 at every named place; inside recovery, three deep
#   make inject [CASES=N] [MODE=m]    every system call and allocation fails in turn (0: all)
#   make eio [ROUNDS=N]      the disk fails under a server at work (loop-mounted ext4 and XFS)
#   make disk-full [LEVELS=N] the disk fills up under a server at work, from so many levels
#   make hatchet [ARGS=ts --case simple]   Hatchet's SDKs against froe; first tools/deps --all
#   make soak [MINUTES=N]    half an hour of mixed load, kills, backups; memory and disk stay flat
#   make fuzz TARGET=name SECONDS=n; make fuzz-all SECONDS=n; make fuzz-replay    libFuzzer; corpora
#   make coverage [ARGS=--missed]   branches of log, engine, sched and the parsers that tests take
#   make spin [ARGS=--full]  models of the commit pipeline and of the rings between loops
#   make test                installs what is missing, builds, runs every test that CI runs
#   make tutorial            does docs/tutorial.md, word for word
#   make demo                a DAG on a real worker, both killed in the middle, run to its end
#   make bench [ROWS=a,b]    the limit and froe, in one run, as ratios: build/bench.json
#   make guard [ARGS=--keep] what a run costs the server, counted, beside tests/guard.txt
#   make bench-plot          throughput over p99 as a drawing: build/bench-plot.svg
#   make docs                docs/cli.md, from what froe says of itself; make man: build/man/froe.1
#   make bench-scale [OPEN=N] [DONE=N] [ARGS=]  start, lists and memory with so many runs
#   make docs-check          is what docs/ says still so? Links, commands, names, limits, tables
#   make bench-index [ARGS=]  does the index keep up with 40 000 runs a second; lists
#   make tidy                layers, headers alone, lengths, banned words
#   make selftest            plants one fault per tidy rule and requires a refusal
#   make install DESTDIR= PREFIX=/usr/local LIBDIR=
#   make deb | deb-check     a Debian package in build/; the same, unpacked and tried
#   make deps | clean | help
#
# V=1 shows the commands. Nothing is configured; config.mk, if present, overrides variables.

-include config.mk

CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
SAN ?=
B ?= build
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
VERSION := 0.1.0
comma := ,

# PLANTS=1: with the faults of src/base/plant.def. COVERAGE=1: gcc counts what runs.
PLANTS ?=
COVERAGE ?=
TEST_OPT := $(if $(filter command line,$(origin OPT)),$(OPT))
VARIANT := rel$(if $(SAN),-$(subst $(comma),-,$(SAN)))$(if $(findstring clang,$(CC)),-clang)$(TEST_OPT)
VARIANT := $(VARIANT)$(if $(PLANTS),-plants)$(if $(COVERAGE),-coverage)
OBJ := $(B)/obj/$(VARIANT)
OUT := $(if $(filter rel,$(VARIANT)),$(B),$(B)/$(VARIANT))
GEN := $(B)/gen
Q := $(if $(V),,@)

PKGS := liburing libxxhash lmdb libprotobuf-c ck openssl jansson libnghttp2 zlib
pkg_cflags := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
pkg_libs := $(shell pkg-config --libs $(PKGS) 2>/dev/null)

WARN := -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wswitch-enum -Wstrict-prototypes \
	-Wmissing-prototypes -Wcast-qual -Wvla -Wundef -Wpointer-arith -Werror
HARDEN := -fstack-protector-strong -fstack-clash-protection -fcf-protection
ifeq ($(SAN),)
OPT ?= -O2
HARDEN += $(if $(filter -O0,$(OPT)),,-D_FORTIFY_SOURCE=2)
DEBUG ?= -g
else
SANFLAGS := -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer -DFROE_SLOW
OPT ?= -O1
DEBUG ?= -g1 # functions and lines are what reports name
endif
# Nobody interposes functions of a library that its own files call: so they may be inlined.
CFLAGS_ALL = -std=gnu11 $(OPT) $(DEBUG) -fPIC -fno-semantic-interposition $(HARDEN) $(SANFLAGS) -Iinclude -Isrc -I$(GEN) -I$(GEN)/proto \
	-DFROE_VERSION='"$(VERSION)"' $(if $(PLANTS),-DFROE_PLANTS) $(COVER) $(pkg_cflags) $(CFLAGS)
COVER := $(if $(COVERAGE),--coverage)
LDFLAGS_ALL = $(SANFLAGS) $(COVER) -Wl,-z,relro,-z,now,-z,noexecstack $(LDFLAGS)
LIBS = $(pkg_libs) -lpthread
# Tests' own code is compiled quickly: what it tests has been compiled as above.
CFLAGS_TEST = $(if $(TEST_OPT),$(CFLAGS_ALL),$(filter-out -O% -D_FORTIFY_SOURCE=2,$(CFLAGS_ALL)) -O0) \
	-Werror=implicit-function-declaration -Werror=incompatible-pointer-types

# ---------------------------------------------------------------- folders, from tools/layers.txt
FOLDERS := base io log index cel sched engine tls net api gateway server client cli
lib = $(foreach f,$(1),$(OBJ)/lib$(f).a)
L_base := base
L_io := io base
L_log := log io base
L_index := index io base
L_cel := cel base
L_sched := sched base
L_engine := engine sched cel base
L_tls := tls base
L_net := net tls io base llhttp
L_api := api net tls llhttp index log io engine sched cel pb pb_hatchet base
L_gateway := gateway api net tls llhttp index log io engine sched cel pb pb_hatchet base
L_server := server gateway api net tls llhttp index log io engine sched cel pb pb_hatchet base
L_client := client tls pb base
L_cli := cli client server gateway api net tls llhttp index log io engine sched cel pb pb_hatchet base

# proto/hatchet is for the server alone: libfroe does not carry it.
PROTOS := $(wildcard proto/*.proto)
HATCHET_PROTOS := $(wildcard proto/hatchet/*.proto)
GEN_C := $(PROTOS:proto/%.proto=$(GEN)/proto/%.pb-c.c)
HATCHET_C := $(HATCHET_PROTOS:proto/%.proto=$(GEN)/proto/%.pb-c.c)
GEN_H := $(GEN_C:.c=.h) $(HATCHET_C:.c=.h)

sources = $(wildcard src/$(1)/*.c)
objects = $(patsubst src/%.c,$(OBJ)/%.o,$(call sources,$(1)))

.PHONY: all check system sim crash test demo bench tidy selftest install deb deb-check deps clean help run-examples
.DELETE_ON_ERROR:
.SECONDARY:

all: $(OUT)/froe $(OUT)/froe-hatchet-embedded $(OUT)/libfroe.a $(OUT)/libfroe.so examples

help:
	@sed -n '2,/^$$/s/^# \{0,1\}//p' Makefile

# ----------------------------------------------------------------------------- generated code
$(GEN)/proto/%.pb-c.c $(GEN)/proto/%.pb-c.h: proto/%.proto
	@mkdir -p $(@D)
	$(Q)protoc-c --proto_path=proto --c_out=$(GEN)/proto $<

$(OBJ)/gen/%.o: $(GEN)/proto/%.c | $(GEN_H)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -Wno-conversion -MMD -MP -c -o $@ $<

# ------------------------------------------------------------------------------------- llhttp
LLHTTP := $(B)/deps/llhttp
ifeq ($(wildcard $(LLHTTP)/llhttp.c),)
LLHTTP := build/deps/llhttp
endif
$(OBJ)/llhttp/%.o: $(LLHTTP)/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -w -DLLHTTP_STRICT_MODE=1 -I$(LLHTTP) -c -o $@ $<
# One file stands for all: with make -j, several tools/deps would fetch into one another's folder.
$(LLHTTP)/llhttp.c:
	$(Q)tools/deps
$(addprefix $(LLHTTP)/,api.c http.c): | $(LLHTTP)/llhttp.c ;
$(call objects,net): | $(LLHTTP)/llhttp.c
$(OBJ)/net/%.o: CFLAGS_ALL += -isystem $(LLHTTP) -DLLHTTP_STRICT_MODE=1

# ---------------------------------------------------------------------------------- compiling
$(OBJ)/%.o: src/%.c | $(GEN_H)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(WARN) -MMD -MP -c -o $@ $<

define folder_rule
$(OBJ)/lib$(1).a: $(call objects,$(1))
	@mkdir -p $$(@D); rm -f $$@
	$$(Q)ar crs $$@ $$^
endef
$(foreach f,$(FOLDERS),$(eval $(call folder_rule,$(f))))

$(OBJ)/libpb.a: $(patsubst $(GEN)/proto/%.c,$(OBJ)/gen/%.o,$(GEN_C))
	$(Q)rm -f $@; ar crs $@ $^
$(OBJ)/libpb_hatchet.a: $(patsubst $(GEN)/proto/%.c,$(OBJ)/gen/%.o,$(HATCHET_C))
	$(Q)rm -f $@; ar crs $@ $^
$(OBJ)/libllhttp.a: $(addprefix $(OBJ)/llhttp/,llhttp.o api.o http.o)
	$(Q)rm -f $@; ar crs $@ $^

$(OUT)/froe: $(call lib,$(L_cli))
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -pie -o $@ -Wl,--whole-archive $(OBJ)/libcli.a -Wl,--no-whole-archive \
	    $(call lib,$(filter-out cli,$(L_cli))) $(LIBS)

# What Hatchet's SDK for TypeScript starts: froe does as the name says that it was called by.
$(OUT)/froe-hatchet-embedded: $(OUT)/froe
	$(Q)ln -sf froe $@

$(OUT)/libfroe.a: $(call lib,$(L_client))
	@mkdir -p $(@D)
	$(Q)rm -f $@; (echo "create $@"; for a in $^; do echo "addlib $$a"; done; echo save; echo end) \
	    | ar -M
$(OUT)/libfroe.so: $(call lib,$(L_client)) src/client/libfroe.map
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -shared -Wl,-soname,libfroe.so.0 -o $@ \
	    -Wl,--version-script=src/client/libfroe.map -Wl,--whole-archive $(OBJ)/libclient.a \
	    -Wl,--no-whole-archive $(call lib,$(filter-out client,$(L_client))) \
	    $(shell pkg-config --libs libprotobuf-c libxxhash openssl 2>/dev/null) -lpthread
	$(Q)ln -sf libfroe.so $(@D)/libfroe.so.0

# docs/tutorial.md shows the programs of the tutorial; they share serve.c, or need nothing.
TUTORIAL := $(filter-out examples/tutorial/serve.c,$(wildcard examples/tutorial/*.c))
EXAMPLES := $(patsubst examples/%.c,$(OUT)/examples/%,$(wildcard examples/*.c) $(TUTORIAL))
examples: $(EXAMPLES)
.PHONY: examples
$(TUTORIAL:examples/%.c=$(OUT)/examples/%): examples/tutorial/serve.c examples/tutorial/serve.h
$(OUT)/examples/%: examples/%.c $(OUT)/libfroe.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $(filter %.c,$^) $(OUT)/libfroe.a -lprotobuf-c -lxxhash -lssl -lcrypto \
	    -lpthread

# -------------------------------------------------------------------------------------- tests
# tests/unit/FOLDER_noun_test.c links with FOLDER and what FOLDER may use, nothing else.
UNIT := $(patsubst tests/unit/%.c,$(OUT)/tests/unit/%,$(wildcard tests/unit/*_test.c))
UNIT_RUN := $(if $(T),$(foreach t,$(UNIT),$(if $(findstring $(T),$(t)),$(t))),$(UNIT))
folder_of = $(firstword $(subst _, ,$(notdir $(1))))

.SECONDEXPANSION:
$(OUT)/tests/unit/%: tests/unit/%.c $$(call lib,$$(L_$$(call folder_of,%)))
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_TEST) $(LDFLAGS_ALL) -isystem $(LLHTTP) -MMD -MP -MF $(OBJ)/unit-$(notdir $@).d \
	    -o $@ $< $(call lib,$(L_$(call folder_of,$*))) -lcmocka $(LIBS)

# Other test programs link with everything that the server is made of, and with libfroe.
$(OUT)/tests/%: tests/%.c $$(call lib,$$(L_cli))
	@mkdir -p $(@D) $(OBJ)/tests/$(dir $*)
	$(Q)$(CC) $(if $(filter system/%,$*),$(CFLAGS_TEST),$(CFLAGS_ALL)) $(LDFLAGS_ALL) -Itests \
	    -MMD -MP -MF $(OBJ)/tests/$*.d -o $@ \
	    $(filter %.c,$^) \
	    $(call lib,$(filter-out cli,$(L_cli))) -lcmocka $(LIBS)
$(OUT)/tests/sim/sim: $(wildcard tests/sim/world/*)
$(OUT)/tests/sim/sim: LDFLAGS_ALL += -Wl,--wrap=mem_pages,--wrap=mem_region,--wrap=mem_pages_free
ROT := $(OUT)/tests/rot/rot
$(ROT): $(wildcard tests/rot/*)
# The power cuts' rig is several files, and needs FUSE; without its headers it is not built.
POWER := $(if $(shell pkg-config --exists fuse3 && echo yes),$(OUT)/tests/power/power \
    $(OUT)/tests/power/unsynced.so)
$(OUT)/tests/power/power: $(addprefix tests/power/,disk.c extents.c guard.c place.c recorder.c)
$(OUT)/tests/power/power: CFLAGS_ALL += $(shell pkg-config --cflags fuse3 2>/dev/null)
$(OUT)/tests/power/power: LIBS += $(shell pkg-config --libs fuse3 2>/dev/null)
$(OUT)/tests/power/unsynced.so: tests/power/unsynced.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 $(OPT) -fPIC -shared $(WARN) -o $@ $<

# froe itself, whose system calls and allocations pass through tests/inject/seam; LMDB's too.
SEAM_CALLS := $(shell sed -n 's/^REAL.[^,]*, \([a-z0-9_]*\),.*/\1/p' tests/inject/seam/seam.c)
$(OUT)/tests/inject/inject: $(OUT)/tests/inject/froe
$(OUT)/tests/inject/froe: tests/inject/seam/seam.c $(call lib,$(L_cli))
	@mkdir -p $(@D) $(OBJ)/tests/inject
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -fPIE -pie -MMD -MP -MF $(OBJ)/tests/inject/froe.d -o $@ $< \
	    $(SEAM_CALLS:%=-Wl,--wrap=%) -Wl,--whole-archive $(OBJ)/libcli.a -Wl,--no-whole-archive \
	    $(call lib,$(filter-out cli,$(L_cli))) $(filter-out -llmdb,$(LIBS)) -l:liblmdb.a
$(OUT)/bench/%: bench/%.c $$(call lib,$$(L_cli))
	@mkdir -p $(@D) $(OBJ)/bench
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -Ibench -MMD -MP -MF $(OBJ)/bench/$*.d -o $@ $< \
	    $(call lib,$(filter-out cli,$(L_cli))) $(LIBS)

check: $(UNIT_RUN)
	@tools/run-tests --programs $(UNIT_RUN)

PROGRAMS := $(patsubst tests/%.c,$(OUT)/tests/%,$(wildcard tests/system/*.c tests/crash/*.c tests/hostile/*.c tests/soak/*.c tests/sim/*.c tests/inject/*.c))
BENCHES := $(patsubst bench/%.c,$(OUT)/bench/%,$(wildcard bench/*.c))
test-build: all $(UNIT) $(PROGRAMS) $(BENCHES) $(ROT) $(POWER)
.PHONY: test-build

# Hatchet's SDKs, unmodified. What they run on is put into $(B)/hatchet by tools/deps --all.
hatchet: $(OUT)/froe $(OUT)/froe-hatchet-embedded
	@tests/hatchet/run --out $(OUT) $(ARGS)
.PHONY: hatchet

SEEDS ?= 2000
FROM ?= 1
CYCLES ?= 50
SIM := $(OUT)/tests/sim/sim
sim: $(SIM)
	@tools/sim-campaign sim$(if $(SMALL),\ small) $(FROM) $(SEEDS) $(SIM) $(if $(SMALL),--small)
# Faults planted in the code of src/, one at a time: each must be found.
sim-faults:
	@$(MAKE) --no-print-directory PLANTS=1 sim-faults-run
sim-faults-run: $(SIM)
	$(SIM) --faults $(ARGS)
# Which error branches of the log and the engine do so many worlds reach?
sim-marks:
	@$(MAKE) --no-print-directory COVERAGE=1 sim-marks-run
sim-marks-run: $(SIM)
	@find $(OBJ) -name '*.gcda' -delete
	$(SIM) --from $(FROM) --seeds $(SEEDS)
	@tools/sim-marks $(OBJ)
# The same worlds in four builds: the same trace.
SAME_SEEDS ?= 300
SAME := $(foreach c,gcc clang-14,$(foreach o,-O0 -O3,$(c):$(o)))
sim-same:
	@for each in $(SAME); do \
		$(MAKE) --no-print-directory CC=$${each%:*} OPT=$${each#*:} CFLAGS=-w sim-build || exit 1; done
	@tools/sim-same $(SAME_SEEDS) $(foreach each,$(SAME),\
		$(B)/rel$(if $(findstring clang,$(each)),-clang)$(lastword $(subst :, ,$(each)))/tests/sim/sim)
sim-build: $(SIM)
.PHONY: sim-faults sim-faults-run sim-marks sim-marks-run sim-same sim-build
system: all $(PROGRAMS)
	@tools/run-tests --system $(OUT)
crash: all $(PROGRAMS)
	@tools/run-tests --crash $(OUT) $(CYCLES)

IMAGES ?= 200
power-cut: all $(PROGRAMS) $(POWER)
	@$(if $(POWER),,echo "power-cut: libfuse3-dev is not installed: make deps"; exit 1)
	@TMPDIR=$(OUT) tools/rig-campaign power-cut $(IMAGES) 1000 \
	    $(OUT)/tests/power/power $(OUT) $(IMAGES) $(if $(SEED),--seed $(SEED))
.PHONY: power-cut
# Rigs that keep a row of docs/campaigns.md each time.
TIMES ?= 3
DEEP ?= 100
CASES ?= 0
ROUNDS ?= 25
LEVELS ?= 100
rig = @mkdir -p $(OUT)/tmp && TMPDIR=$(OUT)/tmp tools/rig $(1) "$(2)" $(OUT)/tests/$(3) $(OUT) $(2)
on_io = $(if $(IO), --io $(IO))
places: all $(PROGRAMS)
	$(call rig,places,--times $(TIMES) --deep $(DEEP)$(on_io),crash/places)
inject: all $(PROGRAMS)
	$(call rig,inject,--cases $(CASES)$(if $(MODE), --mode $(MODE))$(on_io),inject/inject)
eio: all $(PROGRAMS)
	$(call rig,eio,--rounds $(ROUNDS),inject/eio)
disk-full: all $(PROGRAMS)
	$(call rig,disk-full,--levels $(LEVELS)$(on_io),inject/full)
.PHONY: places inject eio disk-full

CASES ?= 300
rot: all $(PROGRAMS) $(ROT)
	@TMPDIR=$(OUT) tools/rig-campaign rot $(CASES) 5000 \
	    $(ROT) $(OUT) $(CASES) $(if $(SEED),--seed $(SEED))
.PHONY: rot

spin:
	@tools/spin --work $(B)/spin $(ARGS)
.PHONY: spin

FRAMES ?= 1000000
SLOW ?= 5000
hostile:
	@$(MAKE) --no-print-directory SAN=address,undefined hostile-run
hostile-run: all $(OUT)/tests/hostile/hostile
	@tools/run-tests --hostile $(OUT) $(FRAMES) $(SLOW)
.PHONY: hostile hostile-run

MINUTES ?= 30
soak: all $(PROGRAMS)
	TMPDIR=$(OUT) $(OUT)/tests/soak/soak $(OUT) $$(($(MINUTES) * 60))
.PHONY: soak

include $(wildcard fuzz/fuzz.mk)

# -O0: each condition is there as it was written.
coverage:
	@$(MAKE) --no-print-directory COVERAGE=1 OPT=-O0 \
	    CFLAGS="-fprofile-update=atomic -U_FORTIFY_SOURCE" coverage-run
coverage-run: coverage-build
	@tools/coverage --programs $(OUT) --objects $(OBJ) $(ARGS)
coverage-build: $(UNIT) $(OUT)/tests/sim/sim $(FUZZERS:%=$(OUT)/fuzz/replay_%)
.PHONY: coverage coverage-run coverage-build

# The packages must be there before pkg-config is asked: hence a second make.
deps:
	@tools/deps
test: deps
	@tools/run-tests --all
demo: deps
	@$(MAKE) --no-print-directory -j2 all
	@tools/demo $(OUT)
bench: all $(BENCHES)
	@tools/bench $(OUT) $(if $(ROWS),--rows $(ROWS)) $(ARGS)
guard: all
	@tools/guard $(OUT) $(ARGS)
bench-plot: all $(BENCHES)
	@tools/bench-plot $(OUT) $(ARGS)
tutorial: all
	@tools/tutorial $(OUT)
.PHONY: tutorial

# The layers are checked in every build, again when a source or the table has changed.
all: $(OBJ)/layers.stamp
$(OBJ)/layers.stamp: tools/layers tools/layers.txt src \
    $(wildcard src/* src/*/*.[ch] src/*/*.def include/froe/*)
	@mkdir -p $(@D) && touch $@.new # as old as the check's begin: a change meanwhile counts
	@tools/layers
	@mv $@.new $@
OPEN ?= 50000
DONE ?= 200000
bench-index: $(OUT)/bench/index
	$(OUT)/bench/index $(ARGS)
bench-scale: all $(OUT)/bench/scale
	$(OUT)/bench/scale $(OUT)/froe --dir $(OUT) --open $(OPEN) --done $(DONE) $(ARGS)
.PHONY: bench-index bench-plot bench-scale guard
tidy:
	@tools/tidy --build $(B)
selftest:
	@tools/selftest

# One source: the command's own table. tools/manual says whether docs/cli.md is what it says.
docs: all
	@$(OUT)/froe help markdown > docs/cli.md
man: $(B)/man/froe.1
$(B)/man/froe.1: $(OUT)/froe
	@mkdir -p $(@D)
	@$(OUT)/froe help man > $@
docs-check: all man
	@tools/manual $(OUT)/froe $(B)/man/froe.1
	@tools/docs $(OUT)/froe
.PHONY: docs man docs-check

install: all man
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(LIBDIR)/pkgconfig \
	    $(DESTDIR)$(PREFIX)/include/froe $(DESTDIR)$(PREFIX)/share/man/man1 \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 755 $(OUT)/froe $(DESTDIR)$(PREFIX)/bin/froe
	ln -sf froe $(DESTDIR)$(PREFIX)/bin/froe-hatchet-embedded
	install -m 644 $(OUT)/libfroe.a $(DESTDIR)$(LIBDIR)/libfroe.a
	install -m 644 $(OUT)/libfroe.so $(DESTDIR)$(LIBDIR)/libfroe.so.$(VERSION)
	ln -sf libfroe.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libfroe.so.0
	ln -sf libfroe.so.0 $(DESTDIR)$(LIBDIR)/libfroe.so
	install -m 644 include/froe/*.h include/froe/*.def $(DESTDIR)$(PREFIX)/include/froe/
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(VERSION)|' \
	    packaging/libfroe.pc.in > $(DESTDIR)$(LIBDIR)/pkgconfig/libfroe.pc
	install -m 644 $(B)/man/froe.1 $(DESTDIR)$(PREFIX)/share/man/man1/froe.1
	$(OUT)/froe completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/froe

deb: all
	+@packaging/deb $(B) $(VERSION)
deb-check: all
	+@packaging/deb-check $$(packaging/deb $(B) $(VERSION))

clean:
	rm -rf build

-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)
