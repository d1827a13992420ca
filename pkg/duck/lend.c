#define _GNU_SOURCE // for the name of a thread
#include "lend.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

// Of DuckDB's C API, whose header is the driver's and cannot be reached from here. Weak, because only the driver's package names the
// library that has them.
#define DUCKDB extern __attribute__((weak))
DUCKDB void *duckdb_create_task_state(void *database);
DUCKDB uint64_t duckdb_execute_n_tasks_state(void *state, uint64_t max_tasks);
DUCKDB void duckdb_destroy_task_state(void *state);
DUCKDB int duckdb_pending_prepared_streaming(void *statement, void **pending);
DUCKDB int duckdb_pending_execute_task(void *pending);

enum { DUCKDB_SUCCESS = 0 };
enum { PENDING_READY = 0, PENDING_NOT_READY = 1, PENDING_ERROR = 2, PENDING_NO_TASKS = 3 };

enum {
	MICROSECOND = 1000,
	// How long a statement runs by itself before it is helped: two threads made one of a millisecond slower.
	SOON = 2000 * MICROSECOND,
	// How often a thread that finds no task looks again: at first, at last while a statement is helped, whose next tasks may come at any
	// moment, and at last when none is.
	FIRST = 10 * MICROSECOND,
	SOONER = 80 * MICROSECOND,
	LAST = 500 * MICROSECOND,
	// How long it does that when no statement waits for its first rows.
	ENOUGH = 2000 * MICROSECOND,
};

struct crew {
	void *state;
	int size;
	pthread_t *threads;
	atomic_int running; // statements between begin and begun
	atomic_int helped;  // of these, the ones that are helped
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	uint64_t invitations; // guarded by mutex, as is closed
	bool closed;
};

int64_t crew_now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

// work runs tasks until there have been none for a while.
static void work(crew *c) {
	long idle = 0, pause = FIRST;
	for (;;) {
		if (duckdb_execute_n_tasks_state(c->state, 1) > 0) {
			idle = 0;
			pause = FIRST;
			continue;
		}
		bool helps = atomic_load(&c->helped) > 0;
		if (idle >= ENOUGH && !helps) {
			return;
		}
		struct timespec span = {.tv_nsec = pause};
		nanosleep(&span, NULL);
		idle += pause;
		long most = helps ? SOONER : LAST;
		pause = pause * 2 < most ? pause * 2 : most;
	}
}

static void *run(void *argument) {
	crew *c = argument;
	prctl(PR_SET_TIMERSLACK, 1UL); // else each pause is 50 µs longer
	uint64_t seen = 0;
	pthread_mutex_lock(&c->mutex);
	for (;;) {
		while (!c->closed && c->invitations == seen) {
			pthread_cond_wait(&c->wake, &c->mutex);
		}
		if (c->closed) {
			break;
		}
		seen = c->invitations;
		pthread_mutex_unlock(&c->mutex);
		work(c);
		pthread_mutex_lock(&c->mutex);
	}
	pthread_mutex_unlock(&c->mutex);
	return NULL;
}

void crew_invite(crew *c) {
	pthread_mutex_lock(&c->mutex);
	c->invitations++;
	pthread_cond_broadcast(&c->wake);
	pthread_mutex_unlock(&c->mutex);
}

crew *crew_open(void *database, int threads) {
	crew *c = calloc(1, sizeof *c);
	if (c == NULL) {
		return NULL;
	}
	pthread_mutex_init(&c->mutex, NULL);
	pthread_cond_init(&c->wake, NULL);
	c->state = duckdb_create_task_state(database);
	c->threads = calloc((size_t)threads, sizeof *c->threads);
	while (c->state != NULL && c->threads != NULL && c->size < threads && pthread_create(&c->threads[c->size], NULL, run, c) == 0) {
		pthread_setname_np(c->threads[c->size++], "duckling-crew");
	}
	if (c->size < threads) {
		crew_close(c);
		return NULL;
	}
	return c;
}

void crew_close(crew *c) {
	pthread_mutex_lock(&c->mutex);
	c->closed = true;
	pthread_cond_broadcast(&c->wake);
	pthread_mutex_unlock(&c->mutex);
	for (int i = 0; i < c->size; i++) {
		pthread_join(c->threads[i], NULL);
	}
	if (c->state != NULL) {
		duckdb_destroy_task_state(c->state);
	}
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->mutex);
	free(c->threads);
	free(c);
}

static crew_state help(crew *c) {
	atomic_fetch_add(&c->helped, 1); // before the invitation, so that who follows it stays
	crew_invite(c);
	return CREW_HELPS;
}

crew_state crew_begin(crew *c, void *statement, bool is_long, void **pending, int64_t began) {
	int others = atomic_fetch_add(&c->running, 1);
	if (duckdb_pending_prepared_streaming(statement, pending) != DUCKDB_SUCCESS) {
		return CREW_FAILED;
	}
	if (is_long && others < c->size) {
		return help(c);
	}
	for (;;) {
		switch (duckdb_pending_execute_task(*pending)) {
		case PENDING_READY:
			return CREW_READY;
		case PENDING_ERROR:
			return CREW_FAILED;
		case PENDING_NO_TASKS: // another thread has what is left
			return help(c);
		}
		if (crew_now() - began > SOON && atomic_load(&c->running) <= c->size) {
			return help(c);
		}
	}
}

void crew_begun(crew *c, crew_state state) {
	if (state == CREW_HELPS) {
		atomic_fetch_sub(&c->helped, 1);
	}
	atomic_fetch_sub(&c->running, 1);
}
