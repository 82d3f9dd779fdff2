// SPDX-License-Identifier: GPL-2.0-only
/*
 * A database that can be checked, and a program that writes to it all the
 * time.  Owns the invariant of the demonstration: money moves between accounts
 * and their sum never changes, in any state that a reader may see.
 *
 * usage: bank make DB MIB        a new database of about so many MiB
 *        bank write DB COUNT     commits until killed; their number in COUNT
 *        bank check DB           integrity_check and the sum
 *        bank kill PID           prints CLOCK_MONOTONIC in ns, sends SIGKILL
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BANK_ACCOUNTS	1000
#define BANK_BALANCE	1000
#define BANK_BLOB	16000		/* so a MiB has about 64 of them */
#define BANK_PER_MIB	64

static sqlite3 *db;

static void bank_die(const char *what)
{
	fprintf(stderr, "bank: %s: %s\n", what, db ? sqlite3_errmsg(db) : "no memory");
	exit(1);
}

static void bank_open(const char *path, int flags)
{
	if (sqlite3_open_v2(path, &db, flags, NULL))
		bank_die(path);
	sqlite3_busy_timeout(db, 60000);
}

static void bank_exec(const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL))
		bank_die(sql);
}

static sqlite3_stmt *bank_prepare(const char *sql)
{
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL))
		bank_die(sql);
	return stmt;
}

static void bank_run(sqlite3_stmt *stmt)
{
	if (sqlite3_step(stmt) != SQLITE_DONE)
		bank_die(sqlite3_sql(stmt));
	sqlite3_reset(stmt);
}

static int64_t bank_number(const char *sql)
{
	sqlite3_stmt *stmt = bank_prepare(sql);
	int64_t value;

	if (sqlite3_step(stmt) != SQLITE_ROW)
		bank_die(sql);
	value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return value;
}

static int bank_make(const char *path, unsigned int mib)
{
	unsigned char blob[BANK_BLOB];
	sqlite3_stmt *stmt;
	unsigned int i, k;

	bank_open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
	bank_exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
		  "CREATE TABLE bank_account(id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);"
		  "CREATE TABLE bank_transfer(id INTEGER PRIMARY KEY, source, target, amount);"
		  "CREATE TABLE bank_filler(id INTEGER PRIMARY KEY, data BLOB);"
		  "BEGIN");
	stmt = bank_prepare("INSERT INTO bank_account(balance) VALUES(?)");
	for (i = 0; i < BANK_ACCOUNTS; i++) {
		sqlite3_bind_int(stmt, 1, BANK_BALANCE);
		bank_run(stmt);
	}
	sqlite3_finalize(stmt);
	stmt = bank_prepare("INSERT INTO bank_filler(data) VALUES(?)");
	srandom(1);
	for (i = 0; i < mib * BANK_PER_MIB; i++) {
		for (k = 0; k < sizeof(blob); k += 4) {
			uint32_t word = random();

			memcpy(blob + k, &word, sizeof(word));
		}
		sqlite3_bind_blob(stmt, 1, blob, sizeof(blob), SQLITE_STATIC);
		bank_run(stmt);
	}
	sqlite3_finalize(stmt);
	bank_exec("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
	sqlite3_close(db);
	return 0;
}

/* Small and large pages, old ones and new ones: all kinds of changes. */
static void bank_write(const char *path, const char *count_path)
{
	sqlite3_stmt *take, *give, *log, *fill;
	int count = open(count_path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	unsigned char blob[BANK_BLOB];
	uint64_t commits = 0;
	char text[32];
	int64_t fillers;

	if (count < 0)
		bank_die(count_path);
	bank_open(path, SQLITE_OPEN_READWRITE);
	bank_exec("PRAGMA synchronous=NORMAL");
	fillers = bank_number("SELECT max(id) FROM bank_filler");
	take = bank_prepare("UPDATE bank_account SET balance = balance - ?2 WHERE id = ?1");
	give = bank_prepare("UPDATE bank_account SET balance = balance + ?2 WHERE id = ?1");
	log = bank_prepare("INSERT INTO bank_transfer(source, target, amount) VALUES(?, ?, ?)");
	fill = bank_prepare("UPDATE bank_filler SET data = ?2 WHERE id = ?1");
	srandom(getpid());
	for (;;) {
		int source = random() % BANK_ACCOUNTS + 1, target = random() % BANK_ACCOUNTS + 1;
		int amount = random() % 100;

		bank_exec("BEGIN IMMEDIATE");
		sqlite3_bind_int(take, 1, source);
		sqlite3_bind_int(take, 2, amount);
		bank_run(take);
		sqlite3_bind_int(give, 1, target);
		sqlite3_bind_int(give, 2, amount);
		bank_run(give);
		sqlite3_bind_int(log, 1, source);
		sqlite3_bind_int(log, 2, target);
		sqlite3_bind_int(log, 3, amount);
		bank_run(log);
		if (commits % 8 == 0) {
			memset(blob, random(), sizeof(blob));
			sqlite3_bind_int64(fill, 1, random() % fillers + 1);
			sqlite3_bind_blob(fill, 2, blob, sizeof(blob), SQLITE_STATIC);
			bank_run(fill);
		}
		bank_exec("COMMIT");
		if (pwrite(count, text, snprintf(text, sizeof(text), "%" PRIu64 "\n", ++commits),
			   0) < 0)
			bank_die(count_path);
	}
}

static int bank_check(const char *path)
{
	sqlite3_stmt *stmt;
	const char *text;
	int64_t sum;

	bank_open(path, SQLITE_OPEN_READWRITE);
	stmt = bank_prepare("PRAGMA integrity_check");
	if (sqlite3_step(stmt) != SQLITE_ROW)
		bank_die("integrity_check");
	text = (const char *)sqlite3_column_text(stmt, 0);
	printf("integrity %s\n", text);
	if (strcmp(text, "ok"))
		return 1;
	sqlite3_finalize(stmt);
	sum = bank_number("SELECT sum(balance) FROM bank_account");
	printf("sum %" PRId64 " expected %d\n", sum, BANK_ACCOUNTS * BANK_BALANCE);
	printf("transfers %" PRId64 "\n", bank_number("SELECT count(*) FROM bank_transfer"));
	sqlite3_close(db);
	return sum != BANK_ACCOUNTS * BANK_BALANCE;
}

static int bank_kill(const char *pid)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	if (kill(atoi(pid), SIGKILL)) {
		perror("bank: kill");
		return 1;
	}
	printf("%" PRIu64 "\n", (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "make"))
		return bank_make(argv[2], atoi(argv[3]));
	if (argc == 4 && !strcmp(argv[1], "write"))
		bank_write(argv[2], argv[3]);
	if (argc == 3 && !strcmp(argv[1], "check"))
		return bank_check(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "kill") && atoi(argv[2]) > 1)
		return bank_kill(argv[2]);
	fprintf(stderr, "usage: bank make DB MIB | write DB COUNT | check DB | kill PID\n");
	return 2;
}
