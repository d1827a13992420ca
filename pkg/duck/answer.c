#include "answer.h"

#include <stdlib.h>
#include <string.h>

// Of DuckDB's C API, as in lend.c.
#define DUCKDB extern __attribute__((weak))
DUCKDB int duckdb_pending_prepared_streaming(void *statement, void **pending);
DUCKDB int duckdb_execute_prepared(void *statement, outcome *result);
DUCKDB int duckdb_execute_pending(void *pending, outcome *result);
DUCKDB const char *duckdb_pending_error(void *pending);
DUCKDB void duckdb_destroy_pending(void **pending);
DUCKDB const char *duckdb_result_error(outcome *result);
DUCKDB void duckdb_destroy_result(outcome *result);
DUCKDB uint64_t duckdb_column_count(outcome *result);
DUCKDB const char *duckdb_column_name(outcome *result, uint64_t column);
DUCKDB int duckdb_column_type(outcome *result, uint64_t column);
DUCKDB void *duckdb_column_logical_type(outcome *result, uint64_t column);
DUCKDB char *duckdb_logical_type_get_alias(void *type);
DUCKDB uint8_t duckdb_decimal_width(void *type);
DUCKDB uint8_t duckdb_decimal_scale(void *type);
DUCKDB void duckdb_destroy_logical_type(void **type);
DUCKDB void *duckdb_fetch_chunk(outcome result);
DUCKDB uint64_t duckdb_data_chunk_get_size(void *chunk);
DUCKDB void *duckdb_data_chunk_get_vector(void *chunk, uint64_t column);
DUCKDB void *duckdb_vector_get_data(void *vector);
DUCKDB uint64_t *duckdb_vector_get_validity(void *vector);
DUCKDB void duckdb_destroy_data_chunk(void **chunk);
DUCKDB void duckdb_free(void *ptr);

enum { DUCKDB_SUCCESS = 0 };
enum { TYPE_VARCHAR = 17, TYPE_DECIMAL = 19, TYPE_ENUM = 23, TYPE_LIST = 24, TYPE_STRUCT = 25, TYPE_MAP = 26, TYPE_UNION = 28, TYPE_ARRAY = 33 };

// trait is all that tells a column of a type without parts from others.
typedef struct {
	char *name;
	int type;
	uint8_t width, scale; // of a DECIMAL
	bool json;            // of a VARCHAR
} trait;

struct shape {
	size_t columns;
	trait traits[];
};

answer *answer_new(void) { return calloc(1, sizeof(answer)); }

void answer_free(answer *a) {
	free(a->parts);
	free(a);
}

static void drop_chunk(answer *a) {
	if (a->chunk != NULL) {
		duckdb_destroy_data_chunk(&a->chunk);
		a->chunk = NULL;
	}
	a->rows = 0;
}

static void fetch(answer *a) {
	a->chunk = duckdb_fetch_chunk(a->result);
	if (a->chunk == NULL) {
		const char *error = duckdb_result_error(&a->result);
		a->failed = error != NULL && *error != '\0';
		return;
	}
	a->rows = duckdb_data_chunk_get_size(a->chunk);
	for (size_t i = 0; a->rows > 0 && i < a->columns; i++) {
		part *p = &a->parts[i];
		p->vector = duckdb_data_chunk_get_vector(a->chunk, i);
		p->data = duckdb_vector_get_data(p->vector);
		p->validity = duckdb_vector_get_validity(p->vector);
	}
}

