package server

// sessionSettings are what reading relies on, whatever the server's defaults are.
var sessionSettings = map[string]string{
	"time_zone": "'+00:00'",
	// No mode that changes how values read: neither padded CHARs nor quotes that mean something else.
	"sql_mode": "''",
	// A copy waits for its reader for as long as the stream has precedence.
	"net_write_timeout": "3600",
	// Each SELECT sees what is committed when it begins, and not what was when one before it on the same connection did.
	"autocommit": "1",
	// All rows of a table, however many.
	"sql_select_limit": "18446744073709551615" +
		// For as long as it takes, none that is not committed, and with the keys that MySQL makes by itself. The comments are each executed by
		// the servers that have these variables, and skipped by others.
		" /*!80000 , max_execution_time = 0, transaction_isolation = 'REPEATABLE-READ' */" +
		" /*!80030 , show_gipk_in_create_table_and_information_schema = 1 */" +
		" /*M!100101 , max_statement_time = 0, tx_isolation = 'REPEATABLE-READ' */",
}
