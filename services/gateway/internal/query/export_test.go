package query

import "github.com/chittihq/duckling/services/gateway/internal/dialect"

// Trust has the service run a statement that it would refuse.
func Trust(s *Service, database, sql string) {
	s.plans.put(&plan{key: planKey{database, dialect.Auto, sql}, sql: sql, translation: &dialect.Translation{SQL: sql}})
}
