package duck_test

import (
	"debug/elf"
	"testing"
)

// A C++ object must be freed by who made it. DuckDB makes some and libstdc++ others, so both have to find the operators of this package: they
// are in the program, and where a shared library looks for them.
func TestOneAllocatorForAllOfCPlusPlus(t *testing.T) {
	program, err := elf.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	symbols, err := program.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	there := make(map[string]bool)
	for _, s := range symbols {
		there[s.Name] = s.Section != elf.SHN_UNDEF
	}
	for _, name := range []string{"_Znwm", "_Znam", "_ZdlPv", "_ZdaPv", "_ZdlPvm", "_ZdaPvm", "duckdb_je_malloc", "duckdb_je_free"} {
		if !there[name] {
			t.Errorf("the program does not export %s", name)
		}
	}
}
