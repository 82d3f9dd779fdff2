// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs a command and says how much memory it had at most, with its children that it has
 * waited for, in KiB on standard output; the command's own goes nowhere.  Ends as the
 * command does, a signal being 128 and its number.
 *
 * What a process has had at most begins with what whoever forked it had, and stays
 * through exec: this program is small, so that it is the command's.
 *
 *	peak COMMAND...
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct rusage ru;
	int status;
	pid_t pid;

	if (argc < 2) {
		fprintf(stderr, "usage: peak COMMAND...\n");
		return 2;
	}
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_WRONLY);

		if (null < 0 || dup2(null, STDOUT_FILENO) < 0)
			_exit(126);
		close(null);
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || getrusage(RUSAGE_CHILDREN, &ru)) {
		perror("peak");
		return 2;
	}
	printf("%ld\n", ru.ru_maxrss);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
