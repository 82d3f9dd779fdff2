/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One test of a program: "-t PATTERN" runs those whose full name, as it stands in
 * the output, matches (shell wildcards), "-l" lists the names.  The harness of 6.1
 * runs all or nothing.
 */
#ifndef VDI_TEST_SELECT_H
#define VDI_TEST_SELECT_H

#include <fnmatch.h>

static inline const char *vt_test_name(const struct __fixture_metadata *f,
				       const struct __fixture_variant_metadata *v,
				       const struct __test_metadata *t)
{
	static char name[256];

	snprintf(name, sizeof(name), "%s%s%s.%s", f->name, v ? "." : "", v ? v->name : "",
		 t->name);
	return name;
}

static inline bool vt_selected(const struct __fixture_metadata *f,
			       const struct __fixture_variant_metadata *v,
			       const struct __test_metadata *t, const char *pattern)
{
	if (pattern)
		return !fnmatch(pattern, vt_test_name(f, v, t), 0);
	printf("%s\n", vt_test_name(f, v, t));
	return false;
}

/*
 * Takes what is not wanted out of the lists, all of it without a pattern: how many
 * are left.  The lists go both ways, but only the way forward is walked from here on.
 */
static inline unsigned int vt_select(const char *pattern)
{
	struct __fixture_variant_metadata *v, *variants, **vp;
	struct __test_metadata *t, **tp;
	struct __fixture_metadata *f;
	unsigned int n, sum = 0;

	for (f = __fixture_list; f; f = f->next) {
		variants = f->variant;
		for (tp = &f->tests; (t = *tp); ) {
			n = variants ? 0 : vt_selected(f, NULL, t, pattern);
			for (v = variants; v; v = v->next)
				n += vt_selected(f, v, t, pattern);
			sum += n;
			if (n)
				tp = &t->next;
			else
				*tp = t->next;
		}
		for (vp = &f->variant; pattern && (v = *vp); ) {
			for (n = 0, t = f->tests; t; t = t->next)
				n += vt_selected(f, v, t, pattern);
			if (n)
				vp = &v->next;
			else
				*vp = v->next;
		}
	}
	return sum;
}

static inline int vt_main(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "lt:")) != -1) {
		switch (c) {
		case 'l':
			vt_select(NULL);
			return KSFT_PASS;
		case 't':
			if (vt_select(optarg))
				continue;
			fprintf(stderr, "no test %s (-l lists them)\n", optarg);
			return KSFT_FAIL;
		default:
			fprintf(stderr, "usage: %s [-l] [-t PATTERN]\n", argv[0]);
			return KSFT_FAIL;
		}
	}
	return test_harness_run(argc, argv);
}

#undef TEST_HARNESS_MAIN
#define TEST_HARNESS_MAIN						\
	static void __attribute__((constructor))			\
	__constructor_order_last(void)					\
	{								\
		if (!__constructor_order)				\
			__constructor_order = _CONSTRUCTOR_ORDER_BACKWARD; \
	}								\
	int main(int argc, char **argv)					\
	{								\
		return vt_main(argc, argv);				\
	}

#endif /* VDI_TEST_SELECT_H */
