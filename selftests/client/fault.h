/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the test's client can be told to do wrong: --fault NAME.
 */
#ifndef CLIENT_FAULT_H
#define CLIENT_FAULT_H

#define FAULTS(F)							\
	F(NONE, "none")							\
	F(NO_SET, "no-set")		/* ends at once */		\
	F(MORE_DEVICES, "more-devices")	/* one more than asked for */	\
	F(OPENS_LESS, "opens-less")	/* one device is never opened */ \
	F(HANGS, "hangs")		/* a Write is never answered */	\
	F(ANSWERS_TWICE, "answers-twice")				\
	F(COMPLETES_TWICE, "completes-twice")	/* Complete, that is */	\
	F(TOO_MANY_BYTES, "too-many-bytes")	/* more than asked, then right */ \
	F(CRASHES, "crashes")						\
	F(CLOSES_EARLY, "closes-early")	/* Close with open devices */	\
	F(ABORTS, "aborts")						\
	F(OVERRUNS, "overruns")		/* Read fills more than asked */ \
	F(TOUCHES_LATER, "touches-later")	/* a buffer given back */ \
	F(SCRIBBLES, "scribbles")	/* changes what it is to write */ \
	F(WRITE_FAILS, "write-fails")					\
	F(WRONG_COUNT, "wrong-count")	/* Write: half of the bytes */	\
	F(FLUSH_FAILS, "flush-fails")					\
	F(COMPLETE_FAILS, "complete-fails")				\
	F(READ_FAILS, "read-fails")					\
	F(SHORT_READ, "short-read")	/* in the middle of the data */	\
	F(FILLS_NOTHING, "fills-nothing")	/* Read leaves its buffer */ \
	F(CORRUPTS, "corrupts")		/* one byte of the data */	\
	F(DISORDERS, "disorders")	/* two blocks change places */	\
	F(DROPS, "drops")		/* one Write is not stored */	\
	F(CROSSES, "crosses")		/* devices change places */	\
	F(ENDS_EARLY, "ends-early")	/* Read: before the last block */ \
	F(NEVER_ENDS, "never-ends")	/* no code at the end */	\
	F(KNOWS_ALL, "knows-all")	/* answers anything with success */ \
	F(REFUSES_CLEAR, "refuses-clear")	/* ClearError: 50 */	\
	F(IGNORES_CLEAR, "ignores-clear")	/* ClearError: no answer */ \
	F(LOSES_AFTER_ERROR, "loses-after-error") /* the next Write */	\
	F(STORES_LATE, "stores-late")	/* nothing before the close */	\
	F(LEAVES, "leaves")		/* after Complete, without Close */ \
	F(SURVIVES_ABORT, "survives-abort")	/* as if all was well */ \
	F(KEEPS_ABORTED, "keeps-aborted")	/* fails, but keeps it */ \
	F(HANGS_ABORTED, "hangs-aborted")				\
	F(EXITS_WRONG, "exits-wrong")	/* a status after success */	\
	F(STAYS_ON, "stays-on")		/* never ends */		\
	F(KEEPS_DISCARDED, "keeps-discarded")				\
	F(LOSES_MARK, "loses-mark")					\
	F(HIDES_MARK, "hides-mark")	/* Read goes on over it */	\
	F(SKIPS_ONE_MORE, "skips-one-more")	/* SkipBlocks */	\
	F(SKIPS_MARKS_BACK, "skips-marks-back")	/* to behind the mark */ \
	F(NO_REWIND, "no-rewind")					\
	F(WRONG_POSITION, "wrong-position")	/* SetPosition */	\
	F(FORGETS_POSITION, "forgets-position")	/* GetPosition */	\
	F(WRONG_LENGTH, "wrong-length")					\
	F(FILLS_HOLES, "fills-holes")	/* with data */			\
	F(SAME_MEDIUM, "same-medium")	/* Load changes nothing */	\
	F(NO_LOAD, "no-load")						\
	F(WARNS_EMPTY, "warns-empty")	/* 1100, and nothing stored */

#define FAULT_ENUM(id, name) FAULT_##id,
enum fault { FAULTS(FAULT_ENUM) FAULT_COUNT };

#endif /* CLIENT_FAULT_H */
