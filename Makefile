# make run         run a receiver on 127.0.0.1:2525 (PORT=2525) that stores mail in var/Maildir
# make run-ldap    the same with a small LDAP directory
# make run-filters the same with rspamd as a milter
# make install     install the programs into PREFIX=/var/qmail (DESTDIR for packages); originals become NAME.orig;
#                  KEEP="NAME NAME" leaves these as they are
# make uninstall   remove them again and put the originals back
# make test        run the whole test suite, with real servers from Debian
# make test-debian RELEASE=trixie  run it, and more, in a minimal Debian of that release (needs root)
# make test-quick  run unit tests, transcripts and import rules: no services, under a minute
# make check       check style, format and types
# make bench       run the measurements of bench/README.md
# make coverage    measure branch coverage, also in the programs that tests start; fails below a limit
# make fuzz        run each fuzz target for FUZZ_SECONDS=20 seconds
# make lock        write contrib/requirements.lock, the versions of all Python packages, from the newest releases
# make help        show this list

# These may also be set in the environment: PREFIX=/opt/qmail make install.
PREFIX ?= /var/qmail
DESTDIR ?=
PORT ?= 2525
# The qmail home of the installed programs where QMAILHOME is not set: the prefix, if it has control files. Not from the
# environment, in which somebody may have a home for trials.
QMAILHOME = $(if $(wildcard $(DESTDIR)$(PREFIX)/control/.),$(PREFIX),/var/qmail)
# The full path of the interpreter, which is written into the installed programs.
PYTHON = /usr/bin/python3

