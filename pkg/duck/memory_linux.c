// DuckDB makes two hundred small C++ objects for the shortest statement. They come from the jemalloc that is linked with it, which it uses for its
// large blocks only: glibc's malloc keeps seven freed pieces of a size at hand for a thread and looks for all others in lists.
//
// These are operator new and delete, for all C++ in the process. The names are those of the C++ ABI, because this package is to be built with a
// C compiler alone.

#include <stddef.h>
#include <stdlib.h>

// Weak, because only the driver's package names the library that has them, and a DuckDB that is built otherwise has none.
extern __attribute__((weak)) void *duckdb_je_malloc(size_t size);
extern __attribute__((weak)) void duckdb_je_free(void *piece);
extern __attribute__((weak, noreturn)) void _ZSt17__throw_bad_allocv(void); // std::__throw_bad_alloc()

static void *make(size_t size) {
	void *piece = duckdb_je_malloc != NULL ? duckdb_je_malloc(size) : malloc(size != 0 ? size : 1);
	if (piece == NULL) {
		_ZSt17__throw_bad_allocv();
	}
	return piece;
}

static void drop(void *piece) {
	if (duckdb_je_free != NULL) {
		duckdb_je_free(piece);
	} else {
		free(piece);
	}
}

void *_Znwm(size_t size) { return make(size); } // operator new(size_t)
void *_Znam(size_t size) { return make(size); } // operator new[](size_t)

void _ZdlPv(void *piece) { drop(piece); } // operator delete(void *)
void _ZdaPv(void *piece) { drop(piece); } // operator delete[](void *)

// operator delete(void *, size_t) and operator delete[](void *, size_t)
void _ZdlPvm(void *piece, size_t size) {
	(void)size;
	drop(piece);
}
void _ZdaPvm(void *piece, size_t size) {
	(void)size;
	drop(piece);
}