// describe fills in a trait, whose name stays DuckDB's. It is false for a type with parts.
static bool describe(answer *a, size_t column, trait *t) {
	memset(t, 0, sizeof *t);
	t->name = (char *)duckdb_column_name(&a->result, column);
	t->type = duckdb_column_type(&a->result, column);
	switch (t->type) {
	case TYPE_ENUM:
	case TYPE_LIST:
	case TYPE_STRUCT:
	case TYPE_MAP:
	case TYPE_UNION:
	case TYPE_ARRAY:
		return false;
	case TYPE_VARCHAR:
	case TYPE_DECIMAL: {
		void *type = duckdb_column_logical_type(&a->result, column);
		if (t->type == TYPE_DECIMAL) {
			t->width = duckdb_decimal_width(type);
			t->scale = duckdb_decimal_scale(type);
		} else {
			char *alias = duckdb_logical_type_get_alias(type);
			if (alias != NULL) {
				t->json = strcmp(alias, "JSON") == 0;
				duckdb_free(alias);
			}
		}
		duckdb_destroy_logical_type(&type);
	}
	}
	return t->name != NULL;
}

static bool alike(answer *a, const shape *known) {
	if (known == NULL || known->columns != a->columns) {
		return false;
	}
	for (size_t i = 0; i < a->columns; i++) {
		const trait *k = &known->traits[i];
		trait t;
		if (!describe(a, i, &t) || t.type != k->type || t.width != k->width || t.scale != k->scale || t.json != k->json || strcmp(t.name, k->name) != 0) {
			return false;
		}
	}
	return true;
}

shape *answer_shape(answer *a) {
	shape *s = calloc(1, sizeof *s + a->columns * sizeof s->traits[0]);
	while (s != NULL && s->columns < a->columns) {
		trait *t = &s->traits[s->columns];
		if (!describe(a, s->columns, t) || (t->name = strdup(t->name)) == NULL) {
			shape_free(s);
			return NULL;
		}
		s->columns++;
	}
	return s;
}

void shape_free(shape *s) {
	for (size_t i = 0; i < s->columns; i++) {
		free(s->traits[i].name);
	}
	free(s);
}

// execute runs the statement until there is a result. It is false when it has failed.
static bool execute(answer *a, crew *crew, void *statement, answer_mode mode, bool is_long) {
	if (mode == ANSWER_WHOLE) {
		return duckdb_execute_prepared(statement, &a->result) == DUCKDB_SUCCESS;
	}
	if (crew == NULL) {
		return duckdb_pending_prepared_streaming(statement, &a->pending) == DUCKDB_SUCCESS && duckdb_execute_pending(a->pending, &a->result) == DUCKDB_SUCCESS;
	}
	int64_t began = crew_now();
	crew_state state = crew_begin(crew, statement, is_long, &a->pending, began);
	bool done = state != CREW_FAILED && duckdb_execute_pending(a->pending, &a->result) == DUCKDB_SUCCESS;
	crew_begun(crew, state);
	a->took = crew_now() - began;
	return done;
}

void answer_begin(answer *a, crew *crew, void *statement, answer_mode mode, bool is_long, const shape *known) {
	if (!execute(a, crew, statement, mode, is_long)) {
		a->failed = true;
		return;
	}
	if (a->pending != NULL) {
		duckdb_destroy_pending(&a->pending);
		a->pending = NULL;
	}
	a->columns = duckdb_column_count(&a->result);
	if (a->columns > a->room) {
		free(a->parts);
		a->parts = calloc(a->columns, sizeof *a->parts);
		a->room = a->columns;
	}
	a->alike = alike(a, known);
	fetch(a);
}

void answer_next(answer *a) {
	drop_chunk(a);
	fetch(a);
}

const char *answer_error(answer *a) {
	const char *error = NULL;
	if (a->result.data != NULL) {
		error = duckdb_result_error(&a->result);
	} else if (a->pending != NULL) {
		error = duckdb_pending_error(a->pending);
	}
	return error != NULL ? error : "";
}

void answer_end(answer *a) {
	drop_chunk(a);
	if (a->pending != NULL) {
		duckdb_destroy_pending(&a->pending);
	}
	duckdb_destroy_result(&a->result);
	*a = (answer){.parts = a->parts, .room = a->room};
}

const char *answer_name(answer *a, size_t column) { return duckdb_column_name(&a->result, column); }

void *answer_type(answer *a, size_t column) { return duckdb_column_logical_type(&a->result, column); }