VENV = .venv
LOCK = contrib/requirements.lock setup.cfg
LIB = $(PREFIX)/lib/qmail-smtpd
# Programs that `make install` leaves as they are: KEEP="qmail-verify auth_smtp".
KEEP ?=
PROGRAMS = $(filter-out $(KEEP),$(notdir $(wildcard bin/*)))
PAGES = $(wildcard man/*.[1-9])

BUILD_PACKAGES = gcc libc6-dev python3-dev python3-venv libldap-dev libsasl2-dev ca-certificates
RUN_PACKAGES = ucspi-tcp
LDAP_PACKAGES = slapd ldap-utils curl
FILTER_PACKAGES = rspamd curl
TEST_PACKAGES = $(LDAP_PACKAGES) $(FILTER_PACKAGES) procps xinetd swaks postfix rbldnsd nsd tinycdb freecdb openssl strace \
	fail2ban sslscan testssl.sh spamassassin mandoc man-db systemd perl util-linux opendkim libmail-dkim-perl \
	opendmarc iproute2 clamav-daemon clamav-milter spamd spamass-milter pyspf-milter dkimpy-milter \
	postgrey postfix-policyd-spf-python postfwd libidn12 gnutls-bin
# Not installed but unpacked; the last two of the list above bring libraries that they use.
UNPACKED_PACKAGES = exim4-daemon-light opensmtpd
BENCH_PACKAGES = ?mailfront postfix ?qpsmtpd rbldnsd tinycdb openssl opendkim libmilter-dev

QUICK = tests/smtp tests/logs tests/fuzz tests/test_imports.py tests/session/test_sessions.py \
	tests/session/test_edits.py tests/control/test_catalogue.py tests/control/test_files.py tests/control/test_hosts.py \
	tests/filters/test_milter.py tests/filters/test_policy.py tests/filters/test_settings.py \
	tests/net/test_wire.py tests/net/test_dnsmessage.py tests/net/test_nameservers.py \
	tests/mailauth/test_dkim_canon.py tests/mailauth/test_dkim_fields.py tests/mailauth/test_dkim_keys.py \
	tests/mailauth/test_dmarc.py tests/mailauth/test_dmarc_record.py tests/mailauth/test_dns.py \
	tests/mailauth/test_from_field.py tests/mailauth/test_iprev.py tests/mailauth/test_spf.py tests/mailauth/test_spf_suite.py
# They start servers of others for long, or look at the tree rather than at what runs.
UNMEASURED = contrib fuzz test_bench.py test_fail2ban.py test_lock.py test_documentation.py test_imports.py \
	test_service_files.py filters/test_real.py filters/test_recipes.py filters/test_run_filters.py
FUZZ_SECONDS ?= 20

RELEASE ?= bookworm
BENCH =

APT = contrib/apt-install
# Under sudo what was made belongs to the user who called.
STAMP = touch $@ && contrib/give-back $(VENV) build

.PHONY: all lock help run run-ldap run-filters place test test-debian test-quick coverage fuzz check bench install uninstall deps deps-run deps-ldap deps-filters deps-test deps-bench home clean

all: deps

# What apt-install tells a user without sudo.
run: export NEEDED = $(BUILD_PACKAGES) $(RUN_PACKAGES)
run-ldap: export NEEDED = $(BUILD_PACKAGES) $(RUN_PACKAGES) $(LDAP_PACKAGES)
run-filters: export NEEDED = $(BUILD_PACKAGES) $(RUN_PACKAGES) $(FILTER_PACKAGES)
test coverage: export NEEDED = $(BUILD_PACKAGES) $(RUN_PACKAGES) $(TEST_PACKAGES)
bench: export NEEDED = $(BUILD_PACKAGES) $(RUN_PACKAGES) $(LDAP_PACKAGES) $(BENCH_PACKAGES)

run: deps-run home
	@exec contrib/run $(PORT)

run-ldap: deps-run deps-ldap
	@exec contrib/ldap/run-ldap $(PORT)

run-filters: deps-run deps-filters
	@exec contrib/run-filters $(PORT)

help:
	@sed -n '/^$$/q; s/^# //p' Makefile

# Tests that need a program or server from a Debian package are only in `make test`.
test-quick: $(VENV)/test
	$(VENV)/bin/python -m pytest -q -n 4 --dist loadfile $(QUICK)

# Programs that tests start run isolated (python3 -I -S): contrib/measured makes copies of bin/ that measure themselves.
coverage: $(VENV)/coverage deps-test
	rm -rf build/coverage
	contrib/measured build/coverage "$$($(VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')"
	MEASURED=$(CURDIR)/build/coverage $(VENV)/bin/python -m coverage run -m pytest -q -n 4 --dist loadfile tests -m 'not unmeasured' \
		$(UNMEASURED:%=--ignore tests/%)
	$(VENV)/bin/python -m coverage combine -q
	$(VENV)/bin/python -m coverage report

fuzz: $(VENV)/fuzz
	$(VENV)/bin/python -m tests.fuzz $(FUZZ_SECONDS)

test: place deps-test
	@$(VENV)/bin/python -m pytest -n 4 --dist loadfile tests; status=$$?; contrib/give-back . && exit $$status

place:
	@contrib/test-place

test-debian:
	@contrib/test-debian $(RELEASE)

check: $(VENV)/check
	$(VENV)/bin/ruff check qmail_smtpd tests bin/* contrib bench
	$(VENV)/bin/ruff format --check qmail_smtpd tests bin/* contrib bench
	$(VENV)/bin/mypy --strict qmail_smtpd tests/support

bench: $(VENV)/bench deps-run deps-ldap deps-bench
	$(VENV)/bin/python bench/run.py $(BENCH)

# Takes the newest version of everything that setup.cfg names: review the change with `git diff`.
lock: $(VENV)/tools
	@contrib/pip-install lock
	@$(PYTHON) contrib/lock $(VENV)/bin/uv

# Each file $(VENV)/NAME marks what is installed for a target. A change of the lock or of setup.cfg installs it again,
# which fails if the lock lacks something that setup.cfg names.

deps: $(VENV)/packages
deps-run: $(VENV)/packages $(VENV)/apt-run
deps-ldap: $(VENV)/apt-ldap
deps-filters: $(VENV)/apt-filters
deps-test: $(VENV)/test deps-run $(VENV)/apt-test
deps-bench: $(VENV)/apt-bench

$(VENV)/tools:
	@$(APT) $(BUILD_PACKAGES)
	@$(PYTHON) -m venv $(VENV)
	@contrib/pip-install build
	@$(STAMP)

$(VENV)/packages: $(LOCK) $(VENV)/tools
	@contrib/pip-install run
	@$(STAMP)

$(VENV)/test: $(LOCK) $(VENV)/packages
	@contrib/pip-install run test
	@$(STAMP)

$(VENV)/bench: $(LOCK) $(VENV)/packages
	@contrib/pip-install run test bench
	@$(STAMP)

$(VENV)/coverage: $(LOCK) $(VENV)/packages
	@contrib/pip-install run test coverage
	@$(STAMP)

$(VENV)/fuzz: $(LOCK) $(VENV)/packages
	@contrib/pip-install run test fuzz
	@$(STAMP)

$(VENV)/check: $(LOCK) $(VENV)/packages
	@contrib/pip-install run test check
	@$(STAMP)

$(VENV)/apt-run: Makefile $(VENV)/tools
	@$(APT) $(RUN_PACKAGES)
	@$(STAMP)

$(VENV)/apt-ldap: Makefile $(VENV)/tools
	@$(APT) $(LDAP_PACKAGES)
	@$(STAMP)

$(VENV)/apt-filters: Makefile $(VENV)/tools
	@$(APT) $(FILTER_PACKAGES)
	@$(STAMP)

$(VENV)/apt-test: Makefile $(VENV)/tools
	@$(APT) $(TEST_PACKAGES)
	@contrib/apt-unpack $(VENV)/mta $(UNPACKED_PACKAGES)
	@$(STAMP)

$(VENV)/apt-bench: Makefile $(VENV)/tools
	@$(APT) $(BENCH_PACKAGES)
	@contrib/apt-unpack $(VENV)/mta opensmtpd
	@$(STAMP)

home:
	@contrib/make-home var && contrib/give-back var

install: $(VENV)/packages
	@$(PYTHON) contrib/install --prefix '$(PREFIX)' --destdir '$(DESTDIR)' --python $(PYTHON) --lib '$(LIB)' \
		--home '$(QMAILHOME)' --site-packages "$$($(VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')" \
		$(PROGRAMS:%=--program %) $(PAGES:%=--page %)

uninstall:
	@$(PYTHON) contrib/install --remove --prefix '$(PREFIX)' --destdir '$(DESTDIR)' --python $(PYTHON) --lib '$(LIB)' \
		$(PROGRAMS:%=--program %) $(PAGES:%=--page %)

clean:
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
