# fuzz: targets for libFuzzer, and their corpora replayed without it. See fuzz/README.md.
#
#   make fuzz TARGET=json SECONDS=60    clang-14 and libclang-rt-14-dev
#   make fuzz-all SECONDS=60            all of them, one after another
#   make fuzz-replay                    the compiler at hand, with ASan and UBSan

FUZZERS := $(patsubst fuzz/%.c,%,$(filter-out fuzz/replay.c,$(wildcard fuzz/*.c)))
FUZZ_SAN := fuzzer-no-link,address,undefined
FUZZ_OUT := $(B)/rel-$(subst $(comma),-,$(FUZZ_SAN))-clang
REPLAY_OUT := $(B)/rel-address-undefined
FUZZ_LIBS = $(call lib,$(L_cli))
TARGET ?=
SECONDS ?= 60

$(OUT)/fuzz/%: fuzz/%.c fuzz/feed.h fuzz/fuzz.mk $(FUZZ_LIBS)
	@mkdir -p $(@D) $(OBJ)/fuzz
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -D_GNU_SOURCE -fsanitize=fuzzer -I. -Itests -MMD -MP \
	    -MF $(OBJ)/fuzz/$*.d -o $@ $< $(FUZZ_LIBS) $(LIBS)

# What ends the process comes back: see fuzz/settings.c.
$(OUT)/fuzz/settings $(OUT)/fuzz/replay_settings: LDFLAGS_ALL += -Wl,--wrap=exit

$(OUT)/fuzz/replay_%: fuzz/%.c fuzz/replay.c fuzz/feed.h fuzz/fuzz.mk $(FUZZ_LIBS)
	@mkdir -p $(@D) $(OBJ)/fuzz
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -D_GNU_SOURCE -I. -Itests -MMD -MP \
	    -MF $(OBJ)/fuzz/replay_$*.d -o $@ $< fuzz/replay.c $(FUZZ_LIBS) $(LIBS)

.PHONY: fuzz fuzz-all fuzz-build fuzz-replay fuzz-replay-build
fuzz:
	@test -n "$(filter $(TARGET),$(FUZZERS))" || \
	    { echo "make fuzz TARGET=one of: $(FUZZERS)"; exit 2; }
	@$(MAKE) --no-print-directory fuzz-build FUZZERS="$(TARGET)"
	@nice -n 19 tools/fuzz --programs $(FUZZ_OUT)/fuzz --work $(B)/fuzz --seconds $(SECONDS) $(TARGET)

# One at a time, each for so many seconds.
fuzz-all: fuzz-build
	@nice -n 19 tools/fuzz --programs $(FUZZ_OUT)/fuzz --work $(B)/fuzz --seconds $(SECONDS) $(FUZZERS)

fuzz-build:
	@command -v clang-14 > /dev/null && \
	    test -e "$$(clang-14 -print-file-name=libclang_rt.fuzzer-x86_64.a)" || \
	    { echo "fuzz: clang-14 with libFuzzer is not here: install clang-14 and" \
	        "libclang-rt-14-dev"; exit 2; }
	@$(MAKE) --no-print-directory CC=clang-14 SAN=$(FUZZ_SAN) $(FUZZERS:%=$(FUZZ_OUT)/fuzz/%)

fuzz-replay-build:
	@$(MAKE) --no-print-directory SAN=address,undefined \
	    $(FUZZERS:%=$(REPLAY_OUT)/fuzz/replay_%)
fuzz-replay: fuzz-replay-build
	@passed=0; failed=0; for one in $(FUZZERS); do \
	    if out=$$($(REPLAY_OUT)/fuzz/replay_$$one fuzz/corpus/$$one 2>&1); then \
	        passed=$$((passed + $$(echo "$$out" | sed -n 's/ passed, 0 failed$$//p'))); \
	    else failed=$$((failed + 1)); echo "---- fuzz/$$one.c"; echo "$$out" | tail -40; fi; \
	done; echo "$$passed passed, $$failed failed"; test $$failed -eq 0
