# SPDX-License-Identifier: GPL-2.0-only
#
# The human's view of the build; Kbuild is the kernel's.  Only setup (and demo
# and test, which call it) downloads or installs anything on this machine.

VERSION := 0.1.0

prefix		?= /usr/local
DESTDIR		?=
KERNELRELEASE	?= $(shell uname -r)
KDIR		?= /lib/modules/$(KERNELRELEASE)/build
MODDIR		?= kernel/drivers/misc

TOP	:= $(CURDIR)
BUILD	:= $(TOP)/.build
CACHE	:= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/vdi

# passed to kbuild as they are
KBUILD_ARGS := $(foreach v,LLVM W V C CF,$(if $($(v)),$(v)=$($(v))))

# a distribution's kernel asks for signatures whose key nobody has
NO_SIGN = $(if $(wildcard $(KDIR)/certs/signing_key.pem),,CONFIG_MODULE_SIG_ALL=)

USERSPACE = $(MAKE) -C userspace O=$(BUILD)/user VERSION=$(VERSION) \
	    prefix=$(prefix) DESTDIR=$(DESTDIR)
SELFTESTS = $(MAKE) -C selftests O=$(BUILD)/selftests LIBVDI=$(BUILD)/user

all: module lib cli

# For the running kernel, or with KERNEL=6.1 for that guest kernel of the cache.
module:
ifeq ($(KERNEL),)
	@test -d $(KDIR) || { echo "module: no kernel headers in $(KDIR):" \
		"give KDIR= or KERNEL=6.1" >&2; exit 1; }
	$(MAKE) -C $(KDIR) M=$(TOP) $(KBUILD_ARGS) modules
else
	$(TOP)/scripts/kernel.sh module $(KERNEL)
endif

lib:
	+$(USERSPACE) lib

cli: lib
	+$(USERSPACE) all

selftests: lib
	+$(SELFTESTS) all

setup:
	scripts/setup.sh

demo:
	DB='$(DB)' scripts/demo.sh

# What set-up takes is a part of the whole, which has a limit.
test:
	@begun=$$(date +%s) && scripts/setup.sh && \
	VDI_BEGUN=$$begun TESTS='$(TESTS)' KERNEL='$(KERNEL)' scripts/test.sh

# Hours; goes on where it was stopped.
soak:
	scripts/setup.sh --kernel 6.1 --kernel uml --kernel 6.12 --kernel 7 --kernel debug --kernel kcsan
	$(MAKE) -s lib cli
	$(MAKE) -s selftests
	scripts/soak.sh

quick:
	scripts/setup.sh --kernel uml
	TESTS='$(TESTS)' scripts/test.sh --quick

check:
	scripts/check.sh

# One check alone, by its name in check.sh
sparse checkpatch coccicheck kernel-doc header shellcheck codespell spdx man:
	scripts/check.sh $@

run_tests: selftests
	selftests/run.sh $(TESTS)

bench:
	OUT='$(OUT)' FULL='$(FULL)' HOST='$(HOST)' scripts/bench.sh

vm-shell:
	scripts/setup.sh --kernel $(or $(KERNEL),6.1)
	$(MAKE) -s lib cli
	scripts/vm.sh --kernel $(or $(KERNEL),6.1) --shell

install: all
	+$(USERSPACE) install
	$(MAKE) -C $(KDIR) M=$(TOP) INSTALL_MOD_PATH=$(or $(INSTALL_MOD_PATH),$(DESTDIR)) \
		INSTALL_MOD_DIR=$(MODDIR) $(NO_SIGN) modules_install
	test -n "$(or $(INSTALL_MOD_PATH),$(DESTDIR))" || depmod $(KERNELRELEASE)

uninstall:
	+$(USERSPACE) uninstall
	rm -f $(or $(INSTALL_MOD_PATH),$(DESTDIR))/lib/modules/$(KERNELRELEASE)/$(MODDIR)/vdi.ko*
	test -n "$(or $(INSTALL_MOD_PATH),$(DESTDIR))" || depmod $(KERNELRELEASE)

tags:
	@command -v ctags >/dev/null || { echo "tags: no ctags: install universal-ctags" >&2; exit 1; }
	ctags -R --exclude=.build .

clean:
	rm -rf $(BUILD)
	rm -f vdi.ko vdi.o vdi.mod vdi.mod.c vdi.mod.o .vdi.* modules.order Module.symvers
	rm -f .modules.order.cmd .Module.symvers.cmd
	rm -f module/*.o module/.*.cmd module/.*.d
	rm -rf .tmp_versions

# the cache of guest kernels too, which takes minutes to fill again
distclean: clean
	rm -rf $(CACHE)
	rm -f tags

help:
	@echo 'all            module, lib and cli (the default)'
	@echo 'module         vdi.ko; KDIR= LLVM=1 W=1 V=1; KERNEL=6.1 for a guest kernel'
	@echo 'lib cli        libvdi and libsqlvdi; the command vdi'
	@echo 'selftests      the test programs'
	@echo 'demo           back up and restore a live database in a guest; DB=path'
	@echo 'test           setup, static checks, all tests in guests; TESTS= KERNEL='
	@echo 'soak           the long tests, hours, and their report; goes on where it stopped'
	@echo 'quick          the tests under User Mode Linux only; TESTS='
	@echo 'setup          install packages, fetch and build guest kernels'
	@echo 'check          static checks; no root, no guest'
	@echo 'run_tests      the tests here, module loaded, no guest; TESTS='
	@echo 'bench          measure in a guest, or here with HOST=1; FULL=1 OUT=file for JSON lines'
	@echo 'vm-shell       a shell in a guest; KERNEL='
	@echo 'install        module, libraries, command, header, man pages;'
	@echo '               DESTDIR= prefix= INSTALL_MOD_PATH= KDIR='
	@echo 'uninstall      take them away again'
	@echo 'sparse checkpatch coccicheck kernel-doc header shellcheck codespell spdx man'
	@echo '               one check alone'
	@echo 'clean          remove what was built'
	@echo 'distclean      and the cache of guest kernels'
	@echo 'tags help      ctags; this list'

.PHONY: all module lib cli selftests setup demo test soak quick check run_tests bench vm-shell \
	install uninstall clean distclean help tags \
	sparse checkpatch coccicheck kernel-doc header shellcheck codespell spdx man
