#ifndef DUCKLING_ANSWER_H
#define DUCKLING_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lend.h"

// Each call from Go into C costs what a hundred instructions do, and a short statement made twenty. An answer is a statement's result with
// what its reader wants to know of it, so that running one and reading its rows are two calls.

// outcome is DuckDB's duckdb_result, which is passed by value.
typedef struct {
	uint64_t unused[3];
	void *columns;
	char *error;
	void *data;
} outcome;

// part is one column of the rows read last. validity is NULL when no value is null.
typedef struct {
	void *vector, *data;
	uint64_t *validity;
} part;

typedef struct {
	outcome result;
	void *pending; // only while the statement has not begun, or has failed in that
	void *chunk;   // the rows read last, or NULL
	uint64_t rows; // how many these are
	size_t columns, room;
	part *parts;  // as many as columns; there is memory for room
	int64_t took; // ns up to the first rows, of a stream that a crew may help
	bool alike;   // the columns are as in the shape that answer_begin was given
	bool failed;  // see answer_error
} answer;

// shape is the names and types of a result's columns.
typedef struct shape shape;

// How a statement runs: its rows are made as they are read, in a buffer of DuckDB's, or all of them before the first is read.
typedef enum { ANSWER_STREAM, ANSWER_WHOLE } answer_mode;

answer *answer_new(void);
void answer_free(answer *a);

// answer_begin runs a duckdb_prepared_statement and reads its first rows. a->rows is 0 when there are none. crew, which may be NULL,
// helps with a stream, from its start when it is known to take long. known may be NULL. answer_end must follow, also after a failure.
void answer_begin(answer *a, crew *crew, void *statement, answer_mode mode, bool is_long, const shape *known);

// answer_next reads the next rows instead of those read last. a->rows is 0 at the end and after a failure.
void answer_next(answer *a);

// answer_error is why a->failed, and valid until answer_end.
const char *answer_error(answer *a);

// answer_end frees the result and the rows read last. The answer can begin again.
void answer_end(answer *a);

// answer_name and answer_type describe a column; the type is a duckdb_logical_type, to be destroyed.
const char *answer_name(answer *a, size_t column);
void *answer_type(answer *a, size_t column);

// answer_shape is the shape of the result, to be freed, or NULL when a column's type is nested or an ENUM and comparing it would cost as much as
// reading it anew.
shape *answer_shape(answer *a);
void shape_free(shape *s);

#endif
