#ifndef DUCKLING_LEND_H
#define DUCKLING_LEND_H

#include <stdbool.h>
#include <stdint.h>

// A crew is threads that help with the statements of one database, and only with those that take long. DuckDB's own threads are woken
// by every task of every statement, which costs a short statement as much as its work.
typedef struct crew crew;

// crew_open starts threads for a duckdb_database, or returns NULL.
crew *crew_open(void *database, int threads);

// crew_close ends the threads. No statement of the database may run.
void crew_close(crew *c);

// crew_begin starts a duckdb_prepared_statement and runs it in the caller's thread until its first rows are ready, or until the crew
// helps: at once for one that is known to take long, else when it has run for a moment and there are fewer statements than threads.
// *pending is a duckdb_pending_result, to be executed and destroyed also after an error. crew_begun must follow.
typedef enum { CREW_READY, CREW_HELPS, CREW_FAILED } crew_state;
crew_state crew_begin(crew *c, void *statement, bool is_long, void **pending, int64_t began);

// crew_now is the time that crew_begin takes as began: ns that no clock change touches.
int64_t crew_now(void);

// crew_begun says that the first rows of a statement are there, after crew_begin has returned state.
void crew_begun(crew *c, crew_state state);

// crew_invite makes the crew look for tasks for a moment.
void crew_invite(crew *c);

#endif
