package dialect

import "strings"

// show writes MySQL's SHOW and DESC as queries on the companion's views, and returns false for any other statement.
// Without it DuckDB's own SHOW TABLES would list bookkeeping tables.
func (w *writer) show() bool {
	var words []string
	var args []token
	for _, t := range w.tokens {
		if !significant(t) || t.kind == symbol && w.sql[t.start:t.end] == ";" {
			continue
		}
		if t.kind == word && len(args) == 0 {
			words = append(words, strings.ToLower(w.sql[t.start:t.end]))
			if len(words) > 4 {
				return false
			}
			continue
		}
		args = append(args, t)
	}
	if len(words) == 0 || words[0] != "show" || len(args) > 0 {
		return false
	}
	var query string
	switch strings.Join(words[1:], " ") {
	case "tables":
		query = "SELECT table_name AS name FROM " + informationSchema + ".tables ORDER BY name"
	case "all tables", "full tables", "tables extended":
		query = "SELECT table_name AS name, table_type AS type FROM " + informationSchema + ".tables ORDER BY name"
	case "databases", "schemas":
		query = "SELECT schema_name AS database_name FROM " + informationSchema + ".schemata"
	default:
		return false
	}
	w.replace(token{word, 0, len(w.sql)}, query)
	return true
}
