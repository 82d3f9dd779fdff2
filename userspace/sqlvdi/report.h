/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Results: the number that a method gives for what libvdi said, and, where the
 * number does not tell the cause, one line for people.
 */
#ifndef SQLVDI_REPORT_H
#define SQLVDI_REPORT_H

#include "session.h"

int report_result(struct session *s, const char *method, int err, const char *about);
void report_line(const char *method, int result, const char *set, const char *instance,
		 const char *cause);

#endif /* SQLVDI_REPORT_H */
